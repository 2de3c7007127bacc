"""One gRPC message: its bytes as they passed, and what is known of them without decoding."""

import enum
from collections.abc import Iterator
from typing import ClassVar

import msgspec


class Direction(enum.StrEnum):
    """Which way a message goes; the page draws them as ↑ and ↓."""

    REQUEST = "request"
    RESPONSE = "response"


class Message(msgspec.Struct, gc=False):
    """A message of a call, numbered per call in the order in which Loom saw it.

    ``data`` is the payload without the five-byte prefix, as it was on the wire (still
    compressed if ``compressed``), or None where the budget has dropped it; ``size`` stays
    its full length in bytes. ``encoding`` names the compression (``grpc-encoding``) of a
    compressed message. ``time_ns`` is wall-clock nanoseconds.
    """

    index: int
    direction: Direction
    time_ns: int
    size: int
    data: bytes | None
    compressed: bool = False
    encoding: str = ""


class Messages(msgspec.Struct, gc=False):
    """The messages of one call that are still held: its first ones, and its newest.

    A stream may outgrow its budget; then messages go from the middle, oldest first,
    because how a stream began and what it does now are what people look for. Indices
    never change: a dropped message leaves a gap.
    """

    HEAD: ClassVar[int] = 64

    _items: list[Message] = []
    _start: int = 0  # in a trimmed stream: where in _items, after the head, the held ones begin
    _dropped: int = 0  # how many messages are gone between the head and the held ones

    def __len__(self) -> int:
        return len(self._items) - self._start

    def __iter__(self) -> Iterator[Message]:
        if not self._start:
            return iter(self._items)
        return self._iterate()

    def _iterate(self) -> Iterator[Message]:
        yield from self._items[: self.HEAD]
        for position in range(self.HEAD + self._start, len(self._items)):
            yield self._items[position]

    def append(self, message: Message) -> None:
        """Add the newest; its index is the number of messages that passed before it."""
        self._items.append(message)

    def skip(self, count: int) -> None:
        """Leave out the ``count`` messages after the head, as if they had been dropped.

        For a call that comes from a file. Raises :class:`ValueError` if a head's worth is not held, or more.
        """
        if len(self._items) != self.HEAD or self._dropped:
            raise ValueError(f"messages can be missing only once, after the first {self.HEAD}")
        self._dropped = count

    def get(self, index: int) -> Message | None:
        """The message of this index; None if it was dropped or has not been seen."""
        position = index
        if self._dropped and index >= self.HEAD:
            position = index - self._dropped + self._start
            if position < self.HEAD + self._start:
                return None
        return self._items[position] if 0 <= position < len(self._items) else None

    def gap(self) -> range:
        """The indices of the dropped messages."""
        return range(self.HEAD, self.HEAD + self._dropped)

    def page(self, start: int, limit: int) -> list[Message]:
        """At most ``limit`` held messages of index ``start`` and up."""
        found: list[Message] = []
        index = start
        end = len(self) + self._dropped
        while index < end and len(found) < limit:
            if index in self.gap():
                index = self.gap().stop
                continue
            message = self.get(index)
            if message is not None:
                found.append(message)
            index += 1
        return found

    def drop_oldest(self) -> Message | None:
        """Let go of the oldest message after the head; None when there is none to spare."""
        position = self.HEAD + self._start
        if position >= len(self._items):
            return None
        message = self._items[position]
        self._start += 1
        self._dropped += 1
        if self._start > 1024 and self._start * 2 > len(self._items):  # noqa: PLR2004 (amortised: constant per drop)
            del self._items[self.HEAD : self.HEAD + self._start]
            self._start = 0
        else:
            self._items[position] = self._items[0]  # let the bytes go now
        return message
