"""The sink that applies events to calls, adds them to the history, and notifies observers."""

import logging
from collections.abc import Callable, Sequence

from loom.model import Call, CallStarted, Event, Kind, Observer
from loom.model.projection import new_call

from .history import History

_log = logging.getLogger(__name__)

_Callback = Callable[[Sequence[Call]], None]


class Recorder:
    """A :class:`loom.model.Sink`. A failure in here is logged and counted, and never reaches the traffic.

    ``declared_kind`` returns a method's kind if the schema already has it, without I/O.
    """

    def __init__(
        self,
        history: History,
        observers: Sequence[Observer] = (),
        declared_kind: Callable[[str], Kind | None] = lambda _: None,
    ) -> None:
        self.history = history
        self.failures = 0
        self._declared_kind = declared_kind
        self._observers: list[Observer] = []
        self._on_started: list[_Callback] = []
        self._on_changed: list[_Callback] = []
        self._on_ended: list[_Callback] = []
        self.observe(*observers)

    def observe(self, *observers: Observer) -> None:
        """Add observers, which are called after those added before."""
        self._observers += observers
        self._find_callbacks()

    def forget(self, observer: Observer) -> None:
        """Remove an observer."""
        self._observers.remove(observer)
        self._find_callbacks()

    def _find_callbacks(self) -> None:
        self._on_started = _overridden(self._observers, "started")
        self._on_changed = _overridden(self._observers, "changed")
        self._on_ended = _overridden(self._observers, "ended")

    def emit(self, *events: Event) -> None:
        """Record events of one call."""
        self.emit_all((events,))

    def emit_all(self, calls: Sequence[Sequence[Event]]) -> None:
        """Record events of several calls; a failure for one of them does not affect the others."""
        started: list[Call] = []
        changed: list[Call] = []
        ended: list[Call] = []
        in_flight = self.history.in_flight
        for events in calls:
            try:
                first = events[0]
                if type(first) is CallStarted:
                    call = self._start(first, events)
                    started.append(call)
                elif (live := in_flight.get(first.call_id)) is not None:
                    call = live
                    self._update(call, events)
                else:
                    continue
            except Exception:  # noqa: BLE001 (see the class; entering "try" costs nothing)
                self._count_failure([type(event).__name__ for event in events])
            else:
                changed.append(call)
                if call.ended_ns is not None:
                    ended.append(call)
        if self._observers:
            self._notify(self._on_started, started)
            self._notify(self._on_changed, changed)
            self._notify(self._on_ended, ended)

    def _start(self, first: CallStarted, events: Sequence[Event]) -> Call:
        call = new_call(first, self._declared_kind(first.method))
        self.history.add(call, events)
        return call

    def _update(self, call: Call, events: Sequence[Event]) -> None:
        self.history.update(call, events)
        if call.ended_ns is not None and call.declared_kind is None:
            call.declared_kind = self._declared_kind(
                call.method
            )  # the schema may have arrived while the call ran

    def _notify(self, callbacks: list[_Callback], calls: Sequence[Call]) -> None:
        if calls:
            for callback in callbacks:
                try:
                    callback(calls)
                except Exception:  # noqa: BLE001 (see the class)
                    self._count_failure([call.id for call in calls])

    def _count_failure(self, subject: object) -> None:
        self.failures += 1
        _log.exception("recording failed for %r", subject)


def _overridden(observers: list[Observer], name: str) -> list[_Callback]:
    """The bound methods of that name of the observers whose classes override it."""
    default = getattr(Observer, name)
    return [
        getattr(observer, name)
        for observer in observers
        if getattr(type(observer), name, default) is not default
    ]
