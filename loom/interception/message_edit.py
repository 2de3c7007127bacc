"""Edit a message in wire format: what an edit does not touch keeps its bytes exactly, unknown fields included.

A path (:mod:`loom.codec.field_path`) names a field by its name, which needs the message's descriptor, or by its number
(``1.3``), which needs none. A path may omit indices (``items.price`` is the price of every item), and ``[*]`` is every
element or entry. ``*`` and ``**`` match fields that are present. Within an Any a path goes on in its content, and
within a Struct in its keys.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from google.protobuf.descriptor import Descriptor, FieldDescriptor

from loom.codec import EncodeError, TypeResolver, type_name
from loom.codec.compiled_readers import is_map
from loom.codec.field_path import Step, path_text
from loom.codec.json_printer import ANY, WELL_KNOWN
from loom.codec.wire_parser import LEN, SGROUP, VARINT, WireFormatError
from loom.codec.wire_records import (
    Record,
    join_records,
    make_record,
    split_packed,
    split_records,
    wire_type_of,
)

from .errors import EditError
from .field_operations import DeleteValue, Operation, Place, SetValue

Path = tuple[Step, ...]

_STRUCT, _VALUE, _LIST = (f"google.protobuf.{name}" for name in ("Struct", "Value", "ListValue"))
_LISTS = frozenset({_VALUE, _LIST})
_ZIGZAG = frozenset({FieldDescriptor.TYPE_SINT32, FieldDescriptor.TYPE_SINT64})
_SIGNED_FIXED = frozenset({FieldDescriptor.TYPE_SFIXED32, FieldDescriptor.TYPE_SFIXED64})
_MAX_DEPTH = 100
_MESSAGE_KINDS = frozenset({LEN, SGROUP})


def edit_message(
    data: bytes, path: Path, operation: Operation, descriptor: Descriptor | None, resolver: TypeResolver
) -> bytes:
    """The message with an operation applied at a path; raises :class:`EditError`.

    ``descriptor`` is None where the message's type is not known: the path must be of numbers then.
    """
    try:
        return _Editor(operation, resolver).edit(data, path, descriptor, 0)
    except EncodeError as error:
        raise EditError(f"{path_text(path)}: {error}") from error
    except EditError as error:
        raise EditError(f"{path_text(path)}: {error}") from error
    except WireFormatError as error:
        raise EditError(f"{path_text(path)}: the message is not valid protobuf: {error}") from error


def merge_message(data: bytes, patch: Any, descriptor: Descriptor, resolver: TypeResolver) -> bytes:
    """Apply a JSON merge patch (RFC 7396) to a message; raises :class:`EditError`."""
    if not isinstance(patch, dict):
        raise EditError("a merge is an object of fields")
    for path, value in _patches(patch, descriptor, ()):
        operation: Operation = DeleteValue() if value is None else SetValue(value)
        data = edit_message(data, path, operation, descriptor, resolver)
    return data


def _patches(patch: dict[str, Any], descriptor: Descriptor, path: Path) -> Iterator[tuple[Path, Any]]:
    """The paths that a merge patch sets, with their values, and deletes (None)."""
    for name, value in patch.items():
        field = find_field(descriptor, name)
        inner = field.message_type
        if isinstance(value, dict) and is_map(field):
            yield from (((*path, name, key), item) for key, item in value.items())
        elif isinstance(value, dict) and inner is not None and not field.is_repeated and _is_open(inner):
            yield from _patches(value, inner, (*path, name))
        else:
            yield (*path, name), value


def _is_open(descriptor: Descriptor) -> bool:
    """Whether a message's JSON is an object of its fields."""
    return descriptor.full_name not in WELL_KNOWN and descriptor.full_name != ANY


def find_field(descriptor: Descriptor, name: str) -> FieldDescriptor:
    """The field of this proto name, JSON name or number; raises :class:`EditError`."""
    field = descriptor.fields_by_name.get(name)
    if field is None:
        field = next((item for item in descriptor.fields if item.json_name == name), None)
    if field is None and name.isdigit():
        field = descriptor.fields_by_number.get(int(name))
    if field is None:
        names = ", ".join(item.name for item in list(descriptor.fields)[:8])
        raise EditError(
            f"{descriptor.full_name} has no field {name!r}" + (f"; it has {names}" if names else "")
        )
    return field


class _Editor:
    def __init__(self, operation: Operation, resolver: TypeResolver) -> None:
        self._operation = operation
        self._resolver = resolver

    def edit(self, data: bytes, path: Path, descriptor: Descriptor | None, depth: int) -> bytes:
        """A message with the operation applied at the rest of the path."""
        if depth > _MAX_DEPTH:
            raise EditError("the message is nested too deeply")
        if descriptor is not None:
            if descriptor.full_name == ANY and path[0] not in {"type_url", "typeUrl", "value"}:
                return self._edit_any(data, path, depth)
            path = _open_struct(path, descriptor)
        head, rest = path[0], path[1:]
        fields = split_records(data)
        if head == "**":
            return self._edit_anywhere(fields, path, descriptor, depth)
        for number, field in _matching_fields(head, fields, descriptor):
            fields = self._edit_field(fields, number, field, descriptor, rest, depth)
        return join_records(fields)

    def _edit_anywhere(
        self, fields: list[Record], path: Path, descriptor: Descriptor | None, depth: int
    ) -> bytes:
        """Apply the path behind ``**`` here, and the whole path in every message of a field."""
        if descriptor is None:
            raise EditError("** needs the schema of the message")
        for number, field in _matching_fields("*", fields, descriptor):
            if (
                field is not None
                and field.message_type is not None
                and any(f.number == number for f in fields)
            ):
                rest: Path = ("*", *path) if is_map(field) else path
                if is_map(field) and field.message_type.fields_by_name["value"].message_type is None:
                    continue
                fields = self._edit_field(fields, number, field, descriptor, rest, depth)
        rest = path[1:]
        if isinstance(rest[0], str) and rest[0] != "*" and not _has_field(descriptor, rest[0]):
            return join_records(fields)
        return self.edit(join_records(fields), rest, descriptor, depth + 1)

    def _edit_field(
        self,
        fields: list[Record],
        number: int,
        field: FieldDescriptor | None,
        descriptor: Descriptor | None,
        rest: Path,
        depth: int,
    ) -> list[Record]:
        """These fields, of which those of one number are edited; a new one is put at the end."""
        own = [item for item in fields if item.number == number]
        place = Place(number, descriptor, field, self._resolver)
        edited = self._edit_occurrences(own, place, rest, depth)
        if edited == own:
            return fields
        if own:
            at = fields.index(own[0])
            others = [item for item in fields[at:] if item.number != number]
            result = [*fields[:at], *edited, *others]
        else:
            result = [*fields, *edited]
        oneof = field.containing_oneof if field is not None and edited else None
        if oneof is not None:  # as a parser would do with the last one set
            siblings = {item.number for item in oneof.fields} - {number}
            result = [item for item in result if item.number not in siblings]
        return result

    def _edit_occurrences(self, own: list[Record], place: Place, rest: Path, depth: int) -> list[Record]:
        field = place.field
        if not rest:
            return self._operation.apply(own, place)
        if field is not None and is_map(field):
            return self._edit_entries(own, place, rest, depth)
        if field is not None and field.is_repeated:
            return self._edit_elements(own, place, rest, depth)
        if field is None and (isinstance(rest[0], int) or (rest[0] == "*" and len(own) > 1)):
            return self._edit_elements(own, place, rest, depth)
        is_json_list = (
            field is not None and field.message_type is not None and field.message_type.full_name in _LISTS
        )
        if isinstance(rest[0], int) and not is_json_list:
            raise EditError(f"{_name(place)} is not a list")
        return self._edit_inner(own, place, rest, depth)

    def _edit_inner(self, own: list[Record], place: Place, rest: Path, depth: int) -> list[Record]:
        """Edit within a message field; several occurrences are one message, merged."""
        field = place.field
        if field is not None and field.message_type is None:
            raise EditError(f"{field.name} is not a message")
        if not own:
            if not self._operation.creates:
                return own
            kind = LEN if field is None else wire_type_of(field)
            own = [make_record(place.number, kind, b"")]
        if any(item.wire_type not in _MESSAGE_KINDS for item in own):
            raise EditError(f"{_name(place)} is not a message")
        data = b"".join(item.payload for item in own)
        edited = self.edit(data, rest, None if field is None else field.message_type, depth + 1)
        return own if edited == data else [make_record(place.number, own[0].wire_type, edited)]

    def _edit_elements(self, own: list[Record], place: Place, rest: Path, depth: int) -> list[Record]:
        field = place.field
        has_index = isinstance(rest[0], int) or rest[0] == "*"
        inner = rest[1:] if has_index else rest
        index = rest[0] if isinstance(rest[0], int) else None
        kind = VARINT if field is None else wire_type_of(field)
        is_packed = (
            field is not None and kind not in _MESSAGE_KINDS and any(item.wire_type == LEN for item in own)
        )
        elements = own
        if is_packed:
            elements = [
                make_record(place.number, kind, raw)
                for item in own
                for raw in (split_packed(item.payload, kind) if item.wire_type == LEN else [item.payload])
            ]
        element_place = Place(place.number, place.descriptor, field, place.resolver, element=True)
        edited: list[Record] = []
        for position, element in enumerate(elements):
            if index is not None and position != index:
                edited.append(element)
            elif inner:
                edited += self._edit_inner([element], element_place, inner, depth)
            else:
                edited += self._operation.apply([element], element_place)
        if index is not None and index >= len(elements) and self._operation.creates:
            raise EditError(f"no element [{index}]: {_name(place)} has {len(elements)}")
        if not is_packed:
            return edited
        if edited == elements:
            return own
        raw = [
            split_packed(item.payload, kind) if item.wire_type == LEN else [item.payload] for item in edited
        ]
        packed = b"".join(part for parts in raw for part in parts)
        return [make_record(place.number, LEN, packed)] if packed else []

    def _edit_entries(self, own: list[Record], place: Place, rest: Path, depth: int) -> list[Record]:
        field = place.field
        assert field is not None  # noqa: S101 (a map is known from its field)
        entry_type = field.message_type
        assert entry_type is not None  # noqa: S101 (as for any map)
        key_field, value_field = entry_type.fields_by_name["key"], entry_type.fields_by_name["value"]
        key, inner = rest[0], rest[1:]
        edited: list[Record] = []
        is_found = False
        for entry in own:
            entry_key = _key_text(split_records(entry.payload), key_field)
            if key != "*" and entry_key != str(key):
                edited.append(entry)
                continue
            is_found = True
            if inner:
                edited.append(self._edit_entry(entry, entry_type, value_field, inner, depth))
            else:
                at = Place(place.number, place.descriptor, field, place.resolver, element=True, key=entry_key)
                edited += self._operation.apply([entry], at)
        if not is_found and key != "*" and self._operation.creates:
            at = Place(place.number, place.descriptor, field, place.resolver, element=True, key=key)
            if inner:
                [entry] = at.encode({}, [])
                edited.append(self._edit_entry(entry, entry_type, value_field, inner, depth))
            else:
                edited += self._operation.apply([], at)
        return edited

    def _edit_entry(
        self, entry: Record, entry_type: Descriptor, value: FieldDescriptor, rest: Path, depth: int
    ) -> Record:
        parts = self._edit_field(split_records(entry.payload), value.number, value, entry_type, rest, depth)
        return make_record(entry.number, LEN, join_records(parts))

    def _edit_any(self, data: bytes, path: Path, depth: int) -> bytes:
        fields = split_records(data)
        url = b"".join(item.payload for item in fields if item.number == 1).decode("utf-8", "replace")
        try:
            descriptor = self._resolver.FindMessageTypeByName(type_name(url))
        except KeyError:
            raise EditError(f"the schema does not know the type {type_name(url)!r} of an Any") from None
        content = b"".join(item.payload for item in fields if item.number == 2)  # noqa: PLR2004 (Any.value)
        edited = self.edit(content, path, descriptor, depth + 1)
        others = [item for item in fields if item.number != 2]  # noqa: PLR2004
        return join_records([*others, make_record(2, LEN, edited)])


def _matching_fields(
    head: Step, fields: Sequence[Record], descriptor: Descriptor | None
) -> list[tuple[int, FieldDescriptor | None]]:
    """The numbers and descriptors of the fields that a step names."""
    if head == "*":
        numbers = dict.fromkeys(item.number for item in fields)
        known = {} if descriptor is None else descriptor.fields_by_number
        return [(number, known.get(number)) for number in numbers]
    if isinstance(head, int):
        raise EditError(f"[{head}] does not follow a list")
    if descriptor is None:
        if not head.isdigit() or int(head) == 0:
            raise EditError(f"the type of the message is not known: name {head!r} by its number")
        return [(int(head), None)]
    if (
        head.isdigit()
        and int(head) not in descriptor.fields_by_number
        and head not in descriptor.fields_by_name
    ):
        return [(int(head), None)]
    field = find_field(descriptor, head)
    return [(field.number, field)]


def _has_field(descriptor: Descriptor, name: str) -> bool:
    try:
        find_field(descriptor, name)
    except EditError:
        return False
    return True


def _open_struct(path: Path, descriptor: Descriptor) -> Path:
    """The path through the fields of a Struct, a Value or a ListValue, whose JSON has none of them."""
    head = path[0]
    if descriptor.full_name == _STRUCT and head != "fields":
        return ("fields", *path)
    if descriptor.full_name == _VALUE:
        if isinstance(head, int):
            return ("list_value", "values", *path)
        if head not in descriptor.fields_by_name:
            return ("struct_value", *path)
    if descriptor.full_name == _LIST and isinstance(head, int):
        return ("values", *path)
    return path


def _key_text(entry: Sequence[Record], field: FieldDescriptor) -> str:
    """The key of a map's entry, as JSON writes it."""
    payload = next((item.payload for item in reversed(entry) if item.number == field.number), None)
    if field.type == FieldDescriptor.TYPE_STRING:
        return (payload or b"").decode("utf-8", "replace")
    kind = wire_type_of(field)
    if payload is None:
        number = 0
    elif kind == VARINT:
        number = sum((byte & 0x7F) << 7 * place for place, byte in enumerate(payload))
        if field.type in _ZIGZAG:
            number = number >> 1 ^ -(number & 1)
        elif (
            field.cpp_type in {FieldDescriptor.CPPTYPE_INT32, FieldDescriptor.CPPTYPE_INT64}
            and number >= 1 << 63
        ):
            number -= 1 << 64
    else:
        number = int.from_bytes(payload, "little", signed=field.type in _SIGNED_FIXED)
    return ("true" if number else "false") if field.type == FieldDescriptor.TYPE_BOOL else str(number)


def _name(place: Place) -> str:
    return f"field {place.number}" if place.field is None else place.field.name


Edit = Callable[[bytes, Descriptor | None, TypeResolver], bytes]
"""An edit of a whole message."""
