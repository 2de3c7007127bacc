"""Apply an edit of a message's JSON to the message's wire format.

An edit is the difference between the JSON of the message and the JSON that was submitted. It is applied to the fields
as they were encoded: a part whose JSON is unchanged keeps its bytes, whatever its JSON can represent, and so do
unknown fields, the order of fields, and the way in which numbers and lists are encoded. A part whose JSON changed is
encoded by its descriptor.
"""

from typing import Any

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import DecodeError

from .compiled_readers import is_map, json_key, key_text
from .field_hints import message_hint, value_hint
from .json_encoder import (
    EncodeError,
    JsonEncoder,
    any_content,
    decode_base64,
    is_opaque,
    key_path,
)
from .json_printer import ANY, LIST, MAX_ANY_DEPTH, STRUCT, VALUE, WELL_KNOWN, JsonPrinter
from .lenient_parser import parse_message
from .list_alignment import align, same_json
from .type_resolver import TypeResolver, type_name
from .wire_fields import (
    Element,
    Segment,
    Segments,
    append,
    clear,
    find_active_occurrences,
    find_occurrences,
    group_entries,
    parse_elements,
    remove,
    replace_elements,
    set_bytes,
)
from .wire_parser import LEN, WireFormatError
from .wire_records import Record, join_records, split_records, wire_type_of

_CONTAINER_KINDS = {5, 6}  # the fields struct_value and list_value of a Value


def patch(original: bytes, descriptor: Descriptor, value: Any, resolver: TypeResolver) -> bytes:
    """``original`` with what ``value`` changes in its JSON; raises :class:`.json_encoder.EncodeError`."""
    try:
        message, _ = parse_message(original, descriptor)
        shown = JsonPrinter(resolver).value(message)
        segment = Segment(split_records(original))
        _Patcher(resolver).message([segment], descriptor, shown, value, "", 0)
    except RecursionError:
        raise EncodeError("nested too deeply") from None
    except (DecodeError, WireFormatError) as error:
        raise EncodeError(f"the recorded message is not a valid {descriptor.full_name}: {error}") from error
    return join_records(segment.records)


class _Patcher:
    """Changes records in place. ``shown`` is always the JSON of the records, ``edited`` what it is to be."""

    def __init__(self, resolver: TypeResolver) -> None:
        self._encoder = JsonEncoder(resolver)
        self._read_fields = JsonPrinter(resolver).readers.field_by_field
        self._any_depth = 0

    def message(
        self, segments: Segments, descriptor: Descriptor, shown: Any, edited: Any, path: str, depth: int
    ) -> None:
        """Change a message."""
        if same_json(shown, edited):
            return
        name = descriptor.full_name
        if name == ANY:
            self._any(segments, descriptor, shown, edited, path, depth)
        elif name == VALUE:
            self._value(segments, descriptor, shown, edited, path, depth)
        elif (name == STRUCT and isinstance(edited, dict)) or (name == LIST and isinstance(edited, list)):
            self._field(segments, descriptor.fields[0], shown, edited, path, depth)
        elif name in WELL_KNOWN:
            self._by_fields(segments, descriptor, edited, path, depth)
        elif descriptor.GetOptions().message_set_wire_format:
            self._replace_all(segments, descriptor, edited, path, depth)
        elif isinstance(edited, dict):
            self._fields(segments, descriptor, shown, edited, path, depth)
        else:
            self._encoder.message(descriptor, edited, path, depth)  # raises the error
            raise EncodeError(message_hint(descriptor, edited), path)

    def _fields(
        self,
        segments: Segments,
        descriptor: Descriptor,
        shown: dict[str, Any],
        edited: dict[str, Any],
        path: str,
        depth: int,
    ) -> None:
        before = self._encoder.fields(descriptor, shown, path, is_shown=True)
        after = self._encoder.fields(descriptor, edited, path)
        for number, (field, _, _) in before.items():
            if number not in after:
                clear(segments, field)
        for number, (field, value, step) in after.items():
            if number in before:
                self._field(segments, field, before[number][1], value, step, depth)
            else:
                self._add_field(segments, field, value, step, depth)

    def _add_field(
        self, segments: Segments, field: FieldDescriptor, value: Any, path: str, depth: int
    ) -> None:
        encoded = self._encoder.field(field, value, path, depth)
        if encoded and field.containing_oneof is not None:
            clear(segments, field)  # what another field of the oneof had superseded
        segments[-1].records += split_records(encoded)

    def _field(
        self, segments: Segments, field: FieldDescriptor, shown: Any, edited: Any, path: str, depth: int
    ) -> None:
        """Change a field that is set before and after."""
        if same_json(shown, edited):
            return
        if is_map(field):
            self._map(segments, field, shown, edited, path, depth)
        elif field.is_repeated:
            self._list(segments, field, shown, edited, path, depth)
        elif field.message_type is not None:
            self._submessage(segments, field, shown, edited, path, depth)
        else:
            self._replace_scalar(segments, field, self._encoder.field(field, edited, path, depth))

    @staticmethod
    def _replace_scalar(segments: Segments, field: FieldDescriptor, encoded: bytes) -> None:
        """Replace the occurrence that counts, the last one; without a value to encode, remove all."""
        records = [record for _, record in find_occurrences(segments, field)]
        if not encoded:
            clear(segments, field)
        elif records:
            replacement = split_records(encoded)[0]
            records[-1].tag, records[-1].body = replacement.tag, replacement.body
            records[-1].wire_type = replacement.wire_type
        else:
            segments[-1].records += split_records(encoded)

    def _submessage(
        self, segments: Segments, field: FieldDescriptor, shown: Any, edited: Any, path: str, depth: int
    ) -> None:
        records = [record for _, record in find_active_occurrences(segments, field)]
        if not records:
            self._add_field(segments, field, edited, path, depth)
            return
        descriptor: Any = field.message_type
        inner = [Segment(split_records(record.payload)) for record in records]
        self.message(inner, descriptor, shown, edited, path, depth + 1)
        for record, segment in zip(records, inner, strict=True):
            record.set_payload(join_records(segment.records))

    def _list(
        self, segments: Segments, field: FieldDescriptor, shown: Any, edited: Any, path: str, depth: int
    ) -> None:
        if not isinstance(edited, list):
            raise EncodeError(value_hint(field, edited, complete=True), path)
        containers = [record for _, record in find_occurrences(segments, field)]
        elements = list(parse_elements(containers, field))
        known = [element for element in elements if element.known]
        if len(known) != len(shown):
            raise EncodeError("this list is not shown completely, so that it cannot be edited", path)
        if not containers:
            segments[-1].records += split_records(self._encoder.field(field, edited, path, depth))
            return
        placed: list[tuple[Element | None, bytes]] = []
        for index, (source, value) in enumerate(zip(align(shown, edited), edited, strict=True)):
            step = f"{path}[{index}]"
            if source is None:
                body = self._element_body(field, value, step, depth)
            else:
                body = self._edited_element(field, known[source].body, shown[source], value, step, depth)
            position = index if len(edited) == len(known) else source
            placed.append((None if position is None else known[position], body))
        replace_elements(segments, field, containers, elements, placed)

    def _edited_element(
        self, field: FieldDescriptor, body: bytes, shown: Any, edited: Any, path: str, depth: int
    ) -> bytes:
        if same_json(shown, edited):
            return body
        if field.message_type is None:
            return self._element_body(field, edited, path, depth)
        record = Record(field.number, wire_type_of(field), b"", body)
        segment = Segment(split_records(record.payload))
        self.message([segment], field.message_type, shown, edited, path, depth + 1)
        record.set_payload(join_records(segment.records))
        return record.body

    def _element_body(self, field: FieldDescriptor, value: Any, path: str, depth: int) -> bytes:
        try:
            record = split_records(self._encoder.field(field, [value], path, depth))[0]
        except EncodeError as error:
            raise error.at(error.path.replace(f"{path}[0]", path, 1)) from error
        packed = record.wire_type == LEN and wire_type_of(field) != LEN
        return record.payload if packed else record.body

    def _map(
        self, segments: Segments, field: FieldDescriptor, shown: Any, edited: Any, path: str, depth: int
    ) -> None:
        if not isinstance(edited, dict):
            raise EncodeError(value_hint(field, edited, complete=True), path)
        entries = group_entries(segments, field)
        if entries.keys() != shown.keys():
            raise EncodeError("this map is not shown completely, so that it cannot be edited", path)
        after = self._map_values(field, shown, edited, path)
        for text, entry in entries.items():
            if text in after and same_json(shown[text], after[text][1]):
                continue
            if len(entry.keys) > 1:
                step = key_path(path, text)
                raise EncodeError("several keys are shown alike, so that none can be edited", step)
            if text not in after:
                remove(segments, entry.records)
            else:
                key, value = after[text]
                self._entry(entry.records[-1], field, key, shown[text], value, path, depth)
        for text, (key, value) in after.items():
            if text not in entries:
                encoded = self._encoder.field(field, {key: value}, path, depth)
                append(segments, field, split_records(encoded))

    def _map_values(
        self, field: FieldDescriptor, shown: dict[str, Any], edited: dict[str, Any], path: str
    ) -> dict[str, tuple[str, Any]]:
        """The keys and values that were submitted, by the key as it is shown."""
        values: dict[str, tuple[str, Any]] = {}
        for key, value in edited.items():
            step = key_path(path, key)
            text = key if key in shown else key_text(self._encoder.map_key(field, key, step))
            if text in values:
                raise EncodeError("this key is given twice", step)
            values[text] = key, value
        return values

    def _entry(
        self, record: Record, field: FieldDescriptor, key: str, shown: Any, edited: Any, path: str, depth: int
    ) -> None:
        """Change the value in an entry of a map."""
        entry: Any = field.message_type
        value_field = entry.fields_by_name["value"]
        segment = Segment(split_records(record.payload))
        if value_field.message_type is not None and find_occurrences([segment], value_field):
            self._submessage([segment], value_field, shown, edited, key_path(path, key), depth)
        else:
            encoded = split_records(self._encoder.field(field, {key: edited}, path, depth))[0].payload
            values = [item for item in split_records(encoded) if item.number == value_field.number]
            self._replace_scalar([segment], value_field, join_records(values))
        record.set_payload(join_records(segment.records))

    def _value(
        self, segments: Segments, descriptor: Descriptor, shown: Any, edited: Any, path: str, depth: int
    ) -> None:
        fields = descriptor.fields_by_name
        if isinstance(shown, dict) and isinstance(edited, dict):
            self._submessage(segments, fields["struct_value"], shown, edited, path, depth)
        elif isinstance(shown, list) and isinstance(edited, list):
            self._submessage(segments, fields["list_value"], shown, edited, path, depth)
        else:
            message = self._encoder.message(descriptor, edited, path, depth)
            self._replace_kind(
                segments, descriptor, split_records(type(message).SerializePartialToString(message))
            )

    @staticmethod
    def _replace_kind(segments: Segments, descriptor: Descriptor, replacement: list[Record]) -> None:
        """Replace the kind of a Value: the last one counts, and a container is merged with one before it."""
        kinds = {id(record) for field in descriptor.fields for _, record in find_occurrences(segments, field)}
        if replacement[0].number in _CONTAINER_KINDS:
            clear(segments, descriptor.fields[0])
            kinds.clear()
        for segment in reversed(segments):
            for position in range(len(segment.records) - 1, -1, -1):
                if id(segment.records[position]) in kinds:
                    segment.records[position : position + 1] = replacement
                    return
        segments[-1].records += replacement

    def _by_fields(
        self, segments: Segments, descriptor: Descriptor, edited: Any, path: str, depth: int
    ) -> None:
        """Change a Timestamp, Duration, FieldMask or wrapper in those of its fields that differ."""
        after = self._encoder.message(descriptor, edited, path, depth)
        before, _ = parse_message(b"".join(join_records(item.records) for item in segments), descriptor)
        read = self._read_fields()
        for field in descriptor.fields:
            values = [read(message).get(json_key(field)) for message in (before, after)]
            if values[1] is None:
                clear(segments, field)
            elif values[0] is None:
                self._add_field(segments, field, values[1], path, depth)
            else:
                self._field(segments, field, values[0], values[1], path, depth)

    def _any(
        self, segments: Segments, descriptor: Descriptor, shown: Any, edited: Any, path: str, depth: int
    ) -> None:
        new: Any = None
        before: Any
        before, _ = parse_message(b"".join(join_records(item.records) for item in segments), descriptor)
        url, data = before.type_url, before.value
        inner = self._encoder.find_type(url)
        if isinstance(edited, dict) and isinstance(edited.get("@type"), str):
            new_url = url if edited["@type"] == shown.get("@type") else edited["@type"]
            new_inner = self._encoder.find_type(new_url)
            if is_opaque(edited, new_inner):
                data = decode_base64(edited["@value"], f"{path}.@value".lstrip("."))
                new = new_url
            elif inner is not None and type_name(url) == type_name(new_url) and self._is_decoded(inner, data):
                data = self._any_content(data, inner, shown, edited, path, depth)
                new = new_url
        if new is None:
            after: Any = self._encoder.message(descriptor, edited, path, depth)
            new, data = after.type_url, after.value
        fields = descriptor.fields_by_name
        if new != before.type_url:
            set_bytes(segments, fields["type_url"], new.encode())
        if data != before.value:
            set_bytes(segments, fields["value"], data)

    def _is_decoded(self, inner: Descriptor, data: bytes) -> bool:
        """Whether the JSON of an Any is that of its content."""
        if self._any_depth >= MAX_ANY_DEPTH:
            return False
        try:
            parse_message(data, inner)
        except DecodeError:
            return False
        return True

    def _any_content(
        self, data: bytes, inner: Descriptor, shown: Any, edited: Any, path: str, depth: int
    ) -> bytes:
        segment = Segment(split_records(data))
        before, after = any_content(shown, inner, path), any_content(edited, inner, path)
        self._any_depth += 1
        self.message([segment], inner, before, after, path, depth + 1)
        self._any_depth -= 1
        return join_records(segment.records)

    def _replace_all(
        self, segments: Segments, descriptor: Descriptor, edited: Any, path: str, depth: int
    ) -> None:
        message = self._encoder.message(descriptor, edited, path, depth)
        for segment in segments:
            segment.records.clear()
        segments[-1].records += split_records(type(message).SerializePartialToString(message))
