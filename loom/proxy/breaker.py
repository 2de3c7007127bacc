"""A circuit breaker for one target: after a row of failures to reach it, calls are refused at once.

It counts whether a connection to the target could be had, never what the backend answered. Each admitted
call holds a :class:`Ticket` of the generation in which it started. Every change of state begins a new
generation, and what a ticket of an older one reports is ignored: a call that took long to fail
neither opens a breaker that has closed since nor decides somebody else's probe.

pybreaker and purgatory, the kept libraries, apply each result to whatever the state is when it arrives,
let any number of calls through while half-open, and know no outcome but success and failure (a
cancelled probe is neither), hence this one.
"""

import enum
import threading
import time
from collections.abc import Callable
from typing import TypedDict


class State(enum.StrEnum):
    CLOSED = "closed"  # calls pass
    OPEN = "open"  # calls are refused until the pause is over
    HALF_OPEN = "half_open"  # one call, the probe, is finding out


class Snapshot(TypedDict):
    """The breaker as the API shows it; ``retry_in_ms`` is None unless it is open."""

    state: str
    failures: int
    retry_in_ms: int | None


class Ticket:
    """The leave of one call to try; the first report counts, any further one is ignored."""

    __slots__ = ("_breaker", "_generation")

    def __init__(self, breaker: "Breaker", generation: int) -> None:
        self._breaker: Breaker | None = breaker
        self._generation = generation

    def reached(self) -> None:
        """A connection carried the call, whatever came of it then."""
        self._report(Breaker._reached)  # noqa: SLF001 (the two are one thing)

    def unreached(self) -> None:
        """No connection could be had."""
        self._report(Breaker._unreached)  # noqa: SLF001

    def abandoned(self) -> None:
        """The call ended before that was known: cancelled, or out of time."""
        self._report(Breaker._abandoned)  # noqa: SLF001

    def _report(self, result: Callable[["Breaker"], None]) -> None:
        breaker, self._breaker = self._breaker, None
        if breaker is None:
            return
        with breaker._lock:  # noqa: SLF001
            if breaker._generation == self._generation:  # noqa: SLF001
                result(breaker)


class Breaker:
    """Opens after ``threshold`` failures in a row; ``pause`` seconds later one probe decides.

    A probe that has not reported after another ``pause`` is given up and the next call takes its place.
    ``clock`` gives seconds that never go backwards. For any thread; observers are called on
    the one that made the change.
    """

    def __init__(
        self, threshold: int = 5, pause: float = 1.0, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._threshold = threshold
        self._pause = pause
        self._clock = clock
        self._lock = threading.RLock()  # observers may ask
        self._state = State.CLOSED
        self._generation = 0
        self._failures = 0
        self._retry_at = 0.0
        """When the next probe may go: of use while open or half-open."""
        self._observers: list[Callable[[State], None]] = []

    @property
    def state(self) -> State:
        return self._state

    def on_state(self, observer: Callable[[State], None]) -> None:
        """Call ``observer`` with the new state at each change."""
        self._observers.append(observer)

    def admit(self) -> Ticket | None:
        """Leave to try, or None: the call is to be refused."""
        with self._lock:
            if self._state is not State.CLOSED:
                now = self._clock()
                if now < self._retry_at:
                    return None
                self._enter(State.HALF_OPEN)
                self._retry_at = now + self._pause
            return Ticket(self, self._generation)

    def connected(self) -> None:
        """A connection to the target has been made: no need to wait for the end of the pause."""
        with self._lock:
            if self._state is State.OPEN:
                self._retry_at = self._clock()

    def snapshot(self) -> Snapshot:
        with self._lock:
            waiting = max(0.0, self._retry_at - self._clock()) if self._state is State.OPEN else None
            return {
                "state": self._state.value,
                "failures": self._failures,
                "retry_in_ms": None if waiting is None else round(waiting * 1000),
            }

    def _reached(self) -> None:
        self._failures = 0
        if self._state is not State.CLOSED:
            self._enter(State.CLOSED)

    def _unreached(self) -> None:
        self._failures += 1
        if self._state is State.HALF_OPEN or self._failures >= self._threshold:
            self._enter(State.OPEN)
            self._retry_at = self._clock() + self._pause

    def _abandoned(self) -> None:
        if self._state is State.HALF_OPEN:
            self._enter(State.OPEN)
            self._retry_at = self._clock()

    def _enter(self, state: State) -> None:
        """Change the state; a new probe in place of one given up is a new generation of the same state."""
        changed = state is not self._state
        self._generation += 1
        self._state = state
        if changed:
            for observer in self._observers:
                observer(state)
