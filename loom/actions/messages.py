"""A call's messages as values that actions work on: decompressed, decoded, or with the reason why not."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from loom.codec import CompressionError, DecodeError, decode, decompress
from loom.model import Call, Direction, Message
from loom.schema import Method

_INLINE_BYTES = 16 * 1024
_CHUNK_BYTES = 1024 * 1024


@dataclass(frozen=True, slots=True)
class DecodedMessage:
    """``json`` is the canonical protobuf JSON value, or ``error`` says why there is none.

    ``data`` is the payload decompressed, None where it is not held; ``unknown`` tells that it has fields
    which the schema does not know and which ``json`` therefore lacks.
    """

    index: int
    direction: Direction
    json: Any = None
    error: str = ""
    unknown: bool = False
    data: bytes | None = None


async def decoded_messages(
    call: Call, method: Method | None, *, direction: Direction | None = None, problem: str = "no schema"
) -> list[DecodedMessage]:
    """The held messages of a call (of one direction) in order.

    ``problem`` is the error of every message where there is no ``method``. More than a little is decoded in
    a thread, piece by piece, so that traffic gets its turn.
    """
    wanted = [item for item in call.messages if direction is None or item.direction is direction]
    if sum(item.size for item in wanted) <= _INLINE_BYTES:
        return decode_all(wanted, method, problem)
    decoded: list[DecodedMessage] = []
    piece: list[Message] = []
    size = 0
    for item in wanted:
        piece.append(item)
        size += item.size + 256
        if size >= _CHUNK_BYTES:
            decoded += await asyncio.to_thread(decode_all, piece, method, problem)
            piece, size = [], 0
    return decoded + await asyncio.to_thread(decode_all, piece, method, problem)


def decode_all(messages: Sequence[Message], method: Method | None, problem: str) -> list[DecodedMessage]:
    """These messages, decoded here and now."""
    return [_decode(message, method, problem) for message in messages]


def _decode(message: Message, method: Method | None, problem: str) -> DecodedMessage:
    where = (message.index, message.direction)
    if message.data is None:
        return DecodedMessage(*where, error="its bytes are no longer held")
    try:
        data = plain(message)
    except CompressionError as error:
        return DecodedMessage(*where, error=str(error))
    if method is None:
        return DecodedMessage(*where, error=problem, data=data)
    descriptor = method.request if message.direction is Direction.REQUEST else method.response
    try:
        decoded = decode(data, descriptor, method.pool)
    except DecodeError as error:
        return DecodedMessage(*where, error=str(error), data=data)
    return DecodedMessage(
        *where, json=decoded.json, error=decoded.json_error, unknown=decoded.unknown, data=data
    )


def plain(message: Message) -> bytes:
    """The payload without its compression; :class:`loom.codec.CompressionError` if it cannot be undone."""
    data = message.data or b""
    return decompress(data, message.encoding or "gzip") if message.compressed else data
