"""Decode a payload: undo its compression and parse it with its message type."""

from dataclasses import dataclass

from google.protobuf import message_factory
from google.protobuf.descriptor import Descriptor
from google.protobuf.message import DecodeError as ProtobufDecodeError
from google.protobuf.message import Message

from loom.compression import MAX_DECOMPRESSED_BYTES, CompressionError, decompress

from .content_type import PROTOBUF
from .lenient_parser import Flaw, has_unreadable_map, parse_message


class DecodeError(ValueError):
    """The bytes are not a message of this type."""


@dataclass(frozen=True, slots=True)
class Payload:
    """The bytes of a message as they were on the wire.

    ``compression`` is its ``grpc-encoding``, "" if it is not compressed; ``encoding`` that of
    :attr:`loom.codec.ContentType.encoding`.
    """

    data: bytes
    compression: str = ""
    encoding: str = PROTOBUF


@dataclass(frozen=True, slots=True)
class DecodedPayload:
    """A decompressed payload and the protobuf message in it.

    ``data`` is None if it cannot be decompressed; ``message`` is None if there is no descriptor to parse it with, if it
    is not protobuf, or if it does not parse. ``error`` says what failed, "" if nothing did. ``flaws`` are
    places of the message that are not decoded exactly; ``too_large``: the limit of the decompressed size was exceeded.
    """

    data: bytes | None
    message: Message | None = None
    error: str = ""
    flaws: tuple[Flaw, ...] = ()
    too_large: bool = False


def decode_payload(
    payload: Payload, descriptor: Descriptor | None, *, max_bytes: int = MAX_DECOMPRESSED_BYTES
) -> DecodedPayload:
    """Decompress a payload to at most ``max_bytes`` and parse it; every failure is part of the result."""
    try:
        data = decompress(payload.data, payload.compression, max_bytes)
    except CompressionError as error:
        return DecodedPayload(None, error=str(error), too_large=error.too_large)
    if descriptor is None or payload.encoding != PROTOBUF:
        return DecodedPayload(data)
    try:
        message, flaws = parse_message(data, descriptor)
    except ProtobufDecodeError as error:
        return DecodedPayload(data, error=f"not a valid {descriptor.full_name}: {error}")
    return DecodedPayload(data, message, flaws=tuple(flaws))


def parse(data: bytes, descriptor: Descriptor) -> Message:
    """Parse a message; raises :class:`DecodeError`."""
    try:
        message: Message = message_factory.GetMessageClass(descriptor).FromString(data)
    except ProtobufDecodeError as error:
        raise DecodeError(f"not a valid {descriptor.full_name}: {error}") from error
    if has_unreadable_map(message):
        raise DecodeError(f"not a valid {descriptor.full_name}: a key of a map is not valid UTF-8")
    return message
