"""The fields of a message in its records: what protobuf takes for the value of each, to be found, replaced, removed.

A field may occur several times: the elements of a list, with or without being packed; the entries of a map; a scalar
of which the last counts; a message whose occurrences are one message together, each a :class:`Segment` of it.
"""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from dataclasses import field as dataclass_field
from itertools import count
from operator import itemgetter
from typing import Any

from google.protobuf import message_factory
from google.protobuf.descriptor import FieldDescriptor

from .compiled_readers import is_map, key_text
from .wire_parser import I32, I64, LEN, SGROUP, VARINT, encode_varint, parse_varint
from .wire_records import Record, join_records, split_packed, split_records, wire_type_of

_ZEROS = {VARINT: b"\0", LEN: b"\0", I32: bytes(4), I64: bytes(8)}


@dataclass(slots=True)
class Segment:
    """The records of one occurrence of a message. The occurrences of one singular field are one message together."""

    records: list[Record]


Segments = list[Segment]


@dataclass(slots=True)
class Element:
    """One element of a repeated field: its place, its bytes without a tag, and the index of the record that has it.

    ``known`` is False for a number that its closed enum lacks, which counts as an unknown field.
    """

    index: int
    body: bytes
    container: int
    known: bool = True


@dataclass(slots=True)
class Entries:
    """The records of a map with one JSON key, and their keys, which differ if one of them is not valid UTF-8."""

    records: list[Record] = dataclass_field(default_factory=list)
    keys: set[Any] = dataclass_field(default_factory=set)


def find_occurrences(segments: Segments, field: FieldDescriptor) -> list[tuple[Segment, Record]]:
    """The records that protobuf takes for a field: not those of another wire type, nor of an unknown enum value."""
    wire_type = wire_type_of(field)
    packable = field.is_repeated and wire_type not in {LEN, SGROUP}
    return [
        (segment, record)
        for segment in segments
        for record in segment.records
        if record.number == field.number
        and (record.wire_type == wire_type or (packable and record.wire_type == LEN))
        and (field.is_repeated or _is_known(field, record.body))
        and (not is_map(field) or _is_known_entry(record, field))
    ]


def find_active_occurrences(segments: Segments, field: FieldDescriptor) -> list[tuple[Segment, Record]]:
    """The occurrences of a singular field since the last one of another field of its oneof."""
    if field.containing_oneof is None:
        return find_occurrences(segments, field)
    others = {
        id(record)
        for other in field.containing_oneof.fields
        if other.number != field.number
        for _, record in find_occurrences(segments, other)
    }
    active: list[tuple[Segment, Record]] = []
    own = {id(record) for _, record in find_occurrences(segments, field)}
    for segment in segments:
        for record in segment.records:
            if id(record) in others:
                active.clear()
            elif id(record) in own:
                active.append((segment, record))
    return active


def _is_known(field: FieldDescriptor, body: bytes) -> bool:
    """Whether a value is not one that a closed enum lacks."""
    kind = field.enum_type
    if kind is None or not kind.is_closed:
        return True
    number = parse_varint(body, 0)[0] & 0xFFFFFFFF
    return (number - (1 << 32) if number >> 31 else number) in kind.values_by_number


def _is_known_entry(record: Record, field: FieldDescriptor) -> bool:
    """Whether an entry of a map has nothing but its key and value; protobuf takes any other for an unknown field."""
    entry: Any = field.message_type
    parts = {part.number: part for part in entry.fields}
    for item in split_records(record.payload):
        part = parts.get(item.number)
        if part is None or item.wire_type != wire_type_of(part) or not _is_known(part, item.body):
            return False
    return True


def parse_elements(containers: list[Record], field: FieldDescriptor) -> Iterator[Element]:
    """The elements in the records of a repeated field."""
    wire_type = wire_type_of(field)
    index = count()
    for position, record in enumerate(containers):
        packed = record.wire_type == LEN and wire_type != LEN
        for body in split_packed(record.payload, wire_type) if packed else (record.body,):
            yield Element(next(index), body, position, _is_known(field, body))


def replace_elements(
    segments: Segments,
    field: FieldDescriptor,
    containers: list[Record],
    elements: list[Element],
    placed: list[tuple[Element | None, bytes]],
) -> None:
    """Replace the known ``elements`` in the records of a repeated field; unknown ones stay where they are.

    ``placed`` has the new ones, each with the element whose place it takes; None puts it behind the one before it.
    """
    known = [element for element in elements if element.known]
    container, index = (known[0].container, known[0].index) if known else (0, -1)
    after = {position: list[tuple[int, bytes]]() for position in range(len(containers))}
    before = {position: list[bytes]() for position in range(len(containers))}
    for element in elements:
        before[element.container].append(element.body)
        if not element.known:
            after[element.container].append((element.index, element.body))
    for place, body in placed:
        if place is not None:
            container, index = max(container, place.container), max(index, place.index)
        after[container].append((index, body))
    replacements = {}
    for position, record in enumerate(containers):
        bodies = [body for _, body in sorted(after[position], key=itemgetter(0))]
        if bodies != before[position]:
            replacements[id(record)] = _refill(record, field, bodies)
    for segment in segments:
        segment.records = [
            new for record in segment.records for new in replacements.get(id(record), (record,))
        ]


def _refill(record: Record, field: FieldDescriptor, bodies: list[bytes]) -> list[Record]:
    """The records that have these elements instead of those of ``record``."""
    if record.wire_type != LEN or wire_type_of(field) == LEN:
        return [Record(record.number, record.wire_type, record.tag, body) for body in bodies]
    content = b"".join(bodies)
    body = encode_varint(len(content)) + content
    return [Record(record.number, LEN, record.tag, body)] if bodies else []


def group_entries(segments: Segments, field: FieldDescriptor) -> dict[str, Entries]:
    """The records of a map by their JSON key."""
    entries: dict[str, Entries] = defaultdict(Entries)
    for _, record in find_occurrences(segments, field):
        key = _entry_key(record, field)
        entry = entries[key_text(key)]
        entry.records.append(record)
        entry.keys.add(key)
    return entries


def _entry_key(record: Record, field: FieldDescriptor) -> Any:
    """The key of a map's entry; bytes if it is text that is not valid UTF-8."""
    entry: Any = field.message_type
    key: FieldDescriptor = entry.fields_by_name["key"]
    keys = [
        item
        for item in split_records(record.payload)
        if item.number == key.number and item.wire_type == wire_type_of(key)
    ]
    if key.type == FieldDescriptor.TYPE_STRING:
        data = keys[-1].payload if keys else b""
        try:
            return data.decode()
        except UnicodeDecodeError:
            return data
    message: Any = message_factory.GetMessageClass(entry).FromString(join_records(keys))
    return message.key


def clear(segments: Segments, field: FieldDescriptor) -> None:
    """Remove a field; of a oneof all of its fields, or what one of them had superseded would count."""
    fields = [field] if field.containing_oneof is None else field.containing_oneof.fields
    for item in fields:
        records = [record for _, record in find_occurrences(segments, item)]
        if len(records) > 1 and not (item.is_repeated or item.has_presence):
            # Zero counts as not set, and supersedes the others, which stay as they are.
            records[-1].body = _ZEROS[records[-1].wire_type]
            continue
        unknown = _unknown_elements(records, item) if item.is_repeated else []
        remove(segments, records)
        segments[-1].records += unknown


def _unknown_elements(records: list[Record], field: FieldDescriptor) -> list[Record]:
    """Elements that a closed enum lacks: they are unknown fields."""
    if is_map(field) or field.enum_type is None:
        return []
    elements = [element for element in parse_elements(records, field) if not element.known]
    return [new for element in elements for new in _refill(records[element.container], field, [element.body])]


def remove(segments: Segments, records: list[Record]) -> None:
    """Remove records."""
    removed = {id(record) for record in records}
    for segment in segments:
        segment.records = [record for record in segment.records if id(record) not in removed]


def append(segments: Segments, field: FieldDescriptor, records: list[Record]) -> None:
    """Add records behind those that the field has, or at the end."""
    for segment in reversed(segments):
        for position in range(len(segment.records) - 1, -1, -1):
            if segment.records[position].number == field.number:
                segment.records[position + 1 : position + 1] = records
                return
    segments[-1].records += records


def set_bytes(segments: Segments, field: FieldDescriptor, data: bytes) -> None:
    """Set a field of bytes or text."""
    records = [record for _, record in find_occurrences(segments, field)]
    if not data:
        remove(segments, records)
    elif records:
        records[-1].set_payload(data)
    else:
        tag = encode_varint(field.number << 3 | LEN)
        segments[-1].records.append(Record(field.number, LEN, tag, encode_varint(len(data)) + data))
