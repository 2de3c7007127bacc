"""The events of one row of the database, while it is put together."""

import logging
from collections.abc import Sequence
from operator import attrgetter

import msgspec

from loom.model import CallEnded, CallStarted

from .records import KindDeclared, Record

_log = logging.getLogger(__name__)

_UNPACKABLE = (UnicodeError, TypeError, OverflowError)  # text that is no Unicode, above all

_call_id = attrgetter("call_id")
_encoder = msgspec.msgpack.Encoder()


class Batch:
    """Events in the order in which they came (one at least), packed, and what the database says of them.

    ``kinds`` are those that the schema declares for the calls that end here. ``cost`` is what the events
    were counted as in the queue, in bytes.
    """

    def __init__(self, events: Sequence[Record], kinds: Sequence[KindDeclared], cost: int) -> None:
        # In passes that are C's loops, not ours: this is done for every event of the traffic.
        types = list(map(type, events))
        ids = list(map(_call_id, events))
        began = {number for number, which in zip(ids, types, strict=True) if which is CallStarted}
        self.cost = cost
        self.started = len(began)
        self.ended = types.count(CallEnded)
        self.first_id = min(began, default=None)
        self.last_id = max(began, default=None)
        self.first_ns = events[0].time_ns
        self.last_ns = events[-1].time_ns
        self.went_on = set(ids) - began
        self.packed = pack([*kinds, *events])


def pack(events: Sequence[Record]) -> bytes:
    """The events as :mod:`.records` has them; one that cannot be packed is left out, alone, and told."""
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
