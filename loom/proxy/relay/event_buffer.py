"""The relay's event buffer: filled from gRPC's threads, flushed on the event loop.

Forwarding never waits for the loop. A callback appends an event's fields with a timestamp; the event is built and
emitted a few milliseconds later, together with all others. Only when more than ``max_bytes`` or ``max_events`` are
buffered is reading of further messages deferred until the next flush, so that memory stays bounded.
"""

import asyncio
import contextlib
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Protocol

from loom.model import (
    CallEnded,
    CallIds,
    CallStarted,
    Direction,
    EndedBy,
    Event,
    HalfClosed,
    MessageSeen,
    Metadata,
    MetadataSeen,
    Section,
    Sink,
    Status,
)
from loom.proxy.event_buffer import EventBuffer
from loom.proxy.loop_lag import LoopLag


class BufferedCall(Protocol):
    """A call with buffered events. Its ``id`` is 0 until the first of them is emitted."""

    id: int


class RelayEventBuffer(EventBuffer):
    """An event buffer that threads fill. ``put_*`` and ``call_*`` are thread-safe; all else belongs to the loop.

    A call's id is allocated when its first event is emitted, which is what orders calls by id. Building an event
    costs ten times what appending its fields does, so that is left to the flush: ``put_*`` take the fields that the
    event of that name has (see :mod:`loom.model.events`).

    ``flush_interval`` is in seconds, ``max_bytes`` counts message payloads.
    """

    def __init__(
        self,
        sink: Sink,
        ids: CallIds,
        *,
        flush_interval: float = 0.005,
        max_bytes: int = 4 * 1024 * 1024,
        max_events: int = 4096,
    ) -> None:
        super().__init__(sink)
        self._ids = ids
        self._flush_interval = flush_interval
        self._max_bytes = max_bytes
        self._max_events = max_events
        self._loop = asyncio.get_running_loop()
        self._lock = threading.Lock()
        self._entries: list[tuple[BufferedCall, Callable[..., Event], tuple[object, ...]]] = []
        self._bytes = 0
        self._deferred: list[Callable[[], None]] = []
        self._timers: deque[tuple[float, Callable[[], None]]] = deque()
        self._flush_scheduled = False
        self._lag = LoopLag()

    def put_started(
        self,
        call: BufferedCall,
        time_ns: int,
        method: str,
        peer: str,
        authority: str,
        target: str,
        deadline_ns: int | None,
    ) -> None:
        self._put(call, _build_started, (time_ns, method, peer, authority, target, deadline_ns))

    def put_metadata(self, call: BufferedCall, time_ns: int, section: Section, metadata: Metadata) -> None:
        self._put(call, MetadataSeen, (time_ns, section, metadata))

    def put_message(self, call: BufferedCall, time_ns: int, direction: Direction, data: bytes) -> None:
        self._put(call, MessageSeen, (time_ns, direction, data), len(data))

    def put(self, call: BufferedCall, build: Callable[[int], Event], size: int) -> None:
        """Put any event, which ``build`` makes with the call's id; ``size`` is that of its payload."""
        self._put(call, build, (), size)

    def put_half_closed(self, call: BufferedCall, time_ns: int) -> None:
        self._put(call, HalfClosed, (time_ns,))

    def put_ended(
        self, call: BufferedCall, time_ns: int, status: Status, ended_by: EndedBy, note: str
    ) -> None:
        self._put(call, CallEnded, (time_ns, status, ended_by, note))

    @property
    def lag(self) -> float:
        """By how many seconds the event loop's timers have been late lately: how starved this process is."""
        return self._lag.seconds

    @property
    def full(self) -> bool:
        """Whether reading of further messages must wait for the next flush."""
        return self._bytes > self._max_bytes or len(self._entries) > self._max_events

    def call_when_not_full(self, callback: Callable[[], None]) -> None:
        """Run ``callback`` now if the buffer has room, else on the loop after the next flush."""
        if not self.full:
            callback()
            return
        with self._lock:
            self._deferred.append(callback)
        self._schedule_flush()

    def call_later(self, delay: float, callback: Callable[[], None]) -> None:
        """Run ``callback`` on the loop ``delay`` seconds from now or up to a flush interval later.

        Callbacks run in the order in which they were given, so ``delay`` must be the same for all of them.
        """
        with self._lock:
            self._timers.append((time.monotonic() + delay, callback))
        self._schedule_flush()

    def flush(self) -> None:
        """Build and emit every buffered event now, allocating the ids of calls that are new."""
        with self._lock:
            entries, self._entries = self._entries, []
            self._bytes = 0
        calls: dict[BufferedCall, list[Event]] = {}
        for call, build, fields in entries:
            events = calls.get(call)
            if events is None:
                if not call.id:
                    call.id = self._ids.allocate()
                events = calls[call] = []
            events.append(build(call.id, *fields))
        self.emit_all(list(calls.values()))
        super().flush()

    def _put(
        self, call: BufferedCall, build: Callable[..., Event], fields: tuple[object, ...], size: int = 0
    ) -> None:
        with self._lock:
            self._entries.append((call, build, fields))
            self._bytes += size
        if not self._flush_scheduled:
            self._schedule_flush()

    def _schedule_flush(self) -> None:
        if self._flush_scheduled:
            return
        with self._lock:
            first, self._flush_scheduled = not self._flush_scheduled, True
        if first:
            with contextlib.suppress(RuntimeError):  # the loop is closed: nothing is recorded any more
                self._loop.call_soon_threadsafe(self._start_interval)

    def _start_interval(self) -> None:
        due = time.monotonic() + self._flush_interval
        self._loop.call_later(self._flush_interval, self._end_interval, due)

    def _end_interval(self, due: float) -> None:
        """Flush, run the callbacks that are due, and start another interval unless nothing happened in this one."""
        active = bool(self._entries)
        self._lag.add(time.monotonic() - due)
        self.flush()
        now = time.monotonic()
        with self._lock:
            callbacks, self._deferred = self._deferred, []
            active = active or bool(callbacks)
            while self._timers and self._timers[0][0] <= now:
                callbacks.append(self._timers.popleft()[1])
            self._flush_scheduled = active = active or bool(self._timers or self._entries)
        if active:
            self._start_interval()
        for callback in callbacks:
            callback()


def _build_started(
    call_id: int,
    time_ns: int,
    method: str,
    peer: str,
    authority: str,
    target: str,
    deadline_ns: int | None,
) -> CallStarted:
    return CallStarted(
        call_id, time_ns, method, peer=peer, authority=authority, target=target, deadline_ns=deadline_ns
    )
