"""Takes what happens to calls from gRPC's threads, where they are forwarded, to the loop, where they are recorded.

Forwarding never waits for the loop: what happens is put down together with its time, and looked at a few milliseconds
later, all of it at once. Only when more than :data:`MAX_BYTES` or :data:`MAX_EVENTS` wait are no further messages read
until they have been, so that memory stays bounded.
"""

import asyncio
import contextlib
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Any, Protocol

from loom.model import CallIds, Event, Sink

REST = 0.005  # seconds between two looks
MAX_BYTES = 4 * 1024 * 1024
MAX_EVENTS = 4096


class Told(Protocol):
    """A call that is told of. Its ``id`` is 0 until the first event of it is emitted."""

    id: int


Make = Callable[..., Event]
"""An event's class, or another function of the call's id and of the event's other fields."""


class Courier:
    """Emits events to ``sink`` on the running loop; :meth:`tell` is for any thread, the rest for the loop's.

    Calls get their ids here, in the order in which they are told of, as emitting is what their order is about.
    """

    def __init__(self, sink: Sink, ids: CallIds) -> None:
        self._sink = sink
        self._ids = ids
        self._loop = asyncio.get_running_loop()
        self._lock = threading.Lock()
        self._told: list[tuple[Told, Make, tuple[Any, ...]]] = []
        self._bytes = 0
        self._held: list[Callable[[], None]] = []
        self._due: deque[tuple[float, Callable[[], None]]] = deque()
        self._awake = False
        ids.settle = self.deliver

    def tell(self, call: Told, make: Make, *fields: Any, size: int = 0) -> None:
        """Put down that an event happened to ``call``; ``size`` is that of its message in bytes."""
        with self._lock:
            self._told.append((call, make, fields))
            self._bytes += size
        self._rouse()

    @property
    def full(self) -> bool:
        """Whether so much waits that no more messages are to be read."""
        return self._bytes > MAX_BYTES or len(self._told) > MAX_EVENTS

    def when_there_is_room(self, act: Callable[[], None]) -> None:
        """Call ``act``: at once, or on the loop when what waits has been looked at. For any thread."""
        if not self.full:
            act()
            return
        with self._lock:
            self._held.append(act)
        self._rouse()

    def later(self, delay: float, act: Callable[[], None]) -> None:
        """Call ``act`` on the loop, ``delay`` seconds from now or a little later. For any thread; one delay for all."""
        with self._lock:
            self._due.append((time.monotonic() + delay, act))
        self._rouse()

    def deliver(self) -> None:
        """Emit all that has been told of, now."""
        with self._lock:
            told, self._told = self._told, []
            self._bytes = 0
        calls: dict[Told, list[Event]] = {}
        for call, make, fields in told:
            events = calls.get(call)
            if events is None:
                if not call.id:
                    call.id = self._ids.reserve()
                events = calls[call] = []
            events.append(make(call.id, *fields))
        if calls:
            self._sink.emit_all(list(calls.values()))

    def _rouse(self) -> None:
        """See to it that what has just been put down is looked at."""
        if self._awake:
            return
        with self._lock:
            asleep, self._awake = not self._awake, True
        if asleep:
            with contextlib.suppress(RuntimeError):  # the loop is closed: nobody records any more
                self._loop.call_soon_threadsafe(self._rest)

    def _rest(self) -> None:
        self._loop.call_later(REST, self._look)

    def _look(self) -> None:
        """Deliver what waits and look again after a rest; with nothing to do, sleep until somebody wakes it."""
        busy = bool(self._told)
        self.deliver()
        now = time.monotonic()
        with self._lock:
            held, self._held = self._held, []
            due = []
            while self._due and self._due[0][0] <= now:
                due.append(self._due.popleft()[1])
            self._awake = awake = busy or bool(held or self._due or self._told)
        if awake:
            self._rest()
        for act in (*held, *due):
            act()
