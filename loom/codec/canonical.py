"""Compare two encoded messages by content: field order, map order and redundant encodings make no difference.

That is what canonical protobuf compares: each message parsed, and serialised deterministically. The content of an Any
is compared in the same way if its type is known, and by its bytes if not.
"""

import struct
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import DecodeError, EncodeError, Message
from google.protobuf.unknown_fields import UnknownFieldSet

from .compiled_readers import is_map, json_key, key_text, set_fields
from .field_path import Step, path_text
from .json_printer import ANY, LIST, STRUCT, VALUE, WELL_KNOWN, JsonPrinter
from .lenient_parser import parse_message
from .scalars import as_base64, double
from .type_resolver import TypeResolver, type_name

UNKNOWN_FIELDS = "fields outside the schema"
"""The key of an exact value under which a message has the fields that its descriptor lacks."""

_CONTAINERS = frozenset({"struct_value", "list_value"})


@dataclass(frozen=True, slots=True)
class Leaf:
    """A part of an exact value: equal to another if its bytes are. ``json`` is the JSON that stands for it."""

    data: bytes
    json: Any = None

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Leaf) and self.data == other.data

    def __hash__(self) -> int:
        return hash(self.data)


def same_content(left: bytes, right: bytes, descriptor: Descriptor, resolver: TypeResolver) -> bool | None:
    """Whether two messages of a type have the same content; None if protobuf cannot parse one of them."""
    try:
        return _canonical_bytes(left, descriptor, resolver) == _canonical_bytes(right, descriptor, resolver)
    except (DecodeError, EncodeError, ValueError, RecursionError):
        return None


def exact_value(data: bytes, descriptor: Descriptor, resolver: TypeResolver) -> Any:
    """The message in the form of its JSON, with a :class:`Leaf` in place of each value.

    Two exact values differ where the messages do, also where their JSON does not. Raises protobuf's DecodeError.
    """
    message, _ = parse_message(data, descriptor)
    return _Exact(resolver).value(message)


def find_difference(left: Any, right: Any, steps: tuple[Step, ...] = ()) -> str | None:
    """The path of the first part in which two exact values differ; unknown fields are not compared."""
    if isinstance(left, dict) and isinstance(right, dict):
        keys: list[Step] = [key for key in {**left, **right} if key != UNKNOWN_FIELDS]
        parts = [(key, left.get(key), right.get(key)) for key in keys]
    elif isinstance(left, list) and isinstance(right, list) and len(left) == len(right):
        parts = list(zip(range(len(left)), left, right, strict=True))
    else:
        return None if left == right else path_text(steps)
    differences = (find_difference(one, other, (*steps, key)) for key, one, other in parts)
    return next((path for path in differences if path is not None), None)


class _Exact:
    def __init__(self, resolver: TypeResolver) -> None:
        self._resolver = resolver
        self._printer = JsonPrinter(resolver)

    def value(self, message: Any) -> Any:
        name = type(message).DESCRIPTOR.full_name
        kind = message.WhichOneof("kind") if name == VALUE else None
        if name == STRUCT:
            return {key: self.value(message.fields[key]) for key in message.fields}
        if name == LIST:
            return [self.value(item) for item in message.values]
        if kind in _CONTAINERS:
            return self.value(getattr(message, kind))
        if name == ANY:
            return self._any(message)
        if name in WELL_KNOWN:
            return self._leaf(message)
        fields = {json_key(field): self._field(field, value) for field, value in set_fields(message)}
        return fields | {UNKNOWN_FIELDS: Leaf(_unknown_fields(message))}

    def _leaf(self, message: Message) -> Leaf:
        return Leaf(_serialize(message), self._printer.value(message))

    def _any(self, message: Any) -> Any:
        inner = _unpack(message, self._resolver)
        if inner is None:
            return self._leaf(message)
        value = self.value(inner)
        content = {"value": value} if type(inner).DESCRIPTOR.full_name in WELL_KNOWN | {ANY} else value
        return {"@type": Leaf(message.type_url.encode(), message.type_url), **content}

    def _field(self, field: FieldDescriptor, value: Any) -> Any:
        if is_map(field):
            entry: Any = field.message_type
            item = entry.fields_by_name["value"]
            return {key_text(key): self._single(item, value[key]) for key in value}
        if field.is_repeated:
            return [self._single(field, item) for item in value]
        return self._single(field, value)

    def _single(self, field: FieldDescriptor, value: Any) -> Any:
        if field.message_type is not None:
            return self.value(value)
        if isinstance(value, bytes):
            return Leaf(value, as_base64(value))
        if isinstance(value, float):
            return Leaf(struct.pack("<d", value), double(value))
        return Leaf(str(value).encode(), value)


def _canonical_bytes(data: bytes, descriptor: Descriptor, resolver: TypeResolver) -> bytes:
    message, flaws = parse_message(data, descriptor)
    if flaws:
        raise DecodeError(str(flaws[0]))
    _canonicalize_anys(message, resolver)
    return _serialize(message)


def _canonicalize_anys(message: Any, resolver: TypeResolver) -> None:
    if type(message).DESCRIPTOR.full_name == ANY:
        inner = _unpack(message, resolver)
        if inner is not None:
            _canonicalize_anys(inner, resolver)
            message.value = _serialize(inner)
        return
    for field, value in set_fields(message):
        for item in _messages_of(field, value):
            _canonicalize_anys(item, resolver)


def _unpack(message: Any, resolver: TypeResolver) -> Message | None:
    """The content of an Any; None if its type is unknown, or if it is not parsed exactly."""
    try:
        descriptor = resolver.FindMessageTypeByName(type_name(message.type_url))
        inner, flaws = parse_message(message.value, descriptor)
    except (KeyError, DecodeError):
        return None
    return None if flaws else inner


def _messages_of(field: FieldDescriptor, value: Any) -> Iterable[Any]:
    """The messages in the value of a field."""
    inner = field.message_type
    if inner is None:
        return ()
    if is_map(field):
        has_messages = inner.fields_by_name["value"].message_type is not None
        return [value[key] for key in value] if has_messages else ()
    return value if field.is_repeated else (value,)


def _unknown_fields(message: Message) -> bytes:
    """The message's own unknown fields, without those of nested messages."""
    if not len(UnknownFieldSet(message)):
        return b""
    message_class: Any = type(message)
    copy = message_class()
    message_class.CopyFrom(copy, message)
    for field, _ in set_fields(message):
        if field.is_extension:
            message_class.ClearExtension(copy, field)
        else:
            message_class.ClearField(copy, field.name)
    return bytes(message_class.SerializePartialToString(copy))


def _serialize(message: Message) -> bytes:
    message_class = type(message)
    return message_class.SerializePartialToString(message, deterministic=True)
