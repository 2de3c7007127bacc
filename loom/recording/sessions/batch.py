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

    ``first_id`` and ``last_id`` are of the calls that began in it, None where none did; ``started`` and ``ended`` count
    calls; ``went_on`` are calls that began in an earlier one; ``methods`` those of the calls that began.
    """

    __slots__ = (
        "_parts",
        "_size",
        "ended",
        "first_id",
        "first_ns",
        "last_id",
        "last_ns",
        "methods",
        "started",
        "went_on",
    )

    def __init__(self) -> None:
        self._parts: list[bytes] = []
        self._size = 0
        self.first_id: int | None = None
        self.last_id: int | None = None
        self.first_ns = 0
        self.last_ns = 0
        self.started = 0
        self.ended = 0
        self.went_on: set[int] = set()
        self.methods: set[str] = set()

    def __len__(self) -> int:
        """The bytes of its events, packed; 0 while there are none."""
        return self._size

    def add(self, events: Sequence[Record], limit: int = sys.maxsize) -> bool:
        """Add events of one call, in their order.

        False, and nothing is added, if it would grow over ``limit`` bytes.
        """
        part = pack(events)
        size = self._size + len(part)
        if size > limit:
            return False
        first, last = events[0], events[-1]
        call_id = first.call_id
        if not self._size:
            self.first_ns = first.time_ns
        self._size = size
        self._parts.append(part)
        self.last_ns = last.time_ns
        if type(first) is CallStarted:
            self.started += 1
            self.methods.add(first.method)
            if self.first_id is None or self.last_id is None:
                self.first_id = self.last_id = call_id
            elif call_id > self.last_id:
                self.last_id = call_id
            elif call_id < self.first_id:
                self.first_id = call_id
        elif self.first_id is None or self.last_id is None or not self.first_id <= call_id <= self.last_id:
            self.went_on.add(call_id)
        if type(last) is CallEnded:
            self.ended += 1
        return True

    def row(self) -> bytes:
        """What the column ``events`` holds."""
        head = _ARRAY + len(self._parts).to_bytes(4, "big")
        return zstandard.ZstdCompressor(level=_LEVEL).compress(head + b"".join(self._parts))


def pack(events: Sequence[Record]) -> bytes:
    """A part of these events, as :mod:`.records` has it; one that cannot be packed is left out, alone, and told."""
    try:
        return _encoder.encode(events)
    except _UNPACKABLE:
        kept = []
        for event in events:
            try:
                _encoder.encode(event)
            except _UNPACKABLE as error:
                _log.warning("an event of call %s cannot be kept: %s", event.call_id, error)
                continue
            kept.append(event)
        return _encoder.encode(kept)
