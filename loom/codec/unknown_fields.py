"""What JSON cannot say, kept while a message is edited as JSON: unknown fields, and Anys of unknown type.

Fields that the descriptor does not have are found in the original message and put into the edited one, at the same
place. An Any whose type nobody knows is shown with its bytes under ``@value``; here that is read back.
"""

from collections.abc import Iterator
from typing import Any

from google.protobuf import message_factory, wrappers_pb2
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import DecodeError, Message

from .compiled_readers import is_map, set_fields
from .json_printer import ANY
from .type_resolver import TypeResolver, type_name

_MARK = "opaque.invalid/"
_BYTES = "google.protobuf.BytesValue"
_OPAQUE_KEYS = {"@type", "@value"}


class Opaque:
    """The Anys of a JSON value that are given as bytes. They pass ``json_format`` disguised as wrapped bytes."""

    def __init__(self) -> None:
        self._urls: list[str] = []

    def hide(self, value: Any) -> Any:
        """A copy of ``value`` with each ``{"@type": url, "@value": base64}`` disguised; ``value`` if there is none."""
        if isinstance(value, list):
            return [self.hide(item) for item in value]
        if not isinstance(value, dict):
            return value
        if value.keys() == _OPAQUE_KEYS and isinstance(value["@type"], str):
            self._urls.append(value["@type"])
            return {"@type": f"{_MARK}{len(self._urls) - 1}/{_BYTES}", "value": value["@value"]}
        return {name: self.hide(item) for name, item in value.items()}

    def restore(self, message: Message, types: TypeResolver) -> None:
        """Take the disguise off, at any depth."""
        if not self._urls:
            return
        if type(message).DESCRIPTOR.full_name == ANY:
            self._restore_any(message, types)
            return
        for found in _messages(message):
            self.restore(found, types)

    def _restore_any(self, found: Any, types: TypeResolver) -> None:
        if found.type_url.startswith(_MARK):
            number = found.type_url.removeprefix(_MARK).partition("/")[0]
            found.value = wrappers_pb2.BytesValue.FromString(found.value).value
            found.type_url = self._urls[int(number)]
            return
        inner = opened(found, types)
        if inner is not None:
            self.restore(inner, types)
            found.value = type(inner).SerializePartialToString(inner)


class WithBytes:
    """TypeResolver that always know the disguise."""

    def __init__(self, types: TypeResolver) -> None:
        self._types = types

    def FindMessageTypeByName(self, full_name: str) -> Descriptor:  # noqa: N802 (protobuf's own name)
        if full_name == _BYTES:
            return wrappers_pb2.BytesValue.DESCRIPTOR
        return self._types.FindMessageTypeByName(full_name)


def opened(message: Any, types: TypeResolver) -> Message | None:
    """The content of an Any; None if its type is not known or its bytes do not fit."""
    try:
        descriptor = types.FindMessageTypeByName(type_name(message.type_url))
        inner: Message = message_factory.GetMessageClass(descriptor).FromString(message.value)
    except (KeyError, DecodeError):
        return None
    return inner


def carry_unknown(original: Message, edited: Message, types: TypeResolver) -> None:
    """Put the unknown fields of ``original`` into ``edited``, which is of the same type.

    A nested message gets those of the one at its place: the same field, the same key of a map. In a list, equal
    elements belong together first, then those at the same index.
    """
    if type(original).DESCRIPTOR.full_name == ANY:
        _carry_in_any(original, edited, types)
        return
    type(edited).MergeFromString(edited, _unknown_bytes(original))
    for field, value in set_fields(original):
        if _holds_messages(field):
            for before, after in _places(field, value, edited):
                carry_unknown(before, after, types)


def _places(field: FieldDescriptor, value: Any, edited: Message) -> Iterator[tuple[Message, Message]]:
    """The messages of a field, each with the one at its place in the edited message."""
    if is_map(field):
        target = _get(edited, field)
        yield from ((value[key], target[key]) for key in value if key in target)
    elif field.is_repeated:
        yield from _paired(list(value), list(_get(edited, field)))
    elif _has(edited, field):
        yield value, _get(edited, field)


def _holds_messages(field: FieldDescriptor) -> bool:
    if field.message_type is None:
        return False
    return not is_map(field) or field.message_type.fields_by_name["value"].message_type is not None


def _carry_in_any(original: Any, edited: Any, types: TypeResolver) -> None:
    if original.type_url != edited.type_url:
        return
    before, after = opened(original, types), opened(edited, types)
    if before is not None and after is not None:
        carry_unknown(before, after, types)
        edited.value = type(after).SerializePartialToString(after)


def _unknown_bytes(message: Message) -> bytes:
    """The message's own unknown fields, not those of the messages in it, as they would be sent."""
    kind: Any = type(message)
    left = kind()
    kind.CopyFrom(left, message)
    for field, _ in set_fields(message):
        if field.is_extension:
            kind.ClearExtension(left, field)
        else:
            kind.ClearField(left, field.name)
    return bytes(kind.SerializePartialToString(left))


def _paired(originals: list[Message], edited: list[Message]) -> Iterator[tuple[Message, Message]]:
    if len(originals) == len(edited):
        yield from zip(originals, edited, strict=True)
        return
    # Elements came or went: those that were not touched keep what is theirs, in their order.
    position = 0
    for target in edited:
        known = type(target).SerializePartialToString(target, deterministic=True)
        for index in range(position, len(originals)):
            if _known_bytes(originals[index]) == known:
                yield originals[index], target
                position = index + 1
                break


def _known_bytes(message: Message) -> bytes:
    kind = type(message)
    known = kind()
    kind.CopyFrom(known, message)
    kind.DiscardUnknownFields(known)
    return kind.SerializePartialToString(known, deterministic=True)


def _messages(message: Message) -> Iterator[Message]:
    """The messages right inside a message."""
    for field, value in set_fields(message):
        if not _holds_messages(field):
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
    kind = type(message)
    return bool(
        kind.HasExtension(message, field) if field.is_extension else kind.HasField(message, field.name)
    )
