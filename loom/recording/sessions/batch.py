"""The events of one row of the database, while it is put together."""

import logging

import msgspec

from loom.model import CallEnded, CallStarted, Kind, MessageSeen

from .records import Record, Stored, to_record

_log = logging.getLogger(__name__)

EVENT_COST = 200  # what an event in the queue is counted as, beside its payload
_UNPACKABLE = (UnicodeError, TypeError, OverflowError)  # text that is no Unicode, above all


class Batch:
    """Collects events; :meth:`seal` packs them."""

    def __init__(self) -> None:
        self.records: list[Record] = []
        self.packed = b""
        self.payload = 0  # bytes of its messages
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

    def add(self, event: Stored, kind: Kind | None = None) -> None:
        """Take in an event; ``kind`` is the declared kind of a call that ended."""
        kept = self.records
        if not kept:
            self.first_ns = event.time_ns
        self.last_ns = event.time_ns
        kept.append(to_record(event, kind))
        if isinstance(event, MessageSeen):
            self.payload += len(event.data)
        elif isinstance(event, CallStarted):
            self.began.add(event.call_id)
        elif isinstance(event, CallEnded):
            self.ended += 1
        if event.call_id not in self.began:
            self.went_on.add(event.call_id)

    def seal(self, encoder: msgspec.msgpack.Encoder) -> None:
        """Pack the records; one that cannot be packed (text that is no Unicode) goes, alone."""
        self.queued = self.payload + EVENT_COST * len(self.records)
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
