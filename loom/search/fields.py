"""A message as paths and texts: what a filter's ``body:`` looks at."""

import base64
from collections.abc import Callable
from typing import Any

from google.protobuf import message_factory
from google.protobuf.descriptor import Descriptor, EnumDescriptor, FieldDescriptor
from google.protobuf.message import DecodeError

from loom.codec import ChainResolver
from loom.codec.compiled_readers import set_fields
from loom.codec.json_printer import JsonPrinter
from loom.codec.node import Budget
from loom.codec.wire_parser import BudgetExceededError, WireFormatError, read_fields
from loom.codec.wire_parser import Field as WireField

from .text_prefilter import TextPrefilter

Field = tuple[str, str]
Types = Callable[[str], Descriptor | None]
Add = Callable[[Any, str, list[Field], int], None]
"""Adds the leaves of a value: the value, its path, the leaves so far, how deep it is."""

_AS_JSON = frozenset(
    f"google.protobuf.{name}"
    for name in (
        "Timestamp", "Duration", "FieldMask", "Struct", "Value", "ListValue", "DoubleValue", "FloatValue",
        "Int64Value", "UInt64Value", "Int32Value", "UInt32Value", "BoolValue", "StringValue", "BytesValue",
    )
)  # fmt: skip
_FREE = frozenset(f"google.protobuf.{name}" for name in ("Struct", "Value", "ListValue"))
_ANY = "google.protobuf.Any"
_MOST_DEPTH = 100


class Walk:
    """Reads messages leaf by leaf; how those of a type are read is worked out once.

    Every leaf: ("items.0.sku", "A-1"); numbers in decimal, enums by name, bytes as base64 and as text. Names are
    those of the .proto file. ``types`` finds what an Any holds. With a ``needle``, only leaves that may say it
    although it is not among the message's bytes.
    """

    def __init__(self, types: Types, needle: TextPrefilter | None = None) -> None:
        self._types = types
        self._needle = needle
        self._mapping = JsonPrinter(ChainResolver(()))
        self._readers: dict[Any, Add | None] = {}
        self._worth: dict[Any, bool] = {}

    def is_among(self, data: bytes) -> bool:
        """Whether a string in these bytes may hold the needle: then every leaf is to be looked at."""
        return self._needle is None or self._needle.is_among(data)

    def is_worth(self, kind: Any) -> bool:
        """Whether this walk may find anything in a message of this type, or in bytes that are none."""
        if kind not in self._worth:
            self._worth[kind] = (
                self._needle is None
                or self._needle.in_unknown()
                or (kind is not None and self._reaches(kind.DESCRIPTOR))
            )
        return self._worth[kind]

    def leaves(self, data: bytes, kind: Any) -> list[Field]:
        """The leaves of a message; where its type is None or does not fit, what can be told of the bytes."""
        found: list[Field] = []
        if kind is None:
            self._unknown(data, "", found)
            return found
        try:
            message = kind.FromString(data)
        except DecodeError:
            self._unknown(data, "", found)
            return found
        self._message(message, "", found, 0)
        return found

    def _unknown(self, data: bytes, at: str, found: list[Field]) -> None:
        """The whole as text, then its texts and numbers by field number."""
        if self._needle is None or self._needle.in_unknown():
            found.append((at, data.decode("utf-8", "replace")))
            _by_number(_parsed(data, budget := Budget(0)), at, 0, budget, found)

    def _reaches(self, descriptor: Descriptor) -> bool:
        """Whether there may be a leaf in such a message, at any depth."""
        needle = self._needle
        if needle is None:
            return True
        seen = {descriptor}
        stack = [descriptor]
        while stack:
            kind = stack.pop()
            if kind.full_name in _AS_JSON:
                if needle.in_well_known(kind):
                    return True
                continue
            if (kind.full_name == _ANY or kind.is_extendable) and needle.in_any():
                return True
            for field in kind.fields:
                if field.message_type is None:
                    if needle.in_field(field):
                        return True
                elif field.message_type not in seen:
                    seen.add(field.message_type)
                    stack.append(field.message_type)
        return False

    def _message(self, message: Any, at: str, found: list[Field], depth: int) -> None:
        descriptor = type(message).DESCRIPTOR  # by the class: a field may have this name
        if descriptor not in self._readers:
            self._readers[descriptor] = self._reader(descriptor) if self._reaches(descriptor) else None
        read = self._readers[descriptor]
        if read is not None and depth <= _MOST_DEPTH:
            read(message, at, found, depth)

    def _reader(self, descriptor: Descriptor) -> Add:
        if descriptor.full_name in _AS_JSON:
            return self._as_json(whole=descriptor.full_name in _FREE)
        return self._any if descriptor.full_name == _ANY else self._by_field()

    def _as_json(self, *, whole: bool) -> Add:
        def read(message: Any, at: str, found: list[Field], _depth: int) -> None:
            _json(self._mapping.value(message), at, found, whole=whole)

        return read

    def _by_field(self) -> Add:
        rows: dict[int, tuple[str, Add] | None] = {}

        def read(message: Any, at: str, found: list[Field], depth: int) -> None:
            prefix = f"{at}." if at else ""
            for field, value in set_fields(message):
                number = field.number
                if number not in rows:
                    rows[number] = self._row(field)
                row = rows[number]
                if row is not None:
                    row[1](value, prefix + row[0], found, depth)

        return read

    def _row(self, field: FieldDescriptor) -> tuple[str, Add] | None:
        """A field's name and how it is read; None if it cannot have a leaf for this walk."""
        inner = field.message_type
        if inner is not None and inner.GetOptions().map_entry:
            key, value = inner.fields_by_name["key"], inner.fields_by_name["value"]
            entry = self._row(value)
            keys = self._needle is None or self._needle.in_field(key)
            if entry is None and not keys:
                return None
            return field.name, _map(_nothing if entry is None else entry[1], keys=keys)
        if inner is not None:
            add: Add = self._nested
            worth = self._reaches(inner)
        else:
            add = _leaf(field)
            worth = self._needle is None or self._needle.in_field(field)
        if not worth:
            return None
        return field.name, _repeated(add) if field.is_repeated else add

    def _nested(self, message: Any, at: str, found: list[Field], depth: int) -> None:
        self._message(message, at, found, depth + 1)

    def _any(self, message: Any, at: str, found: list[Field], depth: int) -> None:
        found.append((f"{at}.@type" if at else "@type", message.type_url))
        descriptor = self._types(message.type_url.rpartition("/")[2])
        if descriptor is None:
            self._unknown(message.value, at, found)
            return
        try:
            inner = message_factory.GetMessageClass(descriptor).FromString(message.value)
        except DecodeError:
            self._unknown(message.value, at, found)
            return
        self._message(inner, at, found, depth + 1)


def _nothing(_value: Any, _at: str, _found: list[Field], _depth: int) -> None:
    pass


def _repeated(add: Add) -> Add:
    def each(values: Any, at: str, found: list[Field], depth: int) -> None:
        for index, value in enumerate(values):
            add(value, f"{at}.{index}", found, depth)

    return each


def _map(add: Add, *, keys: bool) -> Add:
    def each(values: Any, at: str, found: list[Field], depth: int) -> None:
        for key in values:
            if keys:
                found.append((at, str(key)))
            add(values[key], f"{at}.{key}", found, depth)

    return each


def _leaf(field: FieldDescriptor) -> Add:
    if field.enum_type is not None:
        return _enum(field.enum_type)
    if field.type == FieldDescriptor.TYPE_BOOL:
        return _truth
    if field.type in (FieldDescriptor.TYPE_STRING, FieldDescriptor.TYPE_BYTES):
        return _text_or_bytes
    return _number


def _enum(kind: EnumDescriptor) -> Add:
    def add(value: Any, at: str, found: list[Field], _depth: int) -> None:
        known = kind.values_by_number.get(value)
        found.append((at, known.name if known is not None else str(value)))

    return add


def _truth(value: Any, at: str, found: list[Field], _depth: int) -> None:
    found.append((at, "true" if value else "false"))


def _number(value: Any, at: str, found: list[Field], _depth: int) -> None:
    found.append((at, str(value)))


def _text_or_bytes(value: Any, at: str, found: list[Field], _depth: int) -> None:
    if isinstance(value, bytes):
        found.append((at, base64.b64encode(value).decode("ascii")))
        found.append((at, value.decode("utf-8", "replace")))
    else:
        found.append((at, value))


def _json(value: Any, at: str, found: list[Field], *, whole: bool) -> None:
    """``whole``: numbers are all float64, and one without a fraction is meant as a whole number."""
    if isinstance(value, dict):
        for key, item in value.items():
            _json(item, f"{at}.{key}" if at else key, found, whole=whole)
    elif isinstance(value, list):
        for index, item in enumerate(value):
            _json(item, f"{at}.{index}", found, whole=whole)
    elif isinstance(value, bool):
        found.append((at, "true" if value else "false"))
    elif value is None:
        found.append((at, "null"))
    else:
        found.append(
            (at, str(int(value) if whole and isinstance(value, float) and value.is_integer() else value))
        )


def _parsed(data: bytes, budget: Budget) -> list[WireField]:
    try:
        return read_fields(data, budget, budget.steps)[0]
    except (WireFormatError, BudgetExceededError):
        return []


def _by_number(fields: list[WireField], at: str, depth: int, budget: Budget, found: list[Field]) -> None:
    """Text where the bytes are text, else base64, and fields where they are a message."""
    for number, _, value in fields:
        here = f"{at}.{number}" if at else str(number)
        if isinstance(value, list):  # a group
            _by_number(value, here, depth + 1, budget, found)
        elif isinstance(value, int):
            found.append((here, str(value)))
        elif (text := _text(value)) is not None:
            found.append((here, text))
        else:
            found.append((here, base64.b64encode(value).decode("ascii")))
            if depth < _MOST_DEPTH:
                _by_number(_parsed(value, budget), here, depth + 1, budget, found)


def _text(value: bytes) -> str | None:
    try:
        text = value.decode()
    except UnicodeDecodeError:
        return None
    return text if text.isprintable() else None
