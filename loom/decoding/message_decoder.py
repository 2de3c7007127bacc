"""Decode the messages of one method to JSON values."""

from dataclasses import dataclass
from typing import Any

from google.protobuf.descriptor import Descriptor

from loom.codec import (
    ContentType,
    DecodeError,
    JsonDecoder,
    Payload,
    TypeResolver,
    decode_payload,
    decompress,
    join_flaws,
    parse_content_type,
)
from loom.model import Direction, Message
from loom.schema import Method


@dataclass(frozen=True, slots=True)
class DecodedMessage:
    """A message's canonical JSON value, or in ``error`` why there is none or why it is not exact.

    ``data`` is the decompressed payload, None if it is no longer held or cannot be decompressed. ``descriptor`` is the
    type of ``json``. ``json_problems`` says what of it is not canonical: an Any of unknown type, whose bytes it has
    under ``@value``. ``unknown_fields``: the message has fields that ``json`` lacks, as the schema does.
    ``missing_types`` are the types of Anys that the resolver did not know.
    """

    index: int
    direction: Direction
    json: Any = None
    error: str = ""
    json_problems: str = ""
    unknown_fields: bool = False
    data: bytes | None = None
    missing_types: frozenset[str] = frozenset()
    descriptor: Descriptor | None = None


class MessageDecoder:
    """Decodes the messages of one method; without a method their error is ``problem``.

    What depends on a message type is worked out once. Not thread-safe.
    """

    def __init__(self, method: Method | None, resolver: TypeResolver, problem: str) -> None:
        self._method = method
        self._problem = problem
        self._json_decoder = JsonDecoder(resolver)

    def decode(self, message: Message) -> DecodedMessage:
        """Decode a message; nothing is raised for bad bytes."""
        index, direction = message.index, message.direction
        if message.data is None:
            return DecodedMessage(index, direction, error="its bytes are no longer held")
        descriptor = None if self._method is None else message_type(self._method, direction)
        decoded = decode_payload(payload_of(message), descriptor)
        if decoded.message is None:
            error = decoded.error or self._problem
            return DecodedMessage(index, direction, error=error, data=decoded.data)
        try:
            value = self._json_decoder.decode(decoded.message)
        except DecodeError as error:
            return DecodedMessage(index, direction, error=str(error), data=decoded.data)
        return DecodedMessage(
            index,
            direction,
            json=value.json,
            error=join_flaws(decoded.flaws),
            json_problems=value.problems,
            unknown_fields=value.unknown_fields,
            data=decoded.data,
            missing_types=value.missing_types,
            descriptor=descriptor,
        )


def message_type(method: Method, direction: Direction) -> Descriptor:
    """The type of a method's requests or responses."""
    return method.request if direction is Direction.REQUEST else method.response


def payload_of(message: Message, content_type: ContentType | None = None) -> Payload:
    """A recorded message as a payload; protobuf without a ``content_type``."""
    encoding = (content_type or parse_content_type("")).encoding
    return Payload(message.data or b"", _compression(message), encoding)


def decompress_message(message: Message) -> bytes:
    """The decompressed payload of a message; raises :class:`loom.codec.CompressionError`."""
    return decompress(message.data or b"", _compression(message))


def _compression(message: Message) -> str:
    """The compression of a message; gzip is the usual one where the call's ``grpc-encoding`` is not recorded."""
    return (message.encoding or "gzip") if message.compressed else ""
