"""Records become calls: the recorder's own fold, with nothing dropped for want of room."""

from collections.abc import Iterable, Iterator, Mapping
from types import MappingProxyType
from typing import Any

from loom.model import Call, CallEnded, CallState, EndedBy, Kind, Message, Status, StatusCode
from loom.recording.history import History
from loom.recording.recorder import Recorder

from .event_codec import KindDeclared, Record

_UNSAID: Any = object()
STOPPED = "Loom stopped before this call ended"


class Fold:
    """Feed it records in order; it hands out each call when it ends.

    ``declared`` are the kinds of methods whose calls do not say themselves what they were declared as.
    """

    def __init__(self, declared: Mapping[str, Kind] = MappingProxyType({})) -> None:
        self._declared = declared
        self._live = _Live()
        self._kinds: dict[int, Kind | None] = {}
        self._emit = Recorder(self._live).emit

    def feed(self, record: Record) -> Call | None:
        """Take in one record; the call that it ends, if it does. Records of unknown calls are passed over."""
        if isinstance(record, KindDeclared):
            self._kinds[record.call_id] = record.kind
            return None
        self._emit(record)
        if not isinstance(record, CallEnded):
            return None
        call = self._live.in_flight.pop(record.call_id, None)
        return None if call is None else self._known(call)

    def rest(self) -> list[Call]:
        """The calls that have not ended, in order of id."""
        return sorted(map(self._known, self._live.in_flight.values()), key=lambda call: call.id)

    def _known(self, call: Call) -> Call:
        own = self._kinds.pop(call.id, _UNSAID)
        call.declared_kind = self._declared.get(call.method) if own is _UNSAID else own
        return call


def fold(records: Iterable[Record], declared: Mapping[str, Kind] = MappingProxyType({})) -> Iterator[Call]:
    """The calls of these records: each when it ends, then those that have not."""
    folding = Fold(declared)
    for record in records:
        call = folding.feed(record)
        if call is not None:
            yield call
    yield from folding.rest()


def seal(call: Call) -> Call:
    """End a call whose Loom stopped first: nobody will tell of its end any more."""
    if call.state is CallState.LIVE:
        times = (
            call.started_ns,
            call.last_request_ns,
            call.last_response_ns,
            call.half_closed_ns,
            call.initial_ns,
        )
        call.ended_ns = max(time for time in times if time is not None)
        call.status = Status(StatusCode.UNKNOWN, STOPPED)
        call.ended_by = EndedBy.LOOM
        call.note = STOPPED
    return call


class _Live(History):
    """What the recorder keeps calls in here: by id, unbounded, uncounted."""

    def add(self, call: Call, cost: int = 0) -> None:
        del cost
        self.in_flight[call.id] = call

    def grew(self, call: Call, cost: int) -> None:
        pass

    def keep(self, call: Call, message: Message) -> int:
        if message.data is None:
            call.dropped_messages += 1
            call.dropped_bytes += message.size
        call.messages.append(message)
        return 0

    def ended(self, call: Call) -> None:
        pass
