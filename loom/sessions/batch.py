"""The events of one row of the database: packed as they come, compressed when they are written."""

import logging
import sys
from collections.abc import Iterator, Sequence

import msgspec
import zstandard
from msgspec import structs

from loom.model import CallEnded, CallStarted, MessageSeen, StoredEvent

_log = logging.getLogger(__name__)

_UNPACKABLE = (UnicodeError, TypeError, OverflowError)  # text that is no Unicode, above all
_ARRAY = b"\xdd"  # MessagePack: an array, whose length is in the next four bytes
_HEAD = len(_ARRAY) + 4
_NO_BYTES = b"\xc4\0"
_TO_BE_KNOWN = b"\x91"  # an array of one
_LARGE = 16 * 1024  # bytes of a message that is not copied, and kept once
_USUAL = 1024  # bytes of a part; a group that takes no more for each is not searched for large messages
_WARY = 16  # groups
_USUAL_BATCH = 1024 * 1024  # bytes; what zstd chooses the window for
_LEVEL = 1
# A table of 4096 places stays in the processor's nearest cache: quicker by a tenth to a sixth than the level's own, and
# events, which repeat in long pieces, become no larger for it.
_TABLE_BITS = 12
_REPEATED = 6  # bytes that have to repeat to be looked at

_encoder = msgspec.msgpack.Encoder()
_pack = _encoder.encode
_pack_into = _encoder.encode_into  # in half the time: it writes behind what there is, instead of growing anew
_AT_END = -1

Piece = bytes | bytearray


class Batch:
    """Events that become one row, and what its other columns and ``spans`` say of them.

    It takes ``limit`` bytes of packed events at most. What is not needed for each event is worked out by whoever
    writes the row.
    """

    __slots__ = (
        "_began",
        "_first_ns",
        "_front",
        "_groups",
        "_known",
        "_last",
        "_packed",
        "_pieces",
        "ended",
        "limit",
        "methods",
        "size",
        "wary",
        "went_on",
    )

    def __init__(self, limit: int = sys.maxsize, wary: int = 0) -> None:
        self.limit = limit
        self.wary = wary  # groups before which large messages are looked for, because there were some
        self.size = 0  # bytes of its events, packed; 0 while there are none
        self.methods: set[str] = set()  # of the calls that began in it
        self.ended = 0  # how many calls ended in it
        self.went_on: set[int] = set()  # the calls with events in it that began in an earlier one
        self._pieces: list[Piece] = []  # up to the last large message: every second one is its bytes
        self._front = self._packed = bytearray(_HEAD)  # what is being packed comes behind them
        self._groups = 0
        self._known: dict[int, bytes] = {}  # by size, the last large message that is in it
        self._began: set[int] = set()
        self._first_ns = 0
        self._last: StoredEvent | None = None

    def add(self, calls: Sequence[Sequence[StoredEvent]]) -> bool:
        """Add a group of calls' events that have come together, each call's in their order.

        False, and nothing is added, if there is no room for them: then it is full.
        """
        if not self.wary or not _have_large(calls):
            self.wary = max(self.wary - 1, 0)
            before = len(self._packed)
            self._pack(calls)
            size = len(self._packed) - before
            if size <= _LARGE + _USUAL * len(calls) or not _have_large(calls):
                if self.size + size > self.limit:
                    del self._packed[before:]
                    return False
                self._count(calls, size)
                return True
            del self._packed[before:]
        # One large message is seldom the only one, and looking for them costs less than copying one.
        self.wary = _WARY
        return self._add_large(calls)

    def _pack(self, calls: Sequence[Sequence[StoredEvent]]) -> None:
        """Append a group. An event that cannot be packed is left out, alone, and told."""
        packed = self._packed
        before = len(packed)
        try:
            _pack_into(calls, packed, _AT_END)
        except _UNPACKABLE:
            del packed[before:]
            _pack_into([_packable(events) for events in calls], packed, _AT_END)

    def _add_large(self, calls: Sequence[Sequence[StoredEvent]]) -> bool:
        """The same for a group with large messages, which become pieces of their own; of those that the batch has
        already, only the size is said (see :mod:`.records`)."""
        known = self._known
        self._known = known.copy()
        try:
            first, *more = _around_messages([self._told_once(events) for events in calls])
        except _UNPACKABLE:
            self._known = known  # what is in there is in the batch
            first, more = bytearray(_pack([_packable(events) for events in calls])), []
        size = len(first) + sum(map(len, more))
        if self.size + size > self.limit:
            self._known = known
            return False
        self._packed += first
        if more:
            self._pieces += [self._packed, *more[:-1]]
            self._packed = bytearray(more[-1])
        self._count(calls, size)
        return True

    def _told_once(self, events: Sequence[StoredEvent]) -> Sequence[StoredEvent]:
        """These events, of which a large message that is as the last one of its size holds that instead of bytes."""
        told: list[StoredEvent] = []
        for event in events:
            if type(event) is MessageSeen and len(event.data) > _LARGE:
                size = len(event.data)
                if self._known.get(size) == event.data:
                    told.append(structs.replace(event, data=size))
                    continue
                self._known[size] = event.data
            told.append(event)
        return told

    def _count(self, calls: Sequence[Sequence[StoredEvent]], size: int) -> None:
        if not self.size:
            self._first_ns = calls[0][0].time_ns
        self.size += size
        self._groups += 1
        began = self._began
        ended = 0
        for events in calls:
            first = events[0]
            if type(first) is CallStarted:
                began.add(first.call_id)
                self.methods.add(first.method)
            elif first.call_id not in began:
                self.went_on.add(first.call_id)
            if type(events[-1]) is CallEnded:
                ended += 1
        self.ended += ended
        self._last = calls[-1][-1]

    @property
    def started(self) -> int:
        """How many calls began in it."""
        return len(self._began)

    @property
    def ids(self) -> tuple[int | None, int | None]:
        """The smallest and the largest id of the calls that began in it."""
        return min(self._began, default=None), max(self._began, default=None)

    @property
    def times(self) -> tuple[int, int]:
        """When its first and its last event were, in nanoseconds."""
        return self._first_ns, self._first_ns if self._last is None else self._last.time_ns

    def row(self, compressor: zstandard.ZstdCompressor) -> bytes:
        """What the column ``events`` holds."""
        self._front[:_HEAD] = _ARRAY + self._groups.to_bytes(4, "big")
        if not self._pieces:
            return compressor.compress(self._packed)  # at once takes less than piece by piece
        pieces = [*self._pieces, self._packed]
        stream = compressor.compressobj(size=_HEAD + self.size)
        made = [stream.compress(piece) for piece in pieces]  # joined first, they would hold the interpreter
        made.append(stream.flush())
        return b"".join(made)


def compressor() -> zstandard.ZstdCompressor:
    """For one thread at a time; making one costs more than using it."""
    parameters = zstandard.ZstdCompressionParameters.from_level(
        _LEVEL,
        hash_log=_TABLE_BITS,
        min_match=_REPEATED,
        source_size=_USUAL_BATCH,
        write_checksum=True,  # bytes that were damaged are not shown for genuine
    )
    return zstandard.ZstdCompressor(compression_params=parameters)


def _have_large(calls: Sequence[Sequence[StoredEvent]]) -> bool:
    for events in calls:
        for event in events:
            if type(event) is MessageSeen and len(event.data) > _LARGE:
                return True
    return False


def _around_messages(calls: Sequence[Sequence[StoredEvent]]) -> Iterator[Piece]:
    """A group in pieces that follow each other: every second one is the bytes of a large message."""
    packed = bytearray(_array(len(calls)))
    for events in calls:
        packed += _array(len(events))
        for event in events:
            if type(event) is not MessageSeen or type(event.data) is not bytes or len(event.data) <= _LARGE:
                packed += _pack(event)
                continue
            # MessagePack has the length of bytes in front of them. Behind them come a boolean, a name and None, in
            # which what stands for no bytes cannot occur.
            before, after = _pack(structs.replace(event, data=b"", lost=None)).rsplit(_NO_BYTES, 1)
            size = len(event.data)
            packed += before + _TO_BE_KNOWN
            packed += (
                b"\xc5" + size.to_bytes(2, "big") if size < 1 << 16 else b"\xc6" + size.to_bytes(4, "big")
            )
            yield packed
            yield event.data
            packed = bytearray(after)
    yield packed


def _array(length: int) -> bytes:
    """What comes before the items of an array of this length."""
    if length < 16:  # noqa: PLR2004 (MessagePack's own limits, here and below)
        return bytes([0x90 | length])
    if length < 1 << 16:
        return b"\xdc" + length.to_bytes(2, "big")
    return _ARRAY + length.to_bytes(4, "big")


def _packable(events: Sequence[StoredEvent]) -> list[StoredEvent]:
    kept = []
    for event in events:
        try:
            _pack(event)
        except _UNPACKABLE as error:
            _log.warning("an event of call %s cannot be kept: %s", event.call_id, error)
            continue
        kept.append(event)
    return kept
