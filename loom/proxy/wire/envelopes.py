"""DATA becomes length-prefixed messages, whatever the frames they come in.

Source: https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md ("Length-Prefixed-Message").
"""

from collections.abc import Sequence
from struct import Struct

import msgspec

from .frames import LARGE, Piece

PREFIX = 5
PIECE_COST = 64  # bytes that keeping a piece takes beside the piece itself: small ones cost the most
MAX_MESSAGE = 64 * 1024 * 1024  # a larger one passes like any other; only its size is kept

_prefix = Struct(">BI").unpack_from  # flag, length

Found = tuple[int, bytes, int]
"""A message: its flag byte, its payload (empty if it was too large to keep), its size."""


def whole(data: Piece) -> bytes | None:
    """The payload, where these bytes are one message that is not compressed: as most are, and quicker than a reader."""
    length = len(data) - PREFIX
    if not 0 <= length <= MAX_MESSAGE or _prefix(data) != (0, length):
        return None
    payload = data[PREFIX:]
    return payload if type(payload) is bytes else bytes(payload)


class MessageReader(msgspec.Struct, gc=False):
    """One direction of one stream. ``held`` is how many bytes an unfinished message takes."""

    held: int = 0
    _prefix: bytes = b""  # of a prefix that is not whole yet
    _pieces: list[Piece] = []
    _left: int = -1  # bytes of the current message that are still to come; -1 between messages
    _size: int = 0
    _flag: int = 0

    @property
    def unfinished(self) -> bool:
        """Whether a message has begun and not ended."""
        return self._left >= 0 or bool(self._prefix)

    def feed(self, data: Piece) -> Sequence[Found]:
        """The messages that end in these bytes."""
        size = len(data)
        if not size:
            return ()  # empty frames cost their sender nothing, and must not pile up here
        if self._left < 0:
            if not self._prefix and size >= PREFIX:
                # Nearly always: one piece, one whole message.
                length = int.from_bytes(data[1:PREFIX], "big")
                if size == PREFIX + length and length <= MAX_MESSAGE:
                    return ((data[0], bytes(data[PREFIX:]), length),)
        elif size < self._left:
            # In a large message: one more piece from its middle.
            self._left -= size
            if self._size <= MAX_MESSAGE:
                self._pieces.append(data)
                self.held += size + PIECE_COST
            return ()
        return self._pieced(data, size)

    def _pieced(self, data: Piece, end: int) -> list[Found]:
        found: list[Found] = []
        position = 0
        while position < end or self._left == 0:
            if self._left < 0:
                position = self._begin(data, position)
                if self._left < 0:
                    break
            taken = min(self._left, end - position)
            if taken and self._size <= MAX_MESSAGE:
                piece = data[position : position + taken]
                # A small view would keep the whole chunk that it looks into.
                self._pieces.append(piece if taken > LARGE else bytes(piece))
                self.held += taken + PIECE_COST
            self._left -= taken
            position += taken
            if self._left == 0:
                found.append(self._finish())
        return found

    def _begin(self, data: Piece, position: int) -> int:
        """Read the rest of a prefix; ``_left`` stays -1 while it is not whole."""
        missing = PREFIX - len(self._prefix)
        prefix = self._prefix + bytes(data[position : position + missing])
        if len(prefix) < PREFIX:
            self._prefix = prefix
            return len(data)
        self._prefix = b""
        self._flag = prefix[0]
        self._left = self._size = int.from_bytes(prefix[1:], "big")
        return position + missing

    def _finish(self) -> Found:
        payload = b"".join(self._pieces)
        self._pieces = []
        self.held = 0
        self._left = -1
        return self._flag, payload, self._size
