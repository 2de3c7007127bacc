"""The events of one row of the database, while it is put together from parts."""

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


class Part:
    """Events in the order in which they came (one at least), packed, and what is known of them.

    ``kinds`` are those that the schema declares for the calls that end here.
    """

    __slots__ = ("began", "ended", "first_ns", "ids", "last_ns", "packed", "size")

    def __init__(self, events: Sequence[Record], kinds: Sequence[KindDeclared]) -> None:
        # In passes that are C's loops, not ours: this is done for every event of the traffic.
        self.began = {event.call_id for event in events if type(event) is CallStarted}
        self.ids = set(map(_call_id, events))
        self.size = len(events)
        self.ended = list(map(type, events)).count(CallEnded)
        self.first_ns = events[0].time_ns
        self.last_ns = events[-1].time_ns
        self.packed = pack([*kinds, *events])


class Batch:
    """Parts (one at least) that become one row: the events, and what the other columns and ``spans`` say of them."""

    def __init__(self, parts: Sequence[Part]) -> None:
        began = set[int]().union(*[part.began for part in parts])
        self.started = len(began)
        self.ended = sum(part.ended for part in parts)
        self.first_id = min(began, default=None)
        self.last_id = max(began, default=None)
        self.first_ns = parts[0].first_ns
        self.last_ns = parts[-1].last_ns
        self.went_on = set[int]().union(*[part.ids for part in parts]) - began
        self.cost = sum(len(part.packed) for part in parts)
        self.packed = join([part.packed for part in parts])


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


def join(parts: Sequence[bytes]) -> bytes:
    """What a row holds: its parts in their order."""
    return _encoder.encode([msgspec.Raw(part) for part in parts])
