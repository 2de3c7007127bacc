"""Parse the wire format without a descriptor: field numbers, wire types, values.

Source: https://protobuf.dev/programming-guides/encoding/.
"""

from typing import Any

from .node import Budget

MAX_GROUP_DEPTH = 32
MAX_FIELD = 2**29 - 1
VARINT, I64, LEN, SGROUP, EGROUP, I32 = range(6)
_MAX_VARINT_BYTES = 10
_CONTINUES = 0x80

Field = tuple[int, int, Any]  # number, wire type, value (an int, bytes, or a list of fields for a group)


class WireFormatError(ValueError):
    """The bytes are not a message."""


class BudgetExceededError(Exception):
    """The budget of steps is exhausted before it is known whether the bytes are a message."""


def parse_fields(data: bytes, budget: Budget, limit: int) -> tuple[list[Field], bool]:
    """The first ``limit`` fields, and whether these are all.

    :class:`WireFormatError` if the bytes are not a message, as far as they were read; :class:`BudgetExceededError` if
    the budget ended before that was known.
    """
    parser = _Parser(data, budget, limit)
    fields = parser.fields(None, 0)
    return fields, parser.position == len(data)


def parse_varint(data: bytes | bytearray, position: int) -> tuple[int, int]:
    """A varint's value (64 bits of it) and the position after it."""
    result = shift = 0
    for _ in range(_MAX_VARINT_BYTES):
        if position >= len(data):
            raise WireFormatError("cut short")
        byte = data[position]
        position += 1
        result |= (byte & 0x7F) << shift
        if byte < _CONTINUES:
            return result & 0xFFFFFFFFFFFFFFFF, position
        shift += 7
    raise WireFormatError("a number longer than ten bytes")


def encode_varint(value: int) -> bytes:
    """A number that is not negative as a varint."""
    output = bytearray()
    while value >= _CONTINUES:
        output.append(value & 0x7F | _CONTINUES)
        value >>= 7
    return bytes([*output, value])


class _Parser:
    def __init__(self, data: bytes, budget: Budget, limit: int) -> None:
        self.position = 0
        self._data = data
        self._budget = budget
        self._left = limit

    def fields(self, group: int | None, depth: int) -> list[Field]:
        fields: list[Field] = []
        data, end, budget = self._data, len(self._data), self._budget
        while self.position < end:
            if self._left <= 0:
                return fields
            if budget.steps <= 0:
                raise BudgetExceededError
            budget.steps -= 1
            start = self.position
            tag = data[start]
            if tag < _CONTINUES:  # most are, and a call costs as much as all the rest
                self.position = start + 1
            else:
                tag, self.position = parse_varint(data, start)
            number, kind = tag >> 3, tag & 7
            if not 0 < number <= MAX_FIELD:
                raise WireFormatError(f"field number {number} at byte {start}")
            if kind == EGROUP and number == group:
                return fields
            self._left -= 1
            fields.append((number, kind, self._value(number, kind, start, depth)))
        if group is not None:
            raise WireFormatError(f"group {group} does not end")
        return fields

    def _value(self, number: int, kind: int, start: int, depth: int) -> Any:
        if kind == VARINT:
            return self._varint()
        if kind == SGROUP and depth < MAX_GROUP_DEPTH:
            return self.fields(number, depth + 1)
        if kind == LEN:
            size = self._varint()
        elif kind in {I64, I32}:
            size = 8 if kind == I64 else 4
        else:
            raise WireFormatError(f"wire type {kind} at byte {start}")
        end = self.position + size
        if end > len(self._data):
            raise WireFormatError("cut short")
        value = self._data[self.position : end]
        self.position = end
        return value if kind == LEN else int.from_bytes(value, "little")

    def _varint(self) -> int:
        position = self.position
        if position < len(self._data) and self._data[position] < _CONTINUES:
            self.position = position + 1
            return self._data[position]
        value, self.position = parse_varint(self._data, position)
        return value
