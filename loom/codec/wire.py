"""The schemaless view: field numbers, wire types, and what the bytes may mean.

A length-delimited field may be a message, a string, packed numbers or bytes; the wire does not tell.
Each guess that fits is named in the note, the likeliest first. Source: https://protobuf.dev/programming-guides/encoding/.
"""

import base64
import struct
from collections.abc import Iterator
from typing import Any

from google.protobuf.unknown_fields import UnknownFieldSet

from .node import Budget, Node, node

MAX_NODES = 5_000
_MAX_DEPTH = 32
_MAX_FIELD = 2**29 - 1
_VARINT, _I64, _LEN, _SGROUP, _EGROUP, _I32 = range(6)
_MOST_VARINT = 10
_MAX_PACKED = 64

Field = tuple[int, int, Any]  # number, wire type, value (int, bytes, or a list of fields for a group)


class _InvalidError(ValueError):
    """These bytes are no message."""


def wire_view(data: bytes, budget: Budget | None = None) -> Node:
    """The fields of any message by number; a node of kind ``bytes`` with a note if it is none."""
    budget = budget or Budget(MAX_NODES)
    made = node("", "message", "message")
    try:
        fields = parse(data)
    except _InvalidError as error:
        made["kind"] = "bytes"
        made["type"] = "bytes"
        made["note"] = f"not a protobuf message: {error}"
        return made
    _fill(made, fields, budget, 0)
    return made


def unknown_nodes(unknown: UnknownFieldSet, budget: Budget) -> list[Node]:
    """Fields that a descriptor does not have, as nodes."""
    made = node("", "message", "message")
    _fill(made, list(_from_unknown(unknown)), budget, 0)
    for child in made["children"]:
        child["kind"] = "unknown" if child["kind"] in {"scalar", "bytes"} else child["kind"]
        child["note"] = "; ".join(filter(None, ("unknown field", child["note"])))
    return list(made["children"])


def _from_unknown(unknown: UnknownFieldSet) -> Iterator[Field]:
    for field in unknown:  # type: ignore[attr-defined]
        data: Any = field.data
        yield (
            field.field_number,
            field.wire_type,
            list(_from_unknown(data)) if field.wire_type == _SGROUP else data,
        )


def parse(data: bytes) -> list[Field]:
    """Every field in order; raises if the bytes are not exactly a message."""
    fields, position = _parse(data, 0, len(data), None, 0)
    if position != len(data):
        raise _InvalidError(f"ends at byte {position}")
    return fields


def _parse(data: bytes, position: int, end: int, group: int | None, depth: int) -> tuple[list[Field], int]:
    fields: list[Field] = []
    while position < end:
        tag, position = _varint(data, position, end)
        number, kind = tag >> 3, tag & 7
        if not 0 < number <= _MAX_FIELD:
            raise _InvalidError(f"field number {number} at byte {position}")
        if kind == _EGROUP and number == group:
            return fields, position
        value, position = _value(data, position, end, number, kind, depth)
        fields.append((number, kind, value))
    if group is not None:
        raise _InvalidError(f"group {group} does not end")
    return fields, position


def _value(data: bytes, position: int, end: int, number: int, kind: int, depth: int) -> tuple[Any, int]:
    if kind == _VARINT:
        return _varint(data, position, end)
    if kind == _SGROUP and depth < _MAX_DEPTH:
        return _parse(data, position, end, number, depth + 1)
    if kind == _LEN:
        size, position = _varint(data, position, end)
    elif kind in {_I64, _I32}:
        size = 8 if kind == _I64 else 4
    else:
        raise _InvalidError(f"wire type {kind} at byte {position}")
    if position + size > end:
        raise _InvalidError("cut short")
    piece = data[position : position + size]
    return piece if kind == _LEN else int.from_bytes(piece, "little"), position + size


def _varint(data: bytes, position: int, end: int) -> tuple[int, int]:
    result = shift = 0
    for _ in range(_MOST_VARINT):
        if position >= end:
            raise _InvalidError("cut short")
        byte = data[position]
        position += 1
        result |= (byte & 0x7F) << shift
        if byte < 0x80:  # noqa: PLR2004 (the continuation bit)
            return result & 0xFFFFFFFFFFFFFFFF, position
        shift += 7
    raise _InvalidError("a number longer than ten bytes")


def _fill(made: Node, fields: list[Field], budget: Budget, depth: int) -> None:
    for position, (number, kind, value) in enumerate(fields):
        if not budget.take():
            made["more"] = len(fields) - position
            return
        made["children"].append(_field(number, kind, value, budget, depth))


def _field(number: int, kind: int, value: Any, budget: Budget, depth: int) -> Node:
    key = str(number)
    if kind == _VARINT:
        made = node(key, "scalar", "varint", number=number, value=str(value))
        made["note"] = _varint_meanings(value)
    elif kind == _I64:
        made = node(key, "scalar", "i64", number=number, value=str(value))
        made["note"] = f"double {struct.unpack('<d', value.to_bytes(8, 'little'))[0]!r}"
    elif kind == _I32:
        made = node(key, "scalar", "i32", number=number, value=str(value))
        made["note"] = f"float {struct.unpack('<f', value.to_bytes(4, 'little'))[0]!r}"
    elif kind == _SGROUP:
        made = node(key, "message", "group", number=number)
        _fill(made, value, budget, depth + 1)
    else:
        made = _length_delimited(key, number, value, budget, depth)
    return made


def _varint_meanings(value: int) -> str:
    meanings = []
    if value in {0, 1}:
        meanings.append(f"bool {str(bool(value)).lower()}")
    if value >> 63:
        meanings.append(f"int64 {value - (1 << 64)}")
    if value > 1:
        meanings.append(f"sint {(value >> 1) ^ -(value & 1)}")
    return ", ".join(meanings)


def _length_delimited(key: str, number: int, value: bytes, budget: Budget, depth: int) -> Node:
    text = _as_text(value)
    fields = _as_message(value) if value and depth < _MAX_DEPTH else None
    packed = _as_packed(value)
    guesses = [
        name
        for name, fits in (
            ("string", text is not None),
            ("message", fields is not None),
            ("packed numbers", packed is not None),
            ("bytes", True),
        )
        if fits
    ]
    # Text that also parses as a message is text: messages hold control bytes nearly always.
    if text is not None:
        made = node(key, "scalar", "len: string", number=number, value=text)
    elif fields is not None:
        guesses.remove("message")
        guesses.insert(0, "message")
        made = node(key, "message", "len: message", number=number)
        _fill(made, fields, budget, depth + 1)
    else:
        made = node(key, "bytes", "len: bytes", number=number, value=base64.b64encode(value).decode())
        guesses.remove("bytes")
        guesses.insert(0, "bytes")
        if packed is not None:
            made["note"] = f"packed varints {packed}"
    if len(guesses) > 1 and not made["note"]:
        made["note"] = f"{guesses[0]}; could be {', '.join(guesses[1:])}"
    return made


def _as_text(value: bytes) -> str | None:
    try:
        text = value.decode()
    except UnicodeDecodeError:
        return None
    return text if all(char.isprintable() or char in "\n\r\t" for char in text) else None


def _as_message(value: bytes) -> list[Field] | None:
    try:
        return parse(value)
    except _InvalidError:
        return None


def _as_packed(value: bytes) -> str | None:
    """The numbers, if the bytes are a run of varints and nothing else; the first ones of many."""
    if not value or value[-1] >= 0x80:  # noqa: PLR2004
        return None
    numbers: list[int] = []
    position = 0
    try:
        while position < len(value) and len(numbers) < _MAX_PACKED:
            number, position = _varint(value, position, len(value))
            numbers.append(number)
    except _InvalidError:
        return None
    return str(numbers) + ("…" if position < len(value) else "")
