"""Build the tree of a message without a schema: field numbers, wire types, and what the bytes may mean.

A length-delimited field may be a message, a string, packed numbers or bytes; the wire format does not say which. The
note of a node names every interpretation that fits, the likeliest first.
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
    parse_fields,
    parse_varint,
)

MAX_NODES = 2_000
_MAX_DEPTH = 32
_PROBE_FIELDS = 1_000  # that must be well-formed before bytes are taken for a message
_MAX_PACKED_SHOWN = 16
_CONTINUES = 0x80


def wire_view(data: bytes, budget: Budget | None = None) -> Node:
    """The fields of a message by number; a node of kind ``bytes`` with a note if the bytes are not a message."""
    budget = budget or Budget(MAX_NODES)
    tree = node("", "message", "message")
    try:
        fields, complete = parse_fields(data, budget, max(budget.left, _PROBE_FIELDS))
    except WireFormatError as error:
        return _opaque(f"not a protobuf message: {error}")
    except BudgetExceededError:
        return _opaque("too complex to be parsed")
    _fill(tree, fields, budget, 0)
    if not complete:
        tree.note = f"only the first {len(fields)} fields were read"
        tree.more = max(tree.more, 1)
    return tree


def _opaque(note: str) -> Node:
    tree = node("", "bytes", "bytes")
    tree.note = note
    return tree


def unknown_nodes(unknown: UnknownFieldSet, budget: Budget) -> list[Node]:
    """The nodes of fields that a descriptor lacks."""
    tree = node("", "message", "message")
    _fill(tree, list(_from_unknown(unknown)), budget, 0)
    for child in tree.children:
        child.kind = "unknown" if child.kind in {"scalar", "bytes"} else child.kind
        child.note = "; ".join(filter(None, ("unknown field", child.note)))
    return list(tree.children)


def _from_unknown(unknown: UnknownFieldSet) -> Iterator[Field]:
    for field in unknown:  # type: ignore[attr-defined]
        data: Any = field.data
        yield (
            field.field_number,
            field.wire_type,
            list(_from_unknown(data)) if field.wire_type == SGROUP else data,
        )


def _fill(tree: Node, fields: list[Field], budget: Budget, depth: int) -> None:
    for position, (number, kind, value) in enumerate(fields):
        if not budget.take():
            tree.more = len(fields) - position
            return
        tree.children.append(_field(number, kind, value, budget, depth))


def _field(number: int, kind: int, value: Any, budget: Budget, depth: int) -> Node:
    key = str(number)
    if kind == VARINT:
        tree = node(key, "scalar", "varint", number=number, value=str(value))
        tree.note = _varint_meanings(value)
    elif kind in {I64, I32}:
        tree = node(key, "scalar", "i64" if kind == I64 else "i32", number=number, value=str(value))
        tree.note = _fixed_meanings(value, kind)
    elif kind == SGROUP:
        tree = node(key, "message", "group", number=number)
        _fill(tree, value, budget, depth + 1)
    else:
        tree = _length_delimited(key, number, value, budget, depth)
    return tree


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
    fields, complete, exhausted = _as_message(value, budget, depth)
    packed = _as_packed(value)
    # Text that also parses as a message is text: messages nearly always contain control characters.
    if text is not None:
        tree, best = node(key, "scalar", "len: string", number=number, value=text), "string"
    elif fields is not None:
        tree, best = node(key, "message", "len: message", number=number), "message"
        _fill(tree, fields, budget, depth + 1)
        if not complete:
            tree.more = max(tree.more, 1)
    else:
        tree, best = node(key, "bytes", "len: bytes", number=number, value=as_base64(value)), "bytes"
    fits = {"string": text is not None, "message": fields is not None, "bytes": True}
    others = [name for name, fit in fits.items() if fit and name != best]
    others += packed if text is None else [item.partition(" [")[0] for item in packed]
    notes = [f"{best}; could be {', '.join(others)}"] if others else []
    tree.note = "; ".join([*notes, *(["not parsed any further"] if exhausted else [])])
    return tree


def _as_text(value: bytes) -> str | None:
    try:
        text = value.decode()
    except UnicodeDecodeError:
        return None
    # isprintable() is False for line ends, which text has.
    fits = text.isprintable() or all(char.isprintable() or char in "\n\r\t" for char in text)
    return text if fits else None


def _as_message(value: bytes, budget: Budget, depth: int) -> tuple[list[Field] | None, bool, bool]:
    """The fields, if the bytes may be a message; whether these are all; whether the budget is exhausted."""
    if not value:
        return None, True, False
    if depth >= _MAX_DEPTH or budget.left <= 0:
        return None, False, True
    try:
        fields, complete = parse_fields(value, budget, max(min(budget.left, MAX_NODES), _PROBE_FIELDS))
    except WireFormatError:
        return None, True, False
    except BudgetExceededError:
        return None, False, True
    return fields, complete, False


def _as_packed(value: bytes) -> list[str]:
    """The first numbers of each packed encoding that fits the bytes."""
    interpretations = []
    numbers = _packed_varints(value)
    if numbers:
        interpretations.append(f"packed varints {numbers}")
    for size, code, name in ((4, "f", "floats"), (8, "d", "doubles")):
        count, rest = divmod(len(value), size)
        if count and not rest:
            shown = min(count, _MAX_PACKED_SHOWN)
            values = struct.unpack(f"<{shown}{code}", value[: shown * size])
            if all(item == 0 or 1e-9 < abs(item) < 1e15 for item in values):  # noqa: PLR2004 (a plausible size)
                text = ", ".join(repr(single(item) if size == 4 else item) for item in values)  # noqa: PLR2004
                interpretations.append(f"packed {name} [{text}{', …' if count > shown else ''}]")
    return interpretations


def _packed_varints(value: bytes) -> str | None:
    """The first varints, if the bytes are nothing but varints."""
    if not value or value[-1] >= _CONTINUES:
        return None
    numbers: list[int] = []
    position = 0
    try:
        while position < len(value) and len(numbers) < _MAX_PACKED_SHOWN:
            number, position = parse_varint(value, position)
            numbers.append(number)
    except WireFormatError:
        return None
    return f"[{', '.join(map(str, numbers))}{', …' if position < len(value) else ''}]"
