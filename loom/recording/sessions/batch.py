"""The events of one row of the database: packed as they come, compressed when they are written."""

import logging
import sys
from collections.abc import Iterator, Sequence

import msgspec
import zstandard
from msgspec import structs

from loom.model import CallEnded, CallStarted, MessageSeen

from .records import Record

_log = logging.getLogger(__name__)

_UNPACKABLE = (UnicodeError, TypeError, OverflowError)  # text that is no Unicode, above all
_ARRAY = b"\xdd"  # MessagePack: an array, whose length is in the next four bytes
_NO_BYTES = b"\xc4\0"
_LARGE = 16 * 1024  # bytes of a message that is not copied
_FEW = 4  # calls that came together: with more, their messages are small
_HEAD = 5
_LEVEL = 1

_encoder = msgspec.msgpack.Encoder()

Piece = bytes | memoryview


class Batch:
    """Events that become one row, and what its other columns and ``spans`` say of them.

    It takes ``limit`` bytes of packed events at most. What is not needed for each event is worked out by whoever
    writes the row.
    """

    __slots__ = (
        "_began",
        "_ended",
        "_first_ns",
        "_last",
        "_packed",
        "_parts",
        "_size",
        "_went_on",
        "limit",
        "methods",
    )

    def __init__(self, limit: int = sys.maxsize) -> None:
        self.limit = limit
        self.methods: set[str] = set()  # of the calls that began in it
        self._packed: list[Piece] = []
        self._parts = 0
        self._size = 0
        self._began: list[int] = []
        self._went_on: list[int] = []
        self._ended = 0
        self._first_ns = 0
        self._last: Record | None = None

    def __len__(self) -> int:
        """The bytes of its events, packed; 0 while there are none."""
        return self._size

    def add(self, calls: Sequence[Sequence[Record]]) -> bool:
        """Add events of calls, each call's in their order.

        False, and nothing is added, if there is no room for them.
        """
        packed = pack(calls)
        size = self._size + sum(map(len, packed))
        if size > self.limit:
            return False
        if not self._size:
            self._first_ns = calls[0][0].time_ns
        self._size = size
        self._packed += packed
        self._parts += len(calls)
        for events in calls:
            first = events[0]
            if type(first) is CallStarted:
                self._began.append(first.call_id)
                self.methods.add(first.method)
            else:
                self._went_on.append(first.call_id)
            if type(events[-1]) is CallEnded:
                self._ended += 1
        self._last = calls[-1][-1]
        return True

    @property
    def started(self) -> int:
        """How many calls began in it."""
        return len(self._began)

    @property
    def ended(self) -> int:
        """How many calls ended in it."""
        return self._ended

    @property
    def ids(self) -> tuple[int | None, int | None]:
        """The smallest and the largest id of the calls that began in it."""
        return min(self._began, default=None), max(self._began, default=None)

    @property
    def times(self) -> tuple[int, int]:
        """When its first and its last event were, in nanoseconds."""
        return self._first_ns, self._first_ns if self._last is None else self._last.time_ns

    @property
    def went_on(self) -> set[int]:
        """The calls with events in it that began in an earlier one."""
        return set(self._went_on).difference(self._began)

    def row(self, compressor: zstandard.ZstdCompressor) -> bytes:
        """What the column ``events`` holds."""
        stream = compressor.compressobj(size=_HEAD + self._size)
        made = [stream.compress(_ARRAY + self._parts.to_bytes(4, "big"))]
        made += [
            stream.compress(part) for part in self._packed
        ]  # joined first, they would hold the interpreter
        made.append(stream.flush())
        return b"".join(made)


def compressor() -> zstandard.ZstdCompressor:
    """For one thread at a time; making one costs more than using it."""
    return zstandard.ZstdCompressor(
        level=_LEVEL, write_checksum=True
    )  # bytes that were damaged are not shown for genuine


def pack(calls: Sequence[Sequence[Record]]) -> Sequence[Piece]:
    """Parts of a batch, one for each call, as :mod:`.records` has them, in pieces that follow each other.

    An event that cannot be packed is left out, alone, and told. Large messages are not copied: they are pieces.
    """
    try:
        if len(calls) <= _FEW and _have_large(calls):
            return [piece for events in calls for piece in _around_messages(events)]
        return (memoryview(_encoder.encode(calls))[len(_array(len(calls))) :],)
    except _UNPACKABLE:
        return [_encoder.encode(_packable(events)) for events in calls]


def _have_large(calls: Sequence[Sequence[Record]]) -> bool:
    for events in calls:
        for event in events:
            if type(event) is MessageSeen and len(event.data) > _LARGE:
                return True
    return False


def _around_messages(events: Sequence[Record]) -> Iterator[Piece]:
    """A part in which the bytes of large messages are pieces of their own."""
    yield _array(len(events))
    for event in events:
        if type(event) is not MessageSeen or len(event.data) <= _LARGE:
            yield _encoder.encode(event)
            continue
        # MessagePack has the length of bytes in front of them. Behind them come a boolean, a name and None, in which
        # what stands for no bytes cannot occur.
        before, after = _encoder.encode(structs.replace(event, data=b"", lost=None)).rsplit(_NO_BYTES, 1)
        size = len(event.data)
        yield before + (
            b"\xc5" + size.to_bytes(2, "big") if size < 1 << 16 else b"\xc6" + size.to_bytes(4, "big")
        )
        yield event.data
        yield after


def _array(length: int) -> bytes:
    """What comes before the items of an array of this length."""
    if length < 16:  # noqa: PLR2004 (MessagePack's own limits, here and below)
        return bytes([0x90 | length])
    if length < 1 << 16:
        return b"\xdc" + length.to_bytes(2, "big")
    return _ARRAY + length.to_bytes(4, "big")


def _packable(events: Sequence[Record]) -> list[Record]:
    kept = []
    for event in events:
        try:
            _encoder.encode(event)
        except _UNPACKABLE as error:
            _log.warning("an event of call %s cannot be kept: %s", event.call_id, error)
            continue
        kept.append(event)
    return kept
