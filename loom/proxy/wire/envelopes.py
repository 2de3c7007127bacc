"""Parses length-prefixed messages (Connect calls them envelopes) from DATA, however it is split into frames.

Source: https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md ("Length-Prefixed-Message").
"""

from collections.abc import Sequence
from struct import Struct

import msgspec

from loom.model import Direction, MessageSeen

from .frames import VIEW_SIZE, Piece

PREFIX_SIZE = 5
COMPRESSED = 1  # a flag
PIECE_COST = 64  # bytes that storing a piece takes besides its content, which dominates in small ones

_unpack_prefix = Struct(">BI").unpack_from  # flags, length

Envelope = tuple[int, bytes, int]
"""A message: its flags, its payload (empty if it was too large to keep), its size in bytes."""


def message_event(
    call_id: int, now: int, direction: Direction, envelope: Envelope, encoding: str
) -> MessageSeen:
    """The event of a message, of which ``encoding`` is that of its compression, if it is compressed."""
    flags, payload, size = envelope
    compressed = bool(flags & COMPRESSED)
    lost = size if size != len(payload) else None
    return MessageSeen(call_id, now, direction, payload, compressed, encoding if compressed else "", lost)


def single_payload(data: Piece, max_size: int) -> bytes | None:
    """The payload, if ``data`` is exactly one uncompressed message: the usual case, without a parser."""
    length = len(data) - PREFIX_SIZE
    if not 0 <= length <= max_size or _unpack_prefix(data) != (0, length):
        return None
    payload = data[PREFIX_SIZE:]
    return payload if type(payload) is bytes else bytes(payload)


class EnvelopeParser(msgspec.Struct, gc=False):
    """One direction of one stream. ``buffered`` is the size of an unfinished message in bytes.

    A message of more than ``max_size`` bytes is parsed, but its payload is not kept.
    """

    max_size: int
    buffered: int = 0
    _prefix: bytes = b""  # an incomplete prefix
    _pieces: list[Piece] = []
    _missing: int = -1  # bytes that the current message lacks; -1 between messages
    _size: int = 0
    _flags: int = 0

    @property
    def unfinished(self) -> bool:
        """Whether a message has started and not ended."""
        return self._missing >= 0 or bool(self._prefix)

    def feed(self, data: Piece) -> Sequence[Envelope]:
        """Parse bytes; return the messages that they complete."""
        size = len(data)
        if not size:
            return ()  # empty frames cost their sender nothing, and must not accumulate here
        if self._missing < 0:
            if not self._prefix and size >= PREFIX_SIZE:
                # The usual case: one piece, one message.
                length = int.from_bytes(data[1:PREFIX_SIZE], "big")
                if size == PREFIX_SIZE + length and length <= self.max_size:
                    return ((data[0], bytes(data[PREFIX_SIZE:]), length),)
        elif size < self._missing:
            # A piece from the middle of a large message.
            self._missing -= size
            if self._size <= self.max_size:
                self._pieces.append(data)
                self.buffered += size + PIECE_COST
            return ()
        return self._feed_pieces(data, size)

    def _feed_pieces(self, data: Piece, end: int) -> list[Envelope]:
        envelopes: list[Envelope] = []
        position = 0
        while position < end or self._missing == 0:
            if self._missing < 0:
                position = self._feed_prefix(data, position)
                if self._missing < 0:
                    break
            size = min(self._missing, end - position)
            if size and self._size <= self.max_size:
                piece = data[position : position + size]
                # A small view would keep its whole chunk alive.
                self._pieces.append(piece if size > VIEW_SIZE else bytes(piece))
                self.buffered += size + PIECE_COST
            self._missing -= size
            position += size
            if self._missing == 0:
                envelopes.append(self._finish())
        return envelopes

    def _feed_prefix(self, data: Piece, position: int) -> int:
        """Complete the prefix if possible, and return the position behind it; else ``_missing`` stays -1."""
        missing = PREFIX_SIZE - len(self._prefix)
        prefix = self._prefix + bytes(data[position : position + missing])
        if len(prefix) < PREFIX_SIZE:
            self._prefix = prefix
            return len(data)
        self._prefix = b""
        self._flags = prefix[0]
        self._missing = self._size = int.from_bytes(prefix[1:], "big")
        return position + missing

    def _finish(self) -> Envelope:
        payload = b"".join(self._pieces)
        self._pieces = []
        self.buffered = 0
        self._missing = -1
        return self._flags, payload, self._size
