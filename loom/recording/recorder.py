"""Folds events into calls, keeps them in the history, and tells observers what changed."""

import logging
from collections.abc import Callable, Sequence

from loom.model import (
    Call,
    CallEnded,
    CallStarted,
    Direction,
    Event,
    HalfClosed,
    Kind,
    Message,
    MessageSeen,
    MetadataSeen,
    Observer,
    Section,
)

from .history import History, metadata_cost

_REQUEST = Direction.REQUEST
_REQUEST_SECTION, _INITIAL = Section.REQUEST, Section.INITIAL
_log = logging.getLogger(__name__)


def _defined(observers: list[Observer], name: str) -> list[Callable[[Sequence[Call]], None]]:
    """The bound methods of that name of all observers that define it themselves."""
    nothing = getattr(Observer, name)
    return [
        getattr(observer, name)
        for observer in observers
        if getattr(type(observer), name, nothing) is not nothing
    ]


class Recorder:
    """A :class:`loom.model.Sink`.

    ``declared_kind`` answers a method's kind if the schema already knows it, without I/O.
    """

    def __init__(
        self,
        history: History,
        observers: Sequence[Observer] = (),
        declared_kind: Callable[[str], Kind | None] = lambda _: None,
    ) -> None:
        self.history = history
        self._observers: list[Observer] = []
        self._on_started: list[Callable[[Sequence[Call]], None]] = []
        self._on_changed: list[Callable[[Sequence[Call]], None]] = []
        self._on_ended: list[Callable[[Sequence[Call]], None]] = []
        self.observe(*observers)
        self.failures = 0
        self._declared_kind = declared_kind

    def emit(self, *events: Event) -> None:
        """Record events of one call. A failure in here is logged and counted, and never reaches the traffic."""
        self.emit_all((events,))

    def emit_all(self, calls: Sequence[Sequence[Event]]) -> None:
        """The same for several calls; what fails for one of them does not keep the others."""
        started: list[Call] = []
        changed: list[Call] = []
        ended: list[Call] = []
        in_flight = self.history.in_flight
        for events in calls:
            try:
                first = events[0]
                if type(first) is CallStarted:
                    call = self._begin(first, events)
                    started.append(call)
                elif (known := in_flight.get(first.call_id)) is not None:
                    call = known
                    self._go_on(call, events)
                else:
                    continue
            except Exception:  # noqa: BLE001 (see the docstring; trying costs nothing)
                self._failed([type(event).__name__ for event in events])
            else:
                changed.append(call)
                if call.ended_ns is not None:
                    ended.append(call)
        if self._observers:
            self._tell(self._on_started, started)
            self._tell(self._on_changed, changed)
            self._tell(self._on_ended, ended)

    def observe(self, *observers: Observer) -> None:
        """Tell these too from now on, after those that are there."""
        self._observers += observers
        self._on_started = _defined(self._observers, "started")
        self._on_changed = _defined(self._observers, "changed")
        self._on_ended = _defined(self._observers, "ended")

    def _tell(self, observers: list[Callable[[Sequence[Call]], None]], calls: Sequence[Call]) -> None:
        if calls:
            for tell in observers:
                try:
                    tell(calls)
                except Exception:  # noqa: BLE001 (as above)
                    self._failed([call.id for call in calls])

    def _failed(self, what: object) -> None:
        self.failures += 1
        _log.exception("recording failed for %r", what)

    # The history counts once for all events of a call that come together.

    def _begin(self, started: CallStarted, events: Sequence[Event]) -> Call:
        call = Call(
            started.call_id,
            started.method,
            started.time_ns,
            started.peer,
            started.authority,
            started.target,
            started.engine,
            started.content_type,
            started.deadline_ns,
            started.replay_of,
            self._declared_kind(started.method),
        )
        if started.wire:
            call.wire = started.wire
        self.history.add(call, self._fold(call, events))
        return call

    def _go_on(self, call: Call, events: Sequence[Event]) -> None:
        self.history.grew(call, self._fold(call, events))
        if call.ended_ns is not None:
            self.history.ended(call)

    def _fold(self, call: Call, events: Sequence[Event]) -> int:
        """What the history counts the events' messages and metadata as."""
        cost = 0
        for event in events:
            if type(event) is MessageSeen:
                cost += self._message(call, event)
            elif type(event) is MetadataSeen:
                metadata = event.metadata
                cost += metadata_cost(metadata)
                section = event.section
                if section is _REQUEST_SECTION:
                    call.request_metadata = metadata
                elif section is _INITIAL:
                    call.initial_metadata = metadata
                    call.initial_ns = event.time_ns
                else:
                    call.trailing_metadata = metadata
            elif type(event) is HalfClosed:
                call.half_closed_ns = event.time_ns
                call.half_closed_after = call.request_messages + call.response_messages
            elif type(event) is CallEnded:
                self._ended(call, event)
        call.version += 1
        return cost

    def _message(self, call: Call, event: MessageSeen) -> int:
        """Count a message, and keep it if the history has room; what it is counted as."""
        lost = event.lost
        data = event.data if lost is None else None
        size = len(event.data) if lost is None else lost
        time_ns = event.time_ns
        requests, responses = call.request_messages, call.response_messages
        if event.direction is _REQUEST:
            if not requests:
                call.first_request_ns = time_ns
            call.last_request_ns = time_ns
            call.request_messages = requests + 1
            call.request_bytes += size
        else:
            if not responses:
                call.first_response_ns = time_ns
            call.last_response_ns = time_ns
            call.response_messages = responses + 1
            call.response_bytes += size
        return self.history.keep(
            call,
            Message(
                requests + responses, event.direction, time_ns, size, data, event.compressed, event.encoding
            ),
        )

    def _ended(self, call: Call, event: CallEnded) -> None:
        call.ended_ns = event.time_ns
        call.status = event.status
        call.ended_by = event.ended_by
        call.note = event.note
        if event.wire:
            call.wire = call.wire | event.wire
        if call.declared_kind is None:
            # The schema may have arrived while the call ran.
            call.declared_kind = self._declared_kind(call.method)
