"""DATA becomes length-prefixed messages, whatever the frames they come in.

Source: https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md ("Length-Prefixed-Message").
"""

from collections.abc import Iterator

PREFIX = 5
MAX_MESSAGE = 64 * 1024 * 1024  # a larger one passes like any other; only its size is kept

Found = tuple[int, bytes, int]
"""A message: its flag byte, its payload (empty if it was too large to keep), its size."""


class MessageReader:
    """One direction of one stream. ``held`` is how many bytes of an unfinished message are kept."""

    __slots__ = ("_flag", "_left", "_pieces", "_prefix", "_size", "held")

    def __init__(self) -> None:
        self.held = 0
        self._prefix = b""  # of a prefix that is not whole yet
        self._pieces: list[bytes] = []
        self._left = -1  # bytes of the current message that are still to come; -1 between messages
        self._size = 0
        self._flag = 0

    @property
    def unfinished(self) -> bool:
        """Whether a message has begun and not ended."""
        return self._left >= 0 or bool(self._prefix)

    def feed(self, data: bytes) -> Iterator[Found]:
        """The messages that end in these bytes."""
        if self._left < 0 and not self._prefix and len(data) >= PREFIX:
            # Nearly always: one piece, one whole message.
            size = int.from_bytes(data[1:PREFIX], "big")
            if len(data) == PREFIX + size and size <= MAX_MESSAGE:
                return iter(((data[0], data[PREFIX:], size),))
        return self._pieced(data)

    def _pieced(self, data: bytes) -> Iterator[Found]:
        position, end = 0, len(data)
        while position < end or self._left == 0:
            if self._left < 0:
                position = self._begin(data, position)
                if self._left < 0:
                    return
            taken = min(self._left, end - position)
            if taken and self._size <= MAX_MESSAGE:
                whole = taken == end and not position
                self._pieces.append(data if whole else data[position : position + taken])
                self.held += taken
            self._left -= taken
            position += taken
            if self._left == 0:
                yield self._finish()

    def _begin(self, data: bytes, position: int) -> int:
        """Read the rest of a prefix; ``_left`` stays -1 while it is not whole."""
        missing = PREFIX - len(self._prefix)
        prefix = self._prefix + data[position : position + missing]
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
