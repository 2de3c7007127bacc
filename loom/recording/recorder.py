"""Folds events into calls, keeps them in the history, and tells observers what changed."""

import logging
from collections.abc import Callable, Sequence
from typing import Any

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
_log = logging.getLogger(__name__)


def _defined(observers: list[Observer], name: str) -> list[Callable[[Call], None]]:
    """The bound methods of that name of all observers that define it themselves."""
    nothing = getattr(Observer, name)
    return [
        getattr(observer, name)
        for observer in observers
        if getattr(type(observer), name, nothing) is not nothing
    ]


class Recorder:
    """A :class:`loom.model.Sink`: one call of :meth:`emit` per event, in order per call.

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
        self._on_started: list[Callable[[Call], None]] = []
        self._on_changed: list[Callable[[Call], None]] = []
        self._on_ended: list[Callable[[Call], None]] = []
        self.observe(*observers)
        self.failures = 0
        self._declared_kind = declared_kind
        self._live: dict[int, Call] = {}
        self._handlers: dict[type, Callable[[Any], None]] = {
            CallStarted: self._started,
            MetadataSeen: self._metadata,
            MessageSeen: self._message,
            HalfClosed: self._half_closed,
            CallEnded: self._ended,
        }

    def emit(self, event: Event) -> None:
        """Record one event. A failure in here is logged and counted, and never reaches the traffic."""
        try:
            self._handlers[type(event)](event)
        except Exception:  # noqa: BLE001 (see the docstring)
            self.failures += 1
            _log.exception("recording failed for %r", type(event).__name__)

    def observe(self, *observers: Observer) -> None:
        """Tell these too from now on, after those that are there."""
        self._observers += observers
        self._on_started = _defined(self._observers, "started")
        self._on_changed = _defined(self._observers, "changed")
        self._on_ended = _defined(self._observers, "ended")

    def _changed(self, call: Call) -> None:
        call.version += 1
        for tell in self._on_changed:
            tell(call)

    def _started(self, event: CallStarted) -> None:
        call = Call(
            event.call_id,
            event.method,
            event.time_ns,
            event.peer,
            event.authority,
            event.target,
            event.engine,
            event.content_type,
            event.deadline_ns,
            event.replay_of,
            self._declared_kind(event.method),
        )
        if event.wire:
            call.wire = dict(event.wire)
        self._live[call.id] = call
        self.history.add(call)
        for tell in self._on_started:
            tell(call)
        self._changed(call)

    def _metadata(self, event: MetadataSeen) -> None:
        call = self._live.get(event.call_id)
        if call is None:
            return
        if event.section is Section.REQUEST:
            call.request_metadata = event.metadata
        elif event.section is Section.INITIAL:
            call.initial_metadata = event.metadata
            call.initial_ns = event.time_ns
        else:
            call.trailing_metadata = event.metadata
        self.history.grew(call, metadata_cost(event.metadata))
        self._changed(call)

    def _message(self, event: MessageSeen) -> None:
        call = self._live.get(event.call_id)
        if call is None:
            return
        size = len(event.data) if event.lost is None else event.lost
        time_ns = event.time_ns
        index = call.request_messages + call.response_messages
        direction = event.direction
        if direction is _REQUEST:
            if not call.request_messages:
                call.first_request_ns = time_ns
            call.last_request_ns = time_ns
            call.request_messages += 1
            call.request_bytes += size
        else:
            if not call.response_messages:
                call.first_response_ns = time_ns
            call.last_response_ns = time_ns
            call.response_messages += 1
            call.response_bytes += size
        data = event.data if event.lost is None else None
        message = Message(index, direction, time_ns, size, data, event.compressed, event.encoding)
        self.history.keep(call, message)
        self._changed(call)

    def _half_closed(self, event: HalfClosed) -> None:
        call = self._live.get(event.call_id)
        if call is None:
            return
        call.half_closed_ns = event.time_ns
        call.half_closed_after = call.request_messages + call.response_messages
        self._changed(call)

    def _ended(self, event: CallEnded) -> None:
        call = self._live.pop(event.call_id, None)
        if call is None:
            return
        call.ended_ns = event.time_ns
        call.status = event.status
        call.ended_by = event.ended_by
        call.note = event.note
        if event.wire:
            call.wire.update(event.wire)
        if call.declared_kind is None:
            # The schema may have arrived while the call ran.
            call.declared_kind = self._declared_kind(call.method)
        self.history.ended(call)
        self._changed(call)
        for tell in self._on_ended:
            tell(call)
