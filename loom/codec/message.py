"""A message with its descriptor: bytes to the canonical JSON mapping, and JSON to bytes.

Source: https://protobuf.dev/programming-guides/json/.
"""

from dataclasses import dataclass
from typing import Any

import msgspec
from google.protobuf import message_factory
from google.protobuf.descriptor import Descriptor
from google.protobuf.message import DecodeError as ProtobufDecodeError
from google.protobuf.message import Message

from .json_errors import REFUSALS, misfit, parse_into
from .json_printer import JsonPrinter, drop_unknown
from .message_tree import Trees
from .node import Node
from .truncated_json import beginning
from .type_resolver import TypeResolver
from .unknown_fields import Opaque, WithBytes, carry_unknown

MAX_DEPTH = 100
MAX_NODES = 5_000
_SHORT = 16 * 1024  # bytes of a message whose JSON is made whole, and cut where it is still too long


class DecodeError(ValueError):
    """The bytes are not a message of this type."""


class EncodeError(ValueError):
    """The JSON does not fit the type; ``path`` is the field's, as in ``items[2].price``."""

    def __init__(self, message: str, path: str = "") -> None:
        super().__init__(message)
        self.path = path


@dataclass(slots=True)
class Decoded:
    """A decoded message. ``json`` is its value and ``text`` the same, indented, no number losing digits.

    ``json_error`` says what in it has no canonical JSON (an Any of unknown type, whose bytes ``json`` then holds
    under ``@value``). ``unknown`` tells that fields came which the descriptor does not have; ``missing`` are the
    types that Anys name and ``types`` did not know. Where ``cut``, ``text`` is only the beginning, on one line,
    ``json`` None, and ``json_error`` is that of the beginning.
    """

    json: Any
    text: str
    json_error: str
    tree: Node
    unknown: bool
    missing: frozenset[str] = frozenset()
    cut: bool = False


def parse(data: bytes, descriptor: Descriptor) -> Message:
    """The message object; :class:`DecodeError` says that it is none."""
    try:
        return message_factory.GetMessageClass(descriptor).FromString(data)
    except ProtobufDecodeError as error:
        raise DecodeError(f"not a valid {descriptor.full_name}: {error}") from error


def decode(
    data: bytes,
    descriptor: Descriptor,
    types: TypeResolver,
    *,
    max_nodes: int = MAX_NODES,
    max_text: int | None = None,
) -> Decoded:
    """Decode for viewing; :class:`DecodeError` if the bytes are not such a message.

    ``types`` (a pool will do) knows the types of Anys. ``max_text`` are the bytes of JSON that are wanted.
    """
    message = parse(data, descriptor)
    mapping = JsonPrinter(types)
    trees = Trees(types, max_nodes)
    try:
        value, text, cut = _json(mapping, message, len(data), max_text)
        tree = trees.message(message, key="", number=None)
    except RecursionError:
        raise DecodeError("nested too deeply to be shown") from None
    unknown = mapping.unknown or trees.unknown
    if not (unknown or trees.complete):
        unknown = drop_unknown(message)
    missing = frozenset(mapping.missing | trees.missing)
    return Decoded(value, text, "; ".join(mapping.problems), tree, unknown, missing, cut)


def _json(mapping: JsonPrinter, message: Message, size: int, most: int | None) -> tuple[Any, str, bool]:
    """The value, its text, and whether there is more of it than this."""
    if most is None:
        value = mapping.value(message)
        return value, as_text(value), False
    if size > _SHORT:
        text, whole = beginning(mapping, message, most)
        return (msgspec.json.decode(text), text, False) if whole else (None, text, True)
    value = mapping.value(message)
    text = msgspec.json.encode(value).decode()
    return (value, text, False) if len(text) <= most else (None, text[:most], True)


class JsonDecoder:
    """Decodes many messages to JSON alone: ``text`` and ``tree`` of what it answers are empty.

    How the fields of a type are read is worked out once, at the first message of it. Not for use by several threads
    at once.
    """

    def __init__(self, types: TypeResolver) -> None:
        self._mapping = JsonPrinter(types)

    def decode(self, data: bytes, descriptor: Descriptor) -> Decoded:
        """As :func:`decode`."""
        message = parse(data, descriptor)
        mapping = self._mapping
        mapping.reset()
        try:
            value = mapping.value(message)
        except RecursionError:
            raise DecodeError("nested too deeply to be shown") from None
        unknown = mapping.unknown or drop_unknown(message)
        return Decoded(value, "", "; ".join(mapping.problems), {}, unknown, frozenset(mapping.missing))


def tree_of(data: bytes, descriptor: Descriptor, types: TypeResolver, max_nodes: int) -> Node:
    """The typed view alone, for a preview; :class:`DecodeError` if the bytes are not such a message."""
    return Trees(types, max_nodes).message(parse(data, descriptor), key="", number=None)


def as_text(value: Any) -> str:
    """JSON as people read it: two spaces of indent, unicode as it is."""
    return msgspec.json.format(msgspec.json.encode(value), indent=2).decode()


def encode(value: Any, descriptor: Descriptor, types: TypeResolver, original: bytes | None = None) -> bytes:
    """The bytes of a JSON value; :class:`EncodeError` names the field that does not fit.

    ``original`` is the message that ``value`` was made of, before somebody edited it: fields that it has and the
    descriptor does not are carried over, wherever the part of the message that held them is still there.
    """
    made = message_factory.GetMessageClass(descriptor)()
    opaque = Opaque()
    known = WithBytes(types)
    plain: Any = value
    try:
        plain = opaque.hide(value)
        parse_into(plain, made, known, MAX_DEPTH)
        opaque.restore(made, types)
        if original is not None:
            carry_unknown(parse(original, descriptor), made, types)
        return type(made).SerializePartialToString(made)
    except REFUSALS as error:
        path, text = misfit(plain, descriptor, known, MAX_DEPTH, error)
        raise EncodeError(f"{path}: {text}" if path else text, path) from error
