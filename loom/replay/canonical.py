"""Compare two encoded messages by content: field order, map order and redundant encodings make no difference."""

from collections.abc import Iterable
from typing import Any

from google.protobuf import message_factory
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import DecodeError, EncodeError

_ANY = "google.protobuf.Any"


def same_content(left: bytes, right: bytes, descriptor: Descriptor) -> bool | None:
    """Whether two messages of a type have the same content; None if protobuf cannot parse one of them.

    Values inside an Any are compared if the pool of ``descriptor`` has their type, and else taken for the same.
    """
    try:
        return _canonical_bytes(left, descriptor) == _canonical_bytes(right, descriptor)
    except (DecodeError, EncodeError, ValueError, RecursionError):
        return None


def _canonical_bytes(data: bytes, descriptor: Descriptor) -> bytes:
    message = message_factory.GetMessageClass(descriptor).FromString(data)
    _canonicalize_anys(message, descriptor.file.pool)
    encoded: bytes = message.SerializeToString(deterministic=True)
    return encoded


def _canonicalize_anys(message: Any, pool: Any) -> None:
    descriptor = message.DESCRIPTOR
    if descriptor.full_name == _ANY:
        try:
            inner = pool.FindMessageTypeByName(message.type_url.rpartition("/")[2])
        except KeyError:
            message.value = b""
        else:
            message.value = _canonical_bytes(message.value, inner)
        return
    for field, value in message.ListFields():
        for item in _messages_of(field, value):
            _canonicalize_anys(item, pool)


def _messages_of(field: FieldDescriptor, value: Any) -> Iterable[Any]:
    """The messages in the value of a field."""
    inner = field.message_type
    if inner is None:
        return ()
    if inner.GetOptions().map_entry:
        return value.values() if inner.fields_by_name["value"].message_type is not None else ()
    return value if field.is_repeated else (value,)
