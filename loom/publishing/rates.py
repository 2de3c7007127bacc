"""What happened in the last seconds: calls and errors ended, and how long they took."""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

KEPT_SECONDS = 300
SAMPLE = 2000  # durations looked at per second; more would not move a percentile


@dataclass(frozen=True, slots=True)
class Second:
    """One second of traffic. ``p50_us``/``p95_us`` are None where no call ended."""

    at_us: int
    calls: int
    errors: int
    p50_us: int | None
    p95_us: int | None
    in_flight: int


class Rates:
    """Counts ended calls; :meth:`roll`, called each second, closes the current second."""

    def __init__(self) -> None:
        self.calls_total = 0
        self.errors_total = 0
        self.series: deque[Second] = deque(maxlen=KEPT_SECONDS)
        self._calls = 0
        self._errors = 0
        self._durations: list[int] = []

    def ended(self, durations_ns: Sequence[int], *, errors: int) -> None:
        """These calls have ended, ``errors`` of them with another status than OK."""
        count = len(durations_ns)
        self.calls_total += count
        self._calls += count
        self.errors_total += errors
        self._errors += errors
        self._durations += durations_ns[: SAMPLE - len(self._durations)]

    def roll(self, now_us: int, in_flight: int) -> Second:
        """Close the second that ends now, keep it, and answer it."""
        ordered = sorted(self._durations)
        count = len(ordered)
        second = Second(
            at_us=now_us,
            calls=self._calls,
            errors=self._errors,
            p50_us=ordered[count // 2] // 1000 if count else None,
            p95_us=ordered[min(count - 1, count * 95 // 100)] // 1000 if count else None,
            in_flight=in_flight,
        )
        self.series.append(second)
        self._calls = self._errors = 0
        self._durations = []
        return second

    @property
    def last(self) -> Second | None:
        return self.series[-1] if self.series else None
