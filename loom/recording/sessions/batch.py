"""The events of one row of the database: packed as they come, compressed when they are written."""

import logging
import sys
from collections.abc import Sequence

import msgspec
import zstandard

from loom.model import CallEnded, CallStarted

from .records import Record

_log = logging.getLogger(__name__)

_UNPACKABLE = (UnicodeError, TypeError, OverflowError)  # text that is no Unicode, above all
_ARRAY = b"\xdd"  # of MessagePack: an array whose length is in the next four bytes
_LEVEL = 1

_encoder = msgspec.msgpack.Encoder()


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
        self._packed: list[bytes | memoryview] = []
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
        size = self._size + len(packed)
        if size > self.limit:
            return False
        if not self._size:
            self._first_ns = calls[0][0].time_ns
        self._size = size
        self._packed.append(packed)
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
        head = _ARRAY + self._parts.to_bytes(4, "big")
        return compressor.compress(b"".join((head, *self._packed)))


def compressor() -> zstandard.ZstdCompressor:
    """For one thread at a time; making one costs more than using it."""
    return zstandard.ZstdCompressor(level=_LEVEL)


def pack(calls: Sequence[Sequence[Record]]) -> bytes | memoryview:
    """Parts of a batch, one for each call, as :mod:`.records` has them.

    An event that cannot be packed is left out, alone, and told.
    """
    try:
        return memoryview(_encoder.encode(calls))[_head(len(calls)) :]
    except _UNPACKABLE:
        return b"".join(_encoder.encode(_packable(events)) for events in calls)


def _head(length: int) -> int:
    """The bytes before the first item of an array of this length."""
    return 1 if length < 16 else 3 if length < 1 << 16 else 5  # noqa: PLR2004 (MessagePack's own limits)


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
