"""Parse messages that protobuf rejects as a whole for one bad place: a string that is not UTF-8, or deep nesting.

The wire format is rewritten so that protobuf accepts it: invalid strings get replacement characters, and what is nested
too deeply is cut out, parsed separately and merged in at its place.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from google.protobuf import message_factory
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import DecodeError, Message

from .compiled_readers import is_map, json_key, key_text, set_fields
from .wire_parser import LEN, SGROUP, WireFormatError, encode_varint, parse_varint
from .wire_records import end_of_fields, find_field, skip_content

MAX_DEPTH = 200
MAX_FLAWS_SHOWN = 5
_CHUNK_DEPTH = 90  # protobuf parses 100 levels at once


@dataclass(frozen=True, slots=True)
class Flaw:
    """A place of a message that is not decoded exactly; ``keys`` lead to its node in the message's tree."""

    keys: tuple[str, ...]
    text: str

    def __str__(self) -> str:
        return f"{'.'.join(self.keys)}: {self.text}"


def join_flaws(flaws: Sequence[Flaw]) -> str:
    """The first flaws in one sentence."""
    more = f"; and {len(flaws) - MAX_FLAWS_SHOWN} more" if len(flaws) > MAX_FLAWS_SHOWN else ""
    return "; ".join(map(str, flaws[:MAX_FLAWS_SHOWN])) + more


@dataclass(frozen=True, slots=True)
class _Step:
    """A step from a message to one within it: a field, and the element of a list or map."""

    field: FieldDescriptor
    element: Any = None

    @property
    def keys(self) -> tuple[str, ...]:
        key = json_key(self.field)
        return (key,) if self.element is None else (key, key_text(self.element))


@dataclass(frozen=True, slots=True)
class _Chunk:
    """The bytes of a message that was cut out, and where it belongs."""

    steps: tuple[_Step, ...]
    data: bytes
    descriptor: Descriptor


def parse_message(data: bytes, descriptor: Descriptor) -> tuple[Message, list[Flaw]]:
    """Parse a message, leniently if protobuf rejects it; raises protobuf's DecodeError if that fails too."""
    try:
        message: Message = message_factory.GetMessageClass(descriptor).FromString(data)
    except DecodeError as error:
        try:
            return parse_leniently(data, descriptor)
        except DecodeError:
            raise error from None
    return parse_leniently(data, descriptor) if has_unreadable_map(message) else (message, [])


def has_unreadable_map(message: Message) -> bool:
    """Whether a message, at any depth, has a map with a key that is not valid UTF-8, whose values cannot be read.

    protobuf parses such maps where the syntax does not enforce UTF-8, as in proto2.
    """
    return _may_have_unreadable_map(type(message).DESCRIPTOR) and _has_unreadable_map(message)


def _has_unreadable_map(message: Message) -> bool:
    for field, value in set_fields(message):
        inner = field.message_type
        if inner is None:
            continue
        if is_map(field):
            if any(isinstance(key, bytes) for key in value):
                return True
            has_messages = inner.fields_by_name["value"].message_type is not None
            items = [value[key] for key in value] if has_messages else []
        else:
            items = value if field.is_repeated else [value]
        if any(map(_has_unreadable_map, items)):
            return True
    return False


@lru_cache(maxsize=64)  # a type keeps its pool alive
def _may_have_unreadable_map(descriptor: Descriptor) -> bool:
    """Whether a type reaches a map by text in a file that is not proto3; extensions may be of any type."""
    seen: set[str] = set()
    types: list[Any] = [descriptor]
    while types:
        kind = types.pop()
        if kind.full_name in seen:
            continue
        seen.add(kind.full_name)
        if kind.is_extendable:
            return True
        for field in kind.fields:
            if is_map(field):
                key = field.message_type.fields_by_name["key"]
                if key.type == FieldDescriptor.TYPE_STRING and not _enforces_utf8(key):
                    return True
            if field.message_type is not None:
                types.append(field.message_type)
    return False


def _enforces_utf8(field: FieldDescriptor) -> bool:
    try:
        message_factory.GetMessageClass(field.containing_type).FromString(b"\x0a\x01\xff")  # type: ignore[arg-type]
    except DecodeError:
        return True
    return False


def parse_leniently(
    data: bytes, descriptor: Descriptor, max_depth: int = MAX_DEPTH
) -> tuple[Message, list[Flaw]]:
    """Parse a message that protobuf has rejected; messages below ``max_depth`` levels are left out.

    Raises protobuf's DecodeError if the wire format itself is broken.
    """
    flaws: list[Flaw] = []
    root = message_factory.GetMessageClass(descriptor)()
    chunks = [_Chunk((), data, descriptor)]
    while chunks:
        chunk = chunks.pop()
        rewriter = _Rewriter(chunk.steps, flaws, max_depth)
        try:
            rewritten = rewriter.message(chunk.data, chunk.descriptor, ())
        except WireFormatError as error:
            raise DecodeError(str(error)) from error
        target = _navigate(root, chunk.steps)
        type(target).MergeFromString(target, rewritten)
        chunks += rewriter.chunks
    return root, flaws


class _Rewriter:
    """Rewrites the wire format of one chunk, of which ``base`` is the place."""

    def __init__(self, base: tuple[_Step, ...], flaws: list[Flaw], max_depth: int) -> None:
        self.chunks: list[_Chunk] = []
        self._base = base
        self._flaws = flaws
        self._max_depth = max_depth

    def message(self, data: bytes, descriptor: Descriptor, steps: tuple[_Step, ...], depth: int = 0) -> bytes:
        """The fields of a message, rewritten; ``depth`` is that within the chunk."""
        output = bytearray()
        counts: dict[int, int] = {}
        position = 0
        while position < len(data):
            start = position
            tag, position = parse_varint(data, position)
            number, wire_type = tag >> 3, tag & 7
            content = position
            position = skip_content(data, position, number, wire_type)
            field = find_field(descriptor, number)
            if field is None or wire_type not in {LEN, SGROUP}:
                output += data[start:position]
                continue
            index = counts.get(number, 0)
            counts[number] = index + 1
            if wire_type == LEN:
                _, content = parse_varint(data, content)
                value = self._field(data[content:position], field, index, steps, depth)
                output += data[start : _varint_end(data, start)] + encode_varint(len(value)) + value
            else:
                end = content + end_of_fields(data[content:position])
                value = self._field(data[content:end], field, index, steps, depth)
                output += data[start:content] + value + data[end:position]
        return bytes(output)

    def _field(
        self, value: bytes, field: FieldDescriptor, index: int, steps: tuple[_Step, ...], depth: int
    ) -> bytes:
        if field.type == FieldDescriptor.TYPE_STRING:
            return self._string(value, (*steps, _Step(field, index if field.is_repeated else None)))
        if field.message_type is None:
            return value
        if is_map(field):
            return self._map_entry(value, field, steps, depth)
        step = _Step(field, index if field.is_repeated else None)
        return self._submessage(value, field.message_type, (*steps, step), depth)

    def _string(self, value: bytes, steps: tuple[_Step, ...]) -> bytes:
        try:
            value.decode()
        except UnicodeDecodeError:
            self._add_flaw(steps, "not valid UTF-8, the invalid bytes are shown as �")
            return value.decode("utf-8", "replace").encode()
        return value

    def _submessage(
        self, value: bytes, descriptor: Descriptor, steps: tuple[_Step, ...], depth: int
    ) -> bytes:
        if len(self._base) + len(steps) >= self._max_depth:
            if value:
                self._add_flaw(
                    steps, f"nested deeper than {self._max_depth} levels, {len(value)} bytes are left out"
                )
            return b""
        if depth + 1 >= _CHUNK_DEPTH:
            self.chunks.append(_Chunk((*self._base, *steps), value, descriptor))
            return b""
        return self.message(value, descriptor, steps, depth + 1)

    def _map_entry(self, value: bytes, field: FieldDescriptor, steps: tuple[_Step, ...], depth: int) -> bytes:
        """An entry: a message with the fields key and value, which is one step to the value."""
        entry: Any = field.message_type
        key = self._map_key(value, field, steps)
        output = bytearray()
        position = 0
        while position < len(value):
            start = position
            tag, position = parse_varint(value, position)
            content = position
            position = skip_content(value, position, tag >> 3, tag & 7)
            part = find_field(entry, tag >> 3)
            if part is None or tag & 7 != LEN:
                output += value[start:position]
                continue
            size, content = parse_varint(value, content)
            inner = value[content : content + size]
            if part.number == 1:  # the key: its flaw has been added
                inner = inner.decode("utf-8", "replace").encode() if isinstance(key, str) else inner
            elif part.message_type is not None:
                inner = self._submessage(inner, part.message_type, (*steps, _Step(field, key)), depth + 1)
            elif part.type == FieldDescriptor.TYPE_STRING:
                inner = self._string(inner, (*steps, _Step(field, key)))
            output += value[start : _varint_end(value, start)] + encode_varint(len(inner)) + inner
        return bytes(output)

    def _map_key(self, entry: bytes, field: FieldDescriptor, steps: tuple[_Step, ...]) -> Any:
        """The key of an entry."""
        descriptor: Any = field.message_type
        fields = bytearray()
        position = 0
        while position < len(entry):
            start = position
            tag, position = parse_varint(entry, position)
            position = skip_content(entry, position, tag >> 3, tag & 7)
            if tag >> 3 == 1:
                fields = bytearray(entry[start:position])
        if descriptor.fields_by_name["key"].type == FieldDescriptor.TYPE_STRING:
            if not fields:
                return ""
            _, position = parse_varint(fields, _varint_end(fields, 0))
            text = fields[position:].decode("utf-8", "replace")
            if text.encode() != fields[position:]:
                self._add_flaw((*steps, _Step(field, text)), "its key is not valid UTF-8")
            return text
        return message_factory.GetMessageClass(descriptor).FromString(bytes(fields)).key  # type: ignore[attr-defined]

    def _add_flaw(self, steps: tuple[_Step, ...], text: str) -> None:
        keys = tuple(key for step in (*self._base, *steps) for key in step.keys)
        self._flaws.append(Flaw(keys, text))


def _navigate(message: Any, steps: tuple[_Step, ...]) -> Any:
    for step in steps:
        field = step.field
        value = message.Extensions[field] if field.is_extension else getattr(message, field.name)
        message = value if step.element is None else value[step.element]
    return message


def _varint_end(data: bytes | bytearray, position: int) -> int:
    return parse_varint(data, position)[1]
