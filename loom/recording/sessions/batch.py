"""The events of one row of the database, while it is put together."""

import logging

import msgspec

from loom.model import CallEnded, CallStarted, MessageSeen

from .records import Record, Stored

_log = logging.getLogger(__name__)

EVENT_COST = 200  # what an event in the queue is counted as, beside its payload
_UNPACKABLE = (UnicodeError, TypeError, OverflowError)  # text that is no Unicode, above all


class Batch:
    """Collects events; :meth:`seal` packs them."""

    def __init__(self) -> None:
        self.records: list[Record] = []
        self.packed = b""
        self.cost = 0  # bytes, roughly, of the packed batch
        self.queued = 0  # bytes that its events were counted as in the queue
        self.began: set[int] = set()
        self.went_on: set[int] = set()
        self.ended = 0
        self.first_ns = 0
        self.last_ns = 0

    @property
    def first_id(self) -> int | None:
        return min(self.began, default=None)

    @property
    def last_id(self) -> int | None:
        return max(self.began, default=None)

    def add(self, event: Stored, record: Record) -> None:
        if not self.records:
            self.first_ns = event.time_ns
        self.last_ns = event.time_ns
        self.records.append(record)
        size = len(event.data) if isinstance(event, MessageSeen) else 0
        self.queued += EVENT_COST + size
        self.cost += 64 + size
        if isinstance(event, CallStarted):
            self.began.add(event.call_id)
        elif event.call_id not in self.began:
            self.went_on.add(event.call_id)
        if isinstance(event, CallEnded):
            self.ended += 1

    def seal(self, encoder: msgspec.msgpack.Encoder) -> None:
        """Pack the records; one that cannot be packed (text that is no Unicode) goes, alone."""
        try:
            self.packed = encoder.encode(self.records)
        except _UNPACKABLE:
            kept = []
            for record in self.records:
                try:
                    encoder.encode(record)
                except _UNPACKABLE as error:
                    _log.warning("an event of call %s cannot be kept: %s", record[1], error)
                    continue
                kept.append(record)
            self.packed = encoder.encode(kept)
        self.records = []
