"""What is done to a field at the end of a path: set, delete, append, replace, redact."""

import base64
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import regex
from google.protobuf import message_factory
from google.protobuf.descriptor import Descriptor, FieldDescriptor

from loom.codec import TypeResolver, encode
from loom.codec.compiled_readers import is_map
from loom.codec.field_path import Step
from loom.codec.json_printer import WELL_KNOWN
from loom.codec.wire_parser import I32, I64, LEN, SGROUP, VARINT, encode_varint
from loom.codec.wire_records import Record, join_records, make_record, split_records
from loom.model import MASK

from .errors import EditError

_INTEGERS = frozenset(
    {
        FieldDescriptor.CPPTYPE_INT32,
        FieldDescriptor.CPPTYPE_INT64,
        FieldDescriptor.CPPTYPE_UINT32,
        FieldDescriptor.CPPTYPE_UINT64,
    }
)

MAX_PATTERN = 1000
"""The most characters of a regular expression."""

MAX_TEXT = 1024 * 1024
"""The most characters of a text that a regular expression is applied to."""

PATTERN_TIMEOUT = 0.05
"""The most seconds that a regular expression may take for one text."""

_MASK64 = 0xFFFFFFFFFFFFFFFF


@dataclass(frozen=True, slots=True)
class Place:
    """Where an operation is applied: a field of ``descriptor``, or one element or entry (``key``) of it.

    ``field`` and ``descriptor`` are None without a schema.
    """

    number: int
    descriptor: Descriptor | None
    field: FieldDescriptor | None
    resolver: TypeResolver
    element: bool = False
    key: Step | None = None

    def encode(self, value: Any, existing: Sequence[Record]) -> list[Record]:
        """The value as this field, element or entry."""
        if self.field is None or self.descriptor is None:
            return [_untyped(self.number, value, existing)]
        if self.descriptor.full_name == "google.protobuf.Struct" and self.key is not None:
            return split_records(encode({str(self.key): value}, self.descriptor, self.resolver))
        if self.descriptor.full_name == "google.protobuf.ListValue" and self.element:
            return split_records(encode([value], self.descriptor, self.resolver))
        if self.descriptor.full_name in WELL_KNOWN:
            return self._encode_well_known(self.descriptor, self.field, value)
        if self.key is not None:
            value = {str(self.key): value}
        elif self.element:
            value = [value]
        return split_records(encode({self.field.json_name: value}, self.descriptor, self.resolver))

    def _encode_well_known(self, descriptor: Descriptor, field: FieldDescriptor, value: Any) -> list[Record]:
        """A field of a type whose JSON does not have its fields, as ``seconds`` of a Timestamp."""
        if field.cpp_type in _INTEGERS and isinstance(value, str) and value.lstrip("-").isdigit():
            value = int(value)
        try:
            message = message_factory.GetMessageClass(descriptor)(**{field.name: value})
        except (TypeError, ValueError) as error:
            raise EditError(f"{field.name}: {error}") from error
        return split_records(type(message).SerializePartialToString(message))


class Operation(Protocol):
    """What is done at the end of a path."""

    @property
    def creates(self) -> bool:
        """Whether messages on the way that are missing are created."""

    def apply(self, fields: list[Record], place: Place) -> list[Record]:
        """What takes the place of a field's occurrences, of which there may be none."""


@dataclass(frozen=True, slots=True)
class SetValue:
    """Set a field, an element or an entry to a JSON value."""

    value: Any
    creates = True

    def apply(self, fields: list[Record], place: Place) -> list[Record]:
        if place.element and place.key is None and not fields:
            return []
        return place.encode(self.value, fields)


@dataclass(frozen=True, slots=True)
class DeleteValue:
    """Remove a field, an element or an entry."""

    creates = False

    def apply(self, fields: list[Record], place: Place) -> list[Record]:  # noqa: ARG002
        return []


@dataclass(frozen=True, slots=True)
class AppendValue:
    """Add an element to a repeated field."""

    value: Any
    creates = True

    def apply(self, fields: list[Record], place: Place) -> list[Record]:
        field = place.field
        if field is not None and (not field.is_repeated or is_map(field)):
            raise EditError(f"{field.name} is not a list")
        element = Place(place.number, place.descriptor, field, place.resolver, element=True)
        return [*fields, *element.encode(self.value, fields)]


@dataclass(frozen=True, slots=True)
class ReplaceText:
    """Replace what a regular expression finds in a text."""

    pattern: "regex.Pattern[str]"
    replacement: str
    creates = False

    def apply(self, fields: list[Record], place: Place) -> list[Record]:
        field = place.field
        if place.key is not None and field is not None:
            return [self._replace_entry(item, field) for item in fields]
        if field is not None and field.type != FieldDescriptor.TYPE_STRING:
            raise EditError(f"{field.name} is not text")
        return [self._replace(item) for item in fields]

    def _replace_entry(self, entry: Record, field: FieldDescriptor) -> Record:
        value: FieldDescriptor = field.message_type.fields_by_name["value"]  # type: ignore[union-attr]
        if value.type != FieldDescriptor.TYPE_STRING:
            raise EditError(f"the values of {field.name} are not text")
        parts = [
            self._replace(part) if part.number == value.number else part
            for part in split_records(entry.payload)
        ]
        return make_record(entry.number, LEN, join_records(parts))

    def _replace(self, item: Record) -> Record:
        try:
            if item.wire_type != LEN:
                raise EditError(f"field {item.number} is not text")
            text = item.payload.decode()
        except UnicodeDecodeError:
            raise EditError(f"field {item.number} is not text") from None
        if len(text) > MAX_TEXT:
            raise EditError(f"the text has more than {MAX_TEXT:,} characters")
        try:
            replaced = self.pattern.sub(self.replacement, text, timeout=PATTERN_TIMEOUT)
        except TimeoutError:
            raise EditError(
                f"the regular expression took longer than {PATTERN_TIMEOUT * 1000:.0f} ms on {len(text):,} characters"
            ) from None
        return item if replaced == text else make_record(item.number, LEN, replaced.encode())


@dataclass(frozen=True, slots=True)
class RedactValue:
    """Mask a text; remove any other value."""

    creates = False

    def apply(self, fields: list[Record], place: Place) -> list[Record]:
        is_text = (
            place.key is None and place.field is not None and place.field.type == FieldDescriptor.TYPE_STRING
        )
        return [make_record(item.number, LEN, MASK.encode()) for item in fields] if is_text else []


def _untyped(number: int, value: Any, existing: Sequence[Record]) -> Record:
    """A value whose type is not known, in the wire type of what is there, or else in the usual one."""
    kind = existing[0].wire_type if existing else None
    if isinstance(value, bool | int):
        if kind in {I32, I64}:
            size = 4 if kind == I32 else 8
            return make_record(number, kind, (int(value) & ((1 << size * 8) - 1)).to_bytes(size, "little"))
        if kind in {None, VARINT}:
            return make_record(number, VARINT, encode_varint(int(value) & _MASK64))
    elif isinstance(value, float) and kind in {None, I64, I32}:
        if kind == I32:
            return make_record(number, I32, struct.pack("<f", value))
        return make_record(number, I64, struct.pack("<d", value))
    elif isinstance(value, str) and kind in {None, LEN}:
        return make_record(number, LEN, value.encode())
    elif isinstance(value, dict) and value.keys() == {"base64"} and kind in {None, LEN}:
        return make_record(number, LEN, base64.b64decode(value["base64"]))
    names = {VARINT: "a varint", I64: "64 bits", I32: "32 bits", LEN: "text or bytes", SGROUP: "a group"}
    there = f", which is {names[kind]}" if kind is not None else ""
    raise EditError(
        f"field {number}{there}, cannot become {value!r} without a schema: it takes a number, a text or "
        '{ base64 = "…" }'
    )
