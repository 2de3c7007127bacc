"""The events of one row of the database: encoded as they are emitted, compressed when they are written."""

import logging
import sys
from collections.abc import Iterator, Sequence

import msgspec
import zstandard
from msgspec import structs

from loom.model import CallEnded, CallStarted, MessageSeen, StoredEvent

from .event_codec import unpack

_log = logging.getLogger(__name__)

DEFAULT_LARGE_MESSAGE = 16 * 1024
"""Bytes of a message past which it is not copied, and stored once per batch."""

LARGE_SEARCH_GROUPS = 16
"""Groups that are searched for large messages before they are encoded, after one that had some."""

_ENCODE_ERRORS = (
    UnicodeError,
    TypeError,
    OverflowError,
)  # text that is not Unicode, above all; integers past 64 bits
_ARRAY = b"\xdd"  # MessagePack: an array, whose length is in the next four bytes
_HEADER_SIZE = len(_ARRAY) + 4
_EMPTY_BYTES = b"\xc4\0"
_ARRAY_OF_ONE = b"\x91"
_USUAL_PART = 1024  # bytes; a group whose parts are no larger on average is not searched for large messages
_USUAL_BATCH = 1024 * 1024  # bytes; what zstd chooses the window for
_COMPRESSION_LEVEL = 1
# A table of 4096 entries stays in the processor's nearest cache: a tenth to a sixth faster than the level's own, and
# events, which repeat in long runs, become no larger for it.
_HASH_LOG = 12
_MIN_MATCH = 6  # bytes

_encoder = msgspec.msgpack.Encoder()
_encode = _encoder.encode
_encode_into = (
    _encoder.encode_into
)  # takes half the time: it appends to a buffer instead of growing a new one
_AT_END = -1

Group = Sequence[Sequence[StoredEvent]]
"""Events of calls that were emitted together, each call's in their order."""

_Piece = bytes | bytearray


class Batch:
    """Events that become one row, and what its other columns and ``spans`` say of them.

    It takes at most ``limit`` bytes of encoded events. Columns that need not be known per event are computed when the
    row is written.
    """

    __slots__ = (
        "_buffer",
        "_first_buffer",
        "_first_ns",
        "_groups",
        "_large_message",
        "_large_messages",
        "_last_event",
        "_pieces",
        "_started_ids",
        "continued_ids",
        "dropped_events",
        "ended",
        "large_search",
        "limit",
        "methods",
        "size",
    )

    def __init__(
        self,
        limit: int = sys.maxsize,
        *,
        large_search: int = 0,
        large_message: int = DEFAULT_LARGE_MESSAGE,
    ) -> None:
        self.limit = limit
        self.large_search = (
            large_search  # groups still to be searched for large messages before they are encoded
        )
        self.size = 0  # bytes of encoded events; 0 while there are none
        self.methods: set[str] = set()  # of the calls that started in it
        self.ended = 0  # how many calls ended in it
        self.continued_ids: set[int] = set()  # calls with events in it that started in an earlier batch
        self.dropped_events = 0  # events that could not be encoded
        self._large_message = large_message
        self._pieces: list[_Piece] = []  # up to the last large message: every second one is a message's bytes
        self._first_buffer = self._buffer = bytearray(_HEADER_SIZE)  # to which events are appended
        self._groups = 0
        self._large_messages: dict[int, bytes] = {}  # by size, the last one that is in the batch
        self._started_ids: set[int] = set()
        self._first_ns = 0
        self._last_event: StoredEvent | None = None

    def add(self, group: Group) -> bool:
        """Add a group; False, and nothing is added, where the batch is too full for it."""
        if not self.large_search or not self._has_large(group):
            self.large_search = max(self.large_search - 1, 0)
            before = len(self._buffer)
            encoded = self._append(group)
            size = len(self._buffer) - before
            if size <= self._large_message + _USUAL_PART * len(group) or not self._has_large(group):
                if self.size + size > self.limit:
                    del self._buffer[before:]
                    return False
                self._count(group, encoded, size)
                return True
            del self._buffer[before:]
        # One large message is seldom the only one, and searching for them costs less than copying one.
        self.large_search = LARGE_SEARCH_GROUPS
        return self._add_large(group)

    def _append(self, group: Group) -> Group:
        """Encode a group to the buffer; return the group, without the events that cannot be encoded."""
        buffer = self._buffer
        before = len(buffer)
        try:
            _encode_into(group, buffer, _AT_END)
        except _ENCODE_ERRORS:
            del buffer[before:]
            group = _encodable(group)
            if group:
                _encode_into(group, buffer, _AT_END)
        return group

    def _add_large(self, group: Group) -> bool:
        """Add a group with large messages, which become pieces of their own.

        Of those that are in the batch already only the size is stored (see :mod:`.event_codec`).
        """
        before = self._large_messages
        self._large_messages = before.copy()
        encoded = group
        try:
            first, *more = self._split([self._deduplicate(events) for events in group])
        except _ENCODE_ERRORS:
            self._large_messages = before  # what is in there is in the batch
            encoded = _encodable(group)
            first, more = bytearray(_encode(encoded) if encoded else b""), []
        size = len(first) + sum(map(len, more))
        if self.size + size > self.limit:
            self._large_messages = before
            return False
        self._buffer += first
        if more:
            self._pieces += [self._buffer, *more[:-1]]
            self._buffer = bytearray(more[-1])
        self._count(group, encoded, size)
        return True

    def _deduplicate(self, events: Sequence[StoredEvent]) -> Sequence[StoredEvent]:
        """These events; a large message that equals the last one of its size has that size instead of its bytes."""
        deduplicated: list[StoredEvent] = []
        for event in events:
            if type(event) is MessageSeen and len(event.data) > self._large_message:
                size = len(event.data)
                if self._large_messages.get(size) == event.data:
                    deduplicated.append(structs.replace(event, data=size))
                    continue
                self._large_messages[size] = event.data
            deduplicated.append(event)
        return deduplicated

    def _split(self, group: Group) -> Iterator[_Piece]:
        """A group, encoded, in consecutive pieces: every second one is the bytes of a large message."""
        buffer = bytearray(_array_header(len(group)))
        for events in group:
            buffer += _array_header(len(events))
            for event in events:
                if (
                    type(event) is not MessageSeen
                    or type(event.data) is not bytes
                    or len(event.data) <= self._large_message
                ):
                    buffer += _encode(event)
                    continue
                # MessagePack has the length of bytes ahead of them. After them come a boolean, a name and None, in
                # which the encoding of empty bytes cannot occur.
                before, after = _encode(structs.replace(event, data=b"", lost=None)).rsplit(_EMPTY_BYTES, 1)
                size = len(event.data)
                buffer += before + _ARRAY_OF_ONE
                buffer += (
                    b"\xc5" + size.to_bytes(2, "big") if size < 1 << 16 else b"\xc6" + size.to_bytes(4, "big")
                )
                yield buffer
                yield event.data
                buffer = bytearray(after)
        yield buffer

    def _has_large(self, group: Group) -> bool:
        large = self._large_message
        for events in group:
            for event in events:
                if type(event) is MessageSeen and len(event.data) > large:
                    return True
        return False

    def _count(self, group: Group, encoded: Group, size: int) -> None:
        if encoded is not group:
            dropped = sum(map(len, group)) - sum(map(len, encoded))
            self.dropped_events += dropped
            _log.warning(
                "%d events of calls from %d on cannot be stored and were dropped: text that is not Unicode, or an"
                " integer past 64 bits",
                dropped,
                group[0][0].call_id,
            )
            if not encoded:
                return
        if not self.size:
            self._first_ns = encoded[0][0].time_ns
        self.size += size
        self._groups += 1
        started_ids = self._started_ids
        ended = 0
        for events in encoded:
            first = events[0]
            if type(first) is CallStarted:
                started_ids.add(first.call_id)
                self.methods.add(first.method)
            elif first.call_id not in started_ids:
                self.continued_ids.add(first.call_id)
            if type(events[-1]) is CallEnded:
                ended += 1
        self.ended += ended
        self._last_event = encoded[-1][-1]

    @property
    def started(self) -> int:
        """How many calls started in it."""
        return len(self._started_ids)

    @property
    def ids(self) -> tuple[int | None, int | None]:
        """The smallest and the largest id of the calls that started in it."""
        return min(self._started_ids, default=None), max(self._started_ids, default=None)

    @property
    def times(self) -> tuple[int, int]:
        """The times of its first and its last event, in nanoseconds."""
        return self._first_ns, self._first_ns if self._last_event is None else self._last_event.time_ns

    def compress(self, compressor: zstandard.ZstdCompressor) -> bytes:
        """The value of the column ``events``."""
        self._first_buffer[:_HEADER_SIZE] = _ARRAY + self._groups.to_bytes(4, "big")
        if not self._pieces:
            return compressor.compress(self._buffer)  # faster in one piece than in several
        pieces = [*self._pieces, self._buffer]
        stream = compressor.compressobj(size=_HEADER_SIZE + self.size)
        compressed = [
            stream.compress(piece) for piece in pieces
        ]  # joining them first would hold the interpreter
        compressed.append(stream.flush())
        return b"".join(compressed)

    def count_events(self, compressor: zstandard.ZstdCompressor) -> int:
        """How many events are in it; it decodes them all."""
        return len(unpack(self.compress(compressor)))


def new_compressor() -> zstandard.ZstdCompressor:
    """A compressor for one thread at a time; making one costs more than using it."""
    parameters = zstandard.ZstdCompressionParameters.from_level(
        _COMPRESSION_LEVEL,
        hash_log=_HASH_LOG,
        min_match=_MIN_MATCH,
        source_size=_USUAL_BATCH,
        write_checksum=True,  # so that damaged bytes are noticed
    )
    return zstandard.ZstdCompressor(compression_params=parameters)


def _array_header(length: int) -> bytes:
    """MessagePack's header of an array of this length."""
    if length < 16:  # noqa: PLR2004 (MessagePack's own limits, here and below)
        return bytes([0x90 | length])
    if length < 1 << 16:
        return b"\xdc" + length.to_bytes(2, "big")
    return _ARRAY + length.to_bytes(4, "big")


def _encodable(group: Group) -> list[list[StoredEvent]]:
    """The events of a group that can be encoded."""
    encodable = []
    for events in group:
        encodable_events = []
        for event in events:
            try:
                _encode(event)
            except _ENCODE_ERRORS:
                continue
            encodable_events.append(event)
        if encodable_events:
            encodable.append(encodable_events)
    return encodable
