"""Length-prefixed MessagePack: four bytes of length, big-endian, then the message."""

import asyncio
from typing import Any, BinaryIO

import msgspec

_PREFIX = 4

_encoder = msgspec.msgpack.Encoder()


def encode_frame(message: Any) -> bytes:
    """Encode a message as MessagePack with its length before it."""
    body = _encoder.encode(message)
    return len(body).to_bytes(_PREFIX, "big") + body


def read_frame(stream: BinaryIO) -> bytes:
    """Read the body of the next message, blocking. Raises :class:`EOFError` if the stream ends before it does."""
    return _read(stream, int.from_bytes(_read(stream, _PREFIX), "big"))


def _read(stream: BinaryIO, size: int) -> bytes:
    data = stream.read(size)
    if len(data) < size:
        raise EOFError
    return data


async def receive_frame(reader: asyncio.StreamReader) -> bytes:
    """Read the body of the next message.

    Raises :class:`asyncio.IncompleteReadError`, an :class:`EOFError`, if the stream ends before it does.
    """
    return await reader.readexactly(int.from_bytes(await reader.readexactly(_PREFIX), "big"))
