"""A circuit breaker for one target: after a number of consecutive connection failures, calls fail fast.

It counts whether a connection to the target could be made, never what the backend answered. Each admitted
call gets a :class:`Permit` of the current generation. Every change of state starts a new
generation, and the result of a permit of an older one is ignored: a call that took long to fail
neither opens a breaker that has closed since nor decides another call's probe.

pybreaker and purgatory, the maintained libraries, apply each result to whatever the state is when it arrives,
let any number of calls through while half-open, and distinguish only success and failure (a
cancelled probe is neither), hence this one.
"""

import enum
import threading
import time
from collections.abc import Callable
from typing import TypedDict


class State(enum.StrEnum):
    CLOSED = "closed"  # calls pass
    OPEN = "open"  # calls are refused until the pause ends
    HALF_OPEN = "half_open"  # one call, the probe, tries the target


class Snapshot(TypedDict):
    """The breaker's state as in the HTTP API; ``retry_in_ms`` is None unless it is open."""

    state: str
    failures: int
    retry_in_ms: int | None


class Permit:
    """Permission for one call to try the target; its first result counts, others are ignored."""

    __slots__ = ("_breaker", "_generation")

    def __init__(self, breaker: "Breaker", generation: int) -> None:
        self._breaker: Breaker | None = breaker
        self._generation = generation

    def record_success(self) -> None:
        """A connection carried the call, whatever its status was."""
        self._report(Breaker._on_success)  # noqa: SLF001 (a permit is part of its breaker)

    def record_failure(self) -> None:
        """No connection could be made."""
        self._report(Breaker._on_failure)  # noqa: SLF001

    def cancel(self) -> None:
        """The call was cancelled or exceeded its deadline before a connection was made."""
        self._report(Breaker._on_cancel)  # noqa: SLF001

    def _report(self, result: Callable[["Breaker"], None]) -> None:
        breaker, self._breaker = self._breaker, None
        if breaker is None:
            return
        with breaker._lock:  # noqa: SLF001
            if breaker._generation == self._generation:  # noqa: SLF001
                result(breaker)


class Breaker:
    """Opens after ``threshold`` consecutive failures; ``pause`` seconds later one probe decides.

    A probe without a result after another ``pause`` is abandoned, and the next call takes its place.
    ``clock`` is monotonic, in seconds. Thread-safe; observers run on
    the thread that caused the change.
    """

    def __init__(
        self, threshold: int = 5, pause: float = 1.0, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._threshold = threshold
        self._pause = pause
        self._clock = clock
        self._lock = threading.RLock()  # observers may call back
        self._state = State.CLOSED
        self._generation = 0
        self._failures = 0
        self._retry_at = 0.0
        """The earliest time of the next probe, while open or half-open."""
        self._observers: list[Callable[[State], None]] = []

    @property
    def state(self) -> State:
        return self._state

    def on_state(self, observer: Callable[[State], None]) -> None:
        """Call ``observer`` with the new state at each change."""
        self._observers.append(observer)

    def admit(self) -> Permit | None:
        """Permit a call to try the target; None if it must be refused."""
        with self._lock:
            if self._state is not State.CLOSED:
                now = self._clock()
                if now < self._retry_at:
                    return None
                self._enter(State.HALF_OPEN)
                self._retry_at = now + self._pause
            return Permit(self, self._generation)

    def end_pause(self) -> None:
        """Admit a probe now: a connection to the target has been made."""
        with self._lock:
            if self._state is State.OPEN:
                self._retry_at = self._clock()

    def snapshot(self) -> Snapshot:
        with self._lock:
            retry_in = max(0.0, self._retry_at - self._clock()) if self._state is State.OPEN else None
            return {
                "state": self._state.value,
                "failures": self._failures,
                "retry_in_ms": None if retry_in is None else round(retry_in * 1000),
            }

    def _on_success(self) -> None:
        self._failures = 0
        if self._state is not State.CLOSED:
            self._enter(State.CLOSED)

    def _on_failure(self) -> None:
        self._failures += 1
        if self._state is State.HALF_OPEN or self._failures >= self._threshold:
            self._enter(State.OPEN)
            self._retry_at = self._clock() + self._pause

    def _on_cancel(self) -> None:
        if self._state is State.HALF_OPEN:
            self._enter(State.OPEN)
            self._retry_at = self._clock()

    def _enter(self, state: State) -> None:
        """Change the state; a probe that replaces an abandoned one starts a new generation of the same state."""
        changed = state is not self._state
        self._generation += 1
        self._state = state
        if changed:
            for observer in self._observers:
                observer(state)
