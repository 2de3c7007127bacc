"""One gRPC message, not decoded, and the messages of a call."""

import enum
from collections.abc import Iterator

import msgspec


class Direction(enum.StrEnum):
    """The direction of a message; the page draws them as ↑ and ↓."""

    REQUEST = "request"
    RESPONSE = "response"


class Message(msgspec.Struct, gc=False):
    """A message of a call, numbered per call in the order in which Loom saw them.

    ``data`` is the payload without the five-byte prefix, as on the wire (still compressed if ``compressed``), or None
    if it was dropped; ``size`` is its full length in bytes in any case. ``encoding`` is the compression
    (``grpc-encoding``) of a compressed message. ``time_ns`` is wall-clock nanoseconds.
    """

    index: int
    direction: Direction
    time_ns: int
    size: int
    data: bytes | None
    compressed: bool = False
    encoding: str = ""


HEAD = 64
"""How many messages of a stream's beginning are kept while others can be dropped."""

_DROPPED = Message(
    -1, Direction.REQUEST, 0, 0, None
)  # in the place of a dropped message until the list is compacted
_COMPACT_FROM = 64  # dropped messages; compacting when they are also half of the list is amortised O(1)


class Messages(msgspec.Struct, gc=False):
    """The messages of one call that are still in memory: a head, and the newest.

    A stream may outgrow its budget; then messages are dropped from the middle, oldest first, because how a stream
    began and what it does now are what people look for. The head, at first of :data:`HEAD` messages, becomes smaller
    only where nothing but the newest message is left beside it.

    Indices never change: dropped messages leave one gap, after the head.
    """

    _items: list[Message] = []
    _head: int = HEAD  # how many messages are ahead of the gap, where there is one
    _start: int = 0  # how many items after the head stand for dropped messages
    _dropped: int = 0  # how many messages are in the gap

    def __len__(self) -> int:
        return len(self._items) - self._start

    def __iter__(self) -> Iterator[Message]:
        if not self._start:
            return iter(self._items)
        return self._iterate()

    def _iterate(self) -> Iterator[Message]:
        yield from self._items[: self._head]
        for position in range(self._head + self._start, len(self._items)):
            yield self._items[position]

    @property
    def has_middle(self) -> bool:
        """Whether there are messages between the head and the newest."""
        return len(self._items) > self._head + self._start + 1

    def append(self, message: Message) -> None:
        """Add the newest; its index is the number of messages that passed before it."""
        self._items.append(message)

    def skip(self, count: int) -> None:
        """Leave a gap of ``count`` messages here, as if they had been dropped: for a call that comes from a file.

        Raises :class:`ValueError` if there is a gap already, or no head ends here.
        """
        if self._dropped or len(self._items) > HEAD:
            raise ValueError(f"messages can be missing only once, after at most the first {HEAD}")
        self._head = len(self._items)
        self._dropped = count

    def get(self, index: int) -> Message | None:
        """The message of this index; None if it was dropped or does not exist."""
        position = index
        if index >= self._head:
            position += self._start - self._dropped
            if position < self._head + self._start:
                return None
        return self._items[position] if 0 <= position < len(self._items) else None

    def gap(self) -> range:
        """The indices of the dropped messages."""
        return range(self._head, self._head + self._dropped)

    def page(self, start: int, limit: int) -> list[Message]:
        """At most ``limit`` messages of index ``start`` and up."""
        messages: list[Message] = []
        index = start
        end = len(self) + self._dropped
        gap = self.gap()
        while index < end and len(messages) < limit:
            if index in gap:
                index = gap.stop
                continue
            message = self.get(index)
            if message is not None:
                messages.append(message)
            index += 1
        return messages

    def drop(self) -> Message | None:
        """Drop the oldest message between the head and the newest, else the last of the head, else the newest.

        Returns it, or None if none are left. Amortised O(1).
        """
        items = self._items
        if len(items) <= self._head and not self._dropped:  # all of them are in the head
            if not items:
                return None
            self._head = len(items) - 1
        first = self._head + self._start
        if self._head and len(items) - first <= 1:
            self._head = first = self._head - 1
        elif first >= len(items):
            return None
        message = items[first]
        items[first] = _DROPPED
        self._start += 1
        self._dropped += 1
        if self._start > _COMPACT_FROM and self._start * 2 > len(items):
            del items[self._head : self._head + self._start]
            self._start = 0
        return message
