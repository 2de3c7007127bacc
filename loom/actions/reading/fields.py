"""A message as paths and texts: what a filter's ``body:`` looks at."""

import base64
from collections.abc import Callable, Iterator
from typing import Any

from google.protobuf import json_format, message_factory
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import DecodeError, Message

from loom.codec.node import Budget
from loom.codec.reader import Field as WireField
from loom.codec.reader import InvalidError, SpentError, read_fields

Field = tuple[str, str]
Types = Callable[[str], Descriptor | None]

_AS_JSON = frozenset(
    f"google.protobuf.{name}"
    for name in (
        "Timestamp", "Duration", "FieldMask", "Struct", "Value", "ListValue", "DoubleValue", "FloatValue",
        "Int64Value", "UInt64Value", "Int32Value", "UInt32Value", "BoolValue", "StringValue", "BytesValue",
    )
)  # fmt: skip
_MOST_DEPTH = 100


def fields(message: Message, types: Types) -> Iterator[Field]:
    """Every leaf: ("items.0.sku", "A-1"); numbers in decimal, enums by name, bytes as base64 and as text.

    Names are those of the .proto file. ``types`` finds what an Any holds.
    """
    yield from _message(message, "", types, 0)


def _message(message: Message, at: str, types: Types, depth: int) -> Iterator[Field]:
    name = message.DESCRIPTOR.full_name
    if depth > _MOST_DEPTH:
        return
    if name in _AS_JSON:
        yield from _json(_to_json(message), at)
        return
    if name == "google.protobuf.Any":
        yield from _any(message, at, types, depth)
        return
    for field, value in message.ListFields():
        here = f"{at}.{field.name}" if at else field.name
        if not field.is_repeated:
            yield from _value(field, value, here, types, depth)
        elif field.message_type is not None and field.message_type.GetOptions().map_entry:
            entry = field.message_type.fields_by_name["value"]
            for key in value:
                yield here, str(key)
                yield from _value(entry, value[key], f"{here}.{key}", types, depth)
        else:
            for index, item in enumerate(value):
                yield from _value(field, item, f"{here}.{index}", types, depth)


def _value(field: FieldDescriptor, value: Any, at: str, types: Types, depth: int) -> Iterator[Field]:
    if field.message_type is not None:
        yield from _message(value, at, types, depth + 1)
    elif field.enum_type is not None:
        known = field.enum_type.values_by_number.get(value)
        yield at, known.name if known is not None else str(value)
    elif isinstance(value, bytes):
        yield at, base64.b64encode(value).decode("ascii")
        yield at, value.decode("utf-8", "replace")
    elif isinstance(value, bool):
        yield at, "true" if value else "false"
    else:
        yield at, str(value)


def _any(message: Any, at: str, types: Types, depth: int) -> Iterator[Field]:
    yield (f"{at}.@type" if at else "@type"), message.type_url
    descriptor = types(message.type_url.rpartition("/")[2])
    if descriptor is None:
        yield from unknown(message.value, at)
        return
    try:
        inner = message_factory.GetMessageClass(descriptor).FromString(message.value)
    except DecodeError:
        yield from unknown(message.value, at)
        return
    yield from _message(inner, at, types, depth + 1)


def _to_json(message: Message) -> Any:
    try:
        return json_format.MessageToDict(message)
    except (ValueError, json_format.Error):  # a Timestamp of the year 40000, say
        return str(message)


def _json(value: Any, at: str) -> Iterator[Field]:
    if isinstance(value, dict):
        for key, item in value.items():
            yield from _json(item, f"{at}.{key}" if at else key)
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _json(item, f"{at}.{index}")
    else:
        yield at, {True: "true", False: "false", None: "null"}.get(value) or str(value)


def unknown(data: bytes, at: str = "") -> Iterator[Field]:
    """A message that nothing describes: the whole as text, then its texts and numbers by field number."""
    yield at, data.decode("utf-8", "replace")
    yield from _by_number(_parsed(data, budget := Budget(0)), at, 0, budget)


def _parsed(data: bytes, budget: Budget) -> list[WireField]:
    try:
        return read_fields(data, budget, budget.steps)[0]
    except (InvalidError, SpentError):
        return []


def _by_number(found: list[WireField], at: str, depth: int, budget: Budget) -> Iterator[Field]:
    """Text where the bytes are text, else base64, and fields where they are a message."""
    for number, _, value in found:
        here = f"{at}.{number}" if at else str(number)
        if isinstance(value, list):  # a group
            yield from _by_number(value, here, depth + 1, budget)
        elif isinstance(value, int):
            yield here, str(value)
        elif (text := _text(value)) is not None:
            yield here, text
        else:
            yield here, base64.b64encode(value).decode("ascii")
            if depth < _MOST_DEPTH:
                yield from _by_number(_parsed(value, budget), here, depth + 1, budget)


def _text(value: bytes) -> str | None:
    try:
        text = value.decode()
    except UnicodeDecodeError:
        return None
    return text if text.isprintable() else None
