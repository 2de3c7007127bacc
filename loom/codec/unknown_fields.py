"""Preserve what JSON cannot represent while a message is edited as JSON: unknown fields, and Anys of unknown type.

Unknown fields of the original message are copied to the same place of the edited one. An Any of unknown type is printed
with its bytes under ``@value``, which is parsed here.
"""

from collections.abc import Iterator
from typing import Any

from google.protobuf import message_factory, wrappers_pb2
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import DecodeError, Message

from .compiled_readers import is_map, set_fields
from .json_printer import ANY
from .lenient_parser import parse_message
from .type_resolver import TypeResolver, type_name

_PLACEHOLDER = "opaque.invalid/"
_BYTES = "google.protobuf.BytesValue"
_OPAQUE_KEYS = {"@type", "@value"}


class OpaqueAnys:
    """The Anys of a JSON value that are given as bytes. ``json_format`` gets them as a ``BytesValue`` placeholder."""

    def __init__(self) -> None:
        self._urls: list[str] = []

    def hide(self, value: Any) -> Any:
        """A copy of ``value`` with a placeholder for each ``{"@type": url, "@value": base64}``."""
        if isinstance(value, list):
            return [self.hide(item) for item in value]
        if not isinstance(value, dict):
            return value
        if value.keys() == _OPAQUE_KEYS and isinstance(value["@type"], str):
            self._urls.append(value["@type"])
            return {"@type": f"{_PLACEHOLDER}{len(self._urls) - 1}/{_BYTES}", "value": value["@value"]}
        return {name: self.hide(item) for name, item in value.items()}

    def restore(self, message: Message, resolver: TypeResolver) -> None:
        """Replace the placeholders in a parsed message, at any depth, by the Anys that they stand for."""
        if not self._urls:
            return
        if type(message).DESCRIPTOR.full_name == ANY:
            self._restore_any(message, resolver)
            return
        for submessage in _submessages(message):
            self.restore(submessage, resolver)

    def _restore_any(self, message: Any, resolver: TypeResolver) -> None:
        if message.type_url.startswith(_PLACEHOLDER):
            index = message.type_url.removeprefix(_PLACEHOLDER).partition("/")[0]
            message.value = wrappers_pb2.BytesValue.FromString(message.value).value
            message.type_url = self._urls[int(index)]
            return
        inner = unpack_any(message, resolver)
        if inner is not None:
            self.restore(inner, resolver)
            message.value = type(inner).SerializePartialToString(inner)


class PlaceholderResolver:
    """A resolver that always knows the type of the placeholders."""

    def __init__(self, resolver: TypeResolver) -> None:
        self._resolver = resolver

    def FindMessageTypeByName(self, full_name: str) -> Descriptor:  # noqa: N802 (protobuf's own name)
        if full_name == _BYTES:
            return wrappers_pb2.BytesValue.DESCRIPTOR
        return self._resolver.FindMessageTypeByName(full_name)


def unpack_any(message: Any, resolver: TypeResolver) -> Message | None:
    """The content of an Any; None if its type is unknown or its bytes do not parse."""
    try:
        descriptor = resolver.FindMessageTypeByName(type_name(message.type_url))
        inner: Message = message_factory.GetMessageClass(descriptor).FromString(message.value)
    except (KeyError, DecodeError):
        return None
    return inner


def carry_unknown_fields(original: Message, edited: Message, resolver: TypeResolver) -> None:
    """Copy the unknown fields of ``original`` to ``edited``, a message of the same type.

    A nested message gets those of the message at its place: the same field, the same key of a map, the same index of a
    list. If the length of a list changed, elements are matched by their known fields, in order.
    """
    if type(original).DESCRIPTOR.full_name == ANY:
        _carry_in_any(original, edited, resolver)
        return
    type(edited).MergeFromString(edited, _unknown_bytes(original))
    for field, value in set_fields(original):
        if _has_messages(field):
            for before, after in _counterparts(field, value, edited):
                carry_unknown_fields(before, after, resolver)


def _counterparts(field: FieldDescriptor, value: Any, edited: Message) -> Iterator[tuple[Message, Message]]:
    """The messages of a field, each with its counterpart in the edited message."""
    if is_map(field):
        target = _get(edited, field)
        yield from ((value[key], target[key]) for key in value if key in target)
    elif field.is_repeated:
        yield from _pair_elements(list(value), list(_get(edited, field)))
    elif _has(edited, field):
        yield value, _get(edited, field)


def _has_messages(field: FieldDescriptor) -> bool:
    if field.message_type is None:
        return False
    return not is_map(field) or field.message_type.fields_by_name["value"].message_type is not None


def _carry_in_any(original: Any, edited: Any, resolver: TypeResolver) -> None:
    if original.type_url != edited.type_url:
        return
    before, after = unpack_any(original, resolver), unpack_any(edited, resolver)
    if after is None:
        return
    if before is None:
        _restore_inexact_any(original, edited, after)
        return
    carry_unknown_fields(before, after, resolver)
    edited.value = type(after).SerializePartialToString(after)


def _restore_inexact_any(original: Any, edited: Any, after: Message) -> None:
    """Restore the bytes of an Any that was parsed leniently and not edited; ValueError if it was edited."""
    try:
        descriptor: Any = type(after).DESCRIPTOR
        before, flaws = parse_message(original.value, descriptor)
    except DecodeError:
        return
    if _known_bytes(before) != _known_bytes(after):
        flaw = next(map(str, flaws), "it is nested too deeply")
        raise ValueError(f"an Any of {type_name(original.type_url)} cannot be edited: {flaw}")
    edited.value = original.value


def _unknown_bytes(message: Message) -> bytes:
    """The message's own unknown fields, without those of nested messages, in wire format."""
    message_class: Any = type(message)
    copy = message_class()
    message_class.CopyFrom(copy, message)
    for field, _ in set_fields(message):
        if field.is_extension:
            message_class.ClearExtension(copy, field)
        else:
            message_class.ClearField(copy, field.name)
    return bytes(message_class.SerializePartialToString(copy))


def _pair_elements(originals: list[Message], edited: list[Message]) -> Iterator[tuple[Message, Message]]:
    if len(originals) == len(edited):
        yield from zip(originals, edited, strict=True)
        return
    # Elements were added or removed: unedited ones are matched by their known fields, in order.
    position = 0
    for target in edited:
        target_bytes = type(target).SerializePartialToString(target, deterministic=True)
        for index in range(position, len(originals)):
            if _known_bytes(originals[index]) == target_bytes:
                yield originals[index], target
                position = index + 1
                break


def _known_bytes(message: Message) -> bytes:
    """A message without its unknown fields, in deterministic wire format."""
    message_class = type(message)
    copy = message_class()
    message_class.CopyFrom(copy, message)
    message_class.DiscardUnknownFields(copy)
    return message_class.SerializePartialToString(copy, deterministic=True)


def _submessages(message: Message) -> Iterator[Message]:
    """The messages directly within a message."""
    for field, value in set_fields(message):
        if not _has_messages(field):
            continue
        if is_map(field):
            yield from (value[key] for key in value)
        elif field.is_repeated:
            yield from value
        else:
            yield value


def _get(message: Any, field: FieldDescriptor) -> Any:
    return message.Extensions[field] if field.is_extension else getattr(message, field.name)


def _has(message: Any, field: FieldDescriptor) -> bool:
    message_class = type(message)
    return bool(
        message_class.HasExtension(message, field)
        if field.is_extension
        else message_class.HasField(message, field.name)
    )
