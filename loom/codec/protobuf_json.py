"""Decode a protobuf message to canonical JSON and its tree; encode JSON to a protobuf message.

Source: https://protobuf.dev/programming-guides/json/.
"""

from dataclasses import dataclass
from typing import Any

import msgspec
from google.protobuf.descriptor import Descriptor
from google.protobuf.message import Message

from .json_encoder import EncodeError, JsonEncoder
from .json_printer import JsonPrinter, drop_unknown_fields
from .message_patch import patch
from .message_tree import TreeBuilder
from .node import Node
from .payload import DecodeError, parse
from .truncated_json import truncated_json
from .type_resolver import TypeResolver

MAX_NODES = 5_000
_SMALL_MESSAGE_BYTES = 16 * 1024  # up to here it is cheaper to print all of the JSON and cut it


@dataclass(frozen=True, slots=True)
class JsonValue:
    """The canonical JSON value of a message.

    ``problems`` says what in it has no canonical JSON (an Any of unknown type, whose bytes ``json`` then has under
    ``@value``). ``unknown_fields``: the message has fields that its descriptor lacks. ``missing_types`` are the types
    of Anys that the resolver did not know.
    """

    json: Any
    problems: str = ""
    unknown_fields: bool = False
    missing_types: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class MessageContent:
    """A decoded message for display: its JSON, the same as indented text, and its tree.

    ``text`` keeps every digit of every number. If ``cut``, it is only the beginning, on one line, ``value.json`` is
    None, and ``value.problems`` are those of the beginning.
    """

    value: JsonValue
    text: str
    tree: Node
    cut: bool = False


def decode(data: bytes, descriptor: Descriptor, resolver: TypeResolver) -> JsonValue:
    """Decode one message to JSON; raises :class:`DecodeError`. For many messages use :class:`JsonDecoder`."""
    return JsonDecoder(resolver).decode(parse(data, descriptor))


def decode_content(
    message: Message,
    size: int,
    resolver: TypeResolver,
    *,
    max_nodes: int = MAX_NODES,
    max_text: int | None = None,
) -> MessageContent:
    """Decode a parsed message of ``size`` bytes for display; raises :class:`DecodeError` if it is nested too deeply.

    ``max_text`` limits the bytes of JSON text, ``max_nodes`` the nodes of the tree. The message's unknown fields may
    be dropped.
    """
    printer = JsonPrinter(resolver)
    builder = TreeBuilder(resolver, max_nodes)
    try:
        value, text, cut = _print(printer, message, size, max_text)
        tree = builder.build(message, key="", number=None)
    except RecursionError:
        raise DecodeError("nested too deeply to be shown") from None
    unknown = printer.unknown_fields or builder.unknown_fields
    if not (unknown or builder.complete):
        unknown = drop_unknown_fields(message)
    missing = frozenset(printer.missing_types | builder.missing_types)
    return MessageContent(JsonValue(value, "; ".join(printer.problems), unknown, missing), text, tree, cut)


def _print(printer: JsonPrinter, message: Message, size: int, max_text: int | None) -> tuple[Any, str, bool]:
    """The JSON value, its text, and whether the text is cut."""
    if max_text is None:
        value = printer.value(message)
        return value, format_json(value), False
    if size > _SMALL_MESSAGE_BYTES:
        text, complete = truncated_json(printer, message, max_text)
        return (msgspec.json.decode(text), text, False) if complete else (None, text, True)
    value = printer.value(message)
    text = msgspec.json.encode(value).decode()
    return (value, text, False) if len(text) <= max_text else (None, text[:max_text], True)


class JsonDecoder:
    """Decodes many messages to JSON; what depends on a message type is worked out at its first message.

    Not thread-safe.
    """

    def __init__(self, resolver: TypeResolver) -> None:
        self._printer = JsonPrinter(resolver)

    def decode(self, message: Message) -> JsonValue:
        """The JSON of a parsed message, whose unknown fields are dropped; raises :class:`DecodeError`."""
        printer = self._printer
        printer.reset()
        try:
            value = printer.value(message)
        except RecursionError:
            raise DecodeError("nested too deeply to be shown") from None
        unknown = printer.unknown_fields or drop_unknown_fields(message)
        return JsonValue(value, "; ".join(printer.problems), unknown, frozenset(printer.missing_types))


def format_json(value: Any) -> str:
    """JSON for people: two spaces of indentation, Unicode not escaped."""
    return msgspec.json.format(msgspec.json.encode(value), indent=2).decode()


def encode(
    value: Any, descriptor: Descriptor, resolver: TypeResolver, original: bytes | None = None
) -> bytes:
    """Encode a JSON value; raises :class:`EncodeError`, which names the field that does not fit.

    ``original`` is the message that ``value`` was decoded from before it was edited: what was not edited keeps its
    bytes, and is not validated.
    """
    if original is not None:
        return patch(original, descriptor, value, resolver)
    try:
        message = JsonEncoder(resolver).message(descriptor, value)
    except RecursionError:
        raise EncodeError("nested too deeply") from None
    return type(message).SerializePartialToString(message)
