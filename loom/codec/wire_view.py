"""The schemaless view: field numbers, wire types, and what the bytes may mean.

A length-delimited field may be a message, a string, packed numbers or bytes; the wire does not tell.
Each guess that fits is named in the note, the likeliest first.
"""

import struct
from collections.abc import Iterator
from typing import Any

from google.protobuf.unknown_fields import UnknownFieldSet

from .node import Budget, Node, node
from .scalars import as_base64, single
from .wire_parser import (
    I32,
    I64,
    SGROUP,
    VARINT,
    BudgetExceededError,
    Field,
    WireFormatError,
    read_fields,
    read_varint,
)

MAX_NODES = 2_000
_MAX_DEPTH = 32
_PROBED = 1_000  # fields that have to be well-formed before bytes are taken for a message
_PACKED_SHOWN = 16
_CONTINUES = 0x80


def wire_view(data: bytes, budget: Budget | None = None) -> Node:
    """The fields of any message by number; a node of kind ``bytes`` with a note if it is none."""
    budget = budget or Budget(MAX_NODES)
    made = node("", "message", "message")
    try:
        fields, complete = read_fields(data, budget, max(budget.left, _PROBED))
    except WireFormatError as error:
        return made | {"kind": "bytes", "type": "bytes", "note": f"not a protobuf message: {error}"}
    except BudgetExceededError:
        return made | {"kind": "bytes", "type": "bytes", "note": "too intricate to be looked into"}
    _fill(made, fields, budget, 0)
    if not complete:
        made["note"] = f"only the first {len(fields)} fields were read"
        made["more"] = max(made["more"], 1)
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
            list(_from_unknown(data)) if field.wire_type == SGROUP else data,
        )


def _fill(made: Node, fields: list[Field], budget: Budget, depth: int) -> None:
    for position, (number, kind, value) in enumerate(fields):
        if not budget.take():
            made["more"] = len(fields) - position
            return
        made["children"].append(_field(number, kind, value, budget, depth))


def _field(number: int, kind: int, value: Any, budget: Budget, depth: int) -> Node:
    key = str(number)
    if kind == VARINT:
        made = node(key, "scalar", "varint", number=number, value=str(value))
        made["note"] = _varint_meanings(value)
    elif kind in {I64, I32}:
        made = node(key, "scalar", "i64" if kind == I64 else "i32", number=number, value=str(value))
        made["note"] = _fixed_meanings(value, kind)
    elif kind == SGROUP:
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


def _fixed_meanings(value: int, kind: int) -> str:
    size = 8 if kind == I64 else 4
    data = value.to_bytes(size, "little")
    if kind == I64:
        meanings = [f"double {struct.unpack('<d', data)[0]!r}"]
    else:
        meanings = [f"float {single(struct.unpack('<f', data)[0])!r}"]
    if value >> (size * 8 - 1):
        meanings.append(f"signed {int.from_bytes(data, 'little', signed=True)}")
    return ", ".join(meanings)


def _length_delimited(key: str, number: int, value: bytes, budget: Budget, depth: int) -> Node:
    text = _as_text(value)
    fields, complete, spent = _as_message(value, budget, depth)
    packed = _as_packed(value)
    # Text that also parses as a message is text: messages hold control bytes nearly always.
    if text is not None:
        made, best = node(key, "scalar", "len: string", number=number, value=text), "string"
    elif fields is not None:
        made, best = node(key, "message", "len: message", number=number), "message"
        _fill(made, fields, budget, depth + 1)
        if not complete:
            made["more"] = max(made["more"], 1)
    else:
        made, best = node(key, "bytes", "len: bytes", number=number, value=as_base64(value)), "bytes"
    fits = {"string": text is not None, "message": fields is not None, "bytes": True}
    others = [name for name, fit in fits.items() if fit and name != best]
    others += packed if text is None else [item.partition(" [")[0] for item in packed]
    notes = [f"{best}; could be {', '.join(others)}"] if others else []
    made["note"] = "; ".join([*notes, *(["not looked into any further"] if spent else [])])
    return made


def _as_text(value: bytes) -> str | None:
    try:
        text = value.decode()
    except UnicodeDecodeError:
        return None
    # isprintable() is False for line ends, which text has.
    fits = text.isprintable() or all(char.isprintable() or char in "\n\r\t" for char in text)
    return text if fits else None


def _as_message(value: bytes, budget: Budget, depth: int) -> tuple[list[Field] | None, bool, bool]:
    """The fields, if these bytes may be a message; whether they are all; whether the budget forbade to look."""
    if not value:
        return None, True, False
    if depth >= _MAX_DEPTH or budget.left <= 0:
        return None, False, True
    try:
        fields, complete = read_fields(value, budget, max(min(budget.left, MAX_NODES), _PROBED))
    except WireFormatError:
        return None, True, False
    except BudgetExceededError:
        return None, False, True
    return fields, complete, False


def _as_packed(value: bytes) -> list[str]:
    """Numbers that the bytes may be, packed: their first ones, in each way that fits."""
    found = []
    numbers = _packed_varints(value)
    if numbers:
        found.append(f"packed varints {numbers}")
    for size, code, name in ((4, "f", "floats"), (8, "d", "doubles")):
        count, rest = divmod(len(value), size)
        if count and not rest:
            shown = min(count, _PACKED_SHOWN)
            values = struct.unpack(f"<{shown}{code}", value[: shown * size])
            if all(item == 0 or 1e-9 < abs(item) < 1e15 for item in values):  # noqa: PLR2004 (a plausible size)
                listed = ", ".join(repr(single(item) if size == 4 else item) for item in values)  # noqa: PLR2004
                found.append(f"packed {name} [{listed}{', …' if count > shown else ''}]")
    return found


def _packed_varints(value: bytes) -> str | None:
    """The numbers, if the bytes are a run of varints and nothing else; the first ones of many."""
    if not value or value[-1] >= _CONTINUES:
        return None
    numbers: list[int] = []
    position = 0
    try:
        while position < len(value) and len(numbers) < _PACKED_SHOWN:
            number, position = read_varint(value, position)
            numbers.append(number)
    except WireFormatError:
        return None
    return f"[{', '.join(map(str, numbers))}{', …' if position < len(value) else ''}]"
