"""Split a message into its fields, each with its exact bytes, and put fields together. No schema is needed.

Source: https://protobuf.dev/programming-guides/encoding/.
"""

import struct
from collections.abc import Iterable
from dataclasses import dataclass

from loom.codec.wire_parser import (
    EGROUP,
    I32,
    I64,
    LEN,
    MAX_FIELD,
    MAX_GROUP_DEPTH,
    SGROUP,
    VARINT,
    WireFormatError,
    parse_varint,
)

_CONTINUES = 0x80
_MASK64 = 0xFFFFFFFFFFFFFFFF
_FIXED_SIZES = {I64: 8, I32: 4}


@dataclass(frozen=True, slots=True)
class WireField:
    """One field as it is on the wire: ``raw`` with its tag, ``payload`` without tag, length and end of group."""

    number: int
    kind: int
    payload: bytes
    raw: bytes


def split_fields(data: bytes) -> list[WireField]:
    """The fields of a message, in order; raises :class:`WireFormatError` if it is not a message."""
    fields = []
    position = 0
    while position < len(data):
        field, position = _parse_field(data, position, 0)
        fields.append(field)
    return fields


def join_fields(fields: Iterable[WireField]) -> bytes:
    """The message that has these fields."""
    return b"".join([field.raw for field in fields])


def make_field(number: int, kind: int, payload: bytes) -> WireField:
    """A field with this payload: of a varint, its bytes."""
    head = encode_varint(number << 3 | kind)
    if kind == LEN:
        raw = head + encode_varint(len(payload)) + payload
    elif kind == SGROUP:
        raw = head + payload + encode_varint(number << 3 | EGROUP)
    else:
        raw = head + payload
    return WireField(number, kind, payload, raw)


def encode_varint(value: int) -> bytes:
    """A varint of the value's 64 bits."""
    value &= _MASK64
    encoded = bytearray()
    while value >= _CONTINUES:
        encoded.append(value & 0x7F | _CONTINUES)
        value >>= 7
    encoded.append(value)
    return bytes(encoded)


def encode_double(value: float) -> bytes:
    return struct.pack("<d", value)


def unpack_elements(payload: bytes, kind: int) -> list[bytes]:
    """The elements of a packed field of scalars of this wire type."""
    elements = []
    position = 0
    while position < len(payload):
        end = _skip_scalar(payload, position, kind)
        elements.append(payload[position:end])
        position = end
    return elements


def _parse_field(data: bytes, start: int, depth: int) -> tuple[WireField, int]:
    tag, position = parse_varint(data, start)
    number, kind = tag >> 3, tag & 7
    if not 0 < number <= MAX_FIELD:
        raise WireFormatError(f"field number {number} at byte {start}")
    if kind == LEN:
        size, position = parse_varint(data, position)
        end = position + size
        payload_end = end
    elif kind == SGROUP and depth < MAX_GROUP_DEPTH:
        payload_end, end = _skip_group(data, position, number, depth)
    elif kind in {VARINT, I64, I32}:
        end = payload_end = _skip_scalar(data, position, kind)
    else:
        raise WireFormatError(f"wire type {kind} at byte {start}")
    if end > len(data):
        raise WireFormatError("cut short")
    return WireField(number, kind, data[position:payload_end], data[start:end]), end


def _skip_scalar(data: bytes, position: int, kind: int) -> int:
    if kind == VARINT:
        return parse_varint(data, position)[1]
    end = position + _FIXED_SIZES[kind]
    if end > len(data):
        raise WireFormatError("cut short")
    return end


def _skip_group(data: bytes, position: int, number: int, depth: int) -> tuple[int, int]:
    """The position of the group's end tag, and the one after it."""
    while position < len(data):
        tag, after = parse_varint(data, position)
        if tag == number << 3 | EGROUP:
            return position, after
        _, position = _parse_field(data, position, depth + 1)
    raise WireFormatError(f"group {number} does not end")
