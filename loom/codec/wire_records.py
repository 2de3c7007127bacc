"""Split the wire format of a message into records: a field's tag and content, each as it was encoded.

Records that are joined again unchanged are the same bytes. Source:
https://protobuf.dev/programming-guides/encoding/.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from google.protobuf.descriptor import Descriptor, FieldDescriptor

from .wire_parser import (
    EGROUP,
    I32,
    I64,
    LEN,
    MAX_FIELD,
    SGROUP,
    VARINT,
    WireFormatError,
    encode_varint,
    parse_varint,
)

_SIZES = {I64: 8, I32: 4}
_WIRE_TYPES = {
    FieldDescriptor.TYPE_DOUBLE: I64,
    FieldDescriptor.TYPE_FIXED64: I64,
    FieldDescriptor.TYPE_SFIXED64: I64,
    FieldDescriptor.TYPE_FLOAT: I32,
    FieldDescriptor.TYPE_FIXED32: I32,
    FieldDescriptor.TYPE_SFIXED32: I32,
    FieldDescriptor.TYPE_STRING: LEN,
    FieldDescriptor.TYPE_BYTES: LEN,
    FieldDescriptor.TYPE_MESSAGE: LEN,
    FieldDescriptor.TYPE_GROUP: SGROUP,
}


@dataclass(slots=True)
class Record:
    """One field on the wire. ``body`` is what follows the tag: the length of a string and the end of a group, too."""

    number: int
    wire_type: int
    tag: bytes
    body: bytes

    @property
    def payload(self) -> bytes:
        """The content without its length or, of a group, without its end tag."""
        if self.wire_type == LEN:
            return self.body[parse_varint(self.body, 0)[1] :]
        if self.wire_type == SGROUP:
            return self.body[: end_of_fields(self.body)]
        return self.body

    def set_payload(self, payload: bytes) -> None:
        """Replace the content; nothing changes if it is the same."""
        if payload == self.payload:
            return
        if self.wire_type == LEN:
            payload = encode_varint(len(payload)) + payload
        elif self.wire_type == SGROUP:
            payload += self.body[end_of_fields(self.body) :]
        self.body = payload


def make_record(number: int, wire_type: int, payload: bytes) -> Record:
    """A record with this payload: the bytes of a varint, the content of a string or group."""
    body = payload
    if wire_type == LEN:
        body = encode_varint(len(payload)) + payload
    elif wire_type == SGROUP:
        body = payload + encode_varint(number << 3 | EGROUP)
    return Record(number, wire_type, encode_varint(number << 3 | wire_type), body)


def split_records(data: bytes) -> list[Record]:
    """The records of a message; raises :class:`.wire_parser.WireFormatError`."""
    records = []
    position = 0
    while position < len(data):
        start = position
        tag, position = parse_varint(data, position)
        if not 0 < tag >> 3 <= MAX_FIELD:
            raise WireFormatError(f"field number {tag >> 3} at byte {start}")
        body = position
        position = skip_content(data, position, tag >> 3, tag & 7)
        records.append(Record(tag >> 3, tag & 7, data[start:body], data[body:position]))
    return records


def join_records(records: Iterable[Record]) -> bytes:
    """The wire format of records."""
    return b"".join([part for record in records for part in (record.tag, record.body)])


def split_packed(payload: bytes, wire_type: int) -> list[bytes]:
    """The elements of a packed field, each as it was encoded."""
    elements = []
    position = 0
    while position < len(payload):
        start = position
        position = skip_content(payload, position, 0, wire_type)
        elements.append(payload[start:position])
    return elements


def wire_type_of(field: FieldDescriptor) -> int:
    """The wire type of a value of a field; that of a packed field is LEN."""
    return _WIRE_TYPES.get(field.type, VARINT)


def find_field(descriptor: Descriptor, number: int) -> FieldDescriptor | None:
    """The field or extension of a message type with this number."""
    field = descriptor.fields_by_number.get(number)
    if field is None and descriptor.is_extendable:
        try:
            field = descriptor.file.pool.FindExtensionByNumber(descriptor, number)
        except KeyError:
            return None
    return field


def skip_content(data: bytes | bytearray, position: int, number: int, wire_type: int) -> int:
    """The position after the content of a field; after the end tag of a group."""
    groups = [number] if wire_type == SGROUP else []
    if not groups:
        return _skip_scalar(data, position, wire_type)
    while groups:
        tag, position = parse_varint(data, position)
        inner = tag & 7
        if inner == SGROUP:
            groups.append(tag >> 3)
        elif inner == EGROUP:
            if groups.pop() != tag >> 3:
                raise WireFormatError(f"group {tag >> 3} does not start")
        else:
            position = _skip_scalar(data, position, inner)
    return position


def _skip_scalar(data: bytes | bytearray, position: int, wire_type: int) -> int:
    if wire_type == VARINT:
        return parse_varint(data, position)[1]
    if wire_type == LEN:
        size, position = parse_varint(data, position)
    elif wire_type in _SIZES:
        size = _SIZES[wire_type]
    else:
        raise WireFormatError(f"wire type {wire_type} at byte {position}")
    if position + size > len(data):
        raise WireFormatError("cut short")
    return position + size


def end_of_fields(body: bytes | bytearray) -> int:
    """Where the end tag begins in the content of a group."""
    position = 0
    while True:
        start = position
        tag, position = parse_varint(body, position)
        if tag & 7 == EGROUP:
            return start
        position = skip_content(body, position, tag >> 3, tag & 7)
