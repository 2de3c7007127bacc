"""Rates of the last seconds: calls and errors that ended, and their durations."""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

DEFAULT_SECONDS = 300
DEFAULT_SAMPLE_SIZE = 2000


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
    """Counts ended calls; :meth:`roll`, called each second, closes the current second.

    ``series`` has the last ``seconds``. Percentiles are those of the first ``sample_size`` calls of a second.
    """

    def __init__(self, seconds: int = DEFAULT_SECONDS, sample_size: int = DEFAULT_SAMPLE_SIZE) -> None:
        self.calls_total = 0
        self.errors_total = 0
        self.series: deque[Second] = deque(maxlen=seconds)
        self._sample_size = sample_size
        self._calls = 0
        self._errors = 0
        self._durations: list[int] = []

    def ended(self, durations_ns: Sequence[int], *, errors: int) -> None:
        """Count calls that ended, ``errors`` of them with a status other than OK."""
        count = len(durations_ns)
        self.calls_total += count
        self._calls += count
        self.errors_total += errors
        self._errors += errors
        self._durations += durations_ns[: self._sample_size - len(self._durations)]

    def roll(self, now_us: int, in_flight: int) -> Second:
        """Close the second that ends now, append it to the series and return it."""
        durations = sorted(self._durations)
        count = len(durations)
        second = Second(
            at_us=now_us,
            calls=self._calls,
            errors=self._errors,
            p50_us=durations[count // 2] // 1000 if count else None,
            p95_us=durations[min(count - 1, count * 95 // 100)] // 1000 if count else None,
            in_flight=in_flight,
        )
        self.series.append(second)
        self._calls = self._errors = 0
        self._durations = []
        return second

    @property
    def last(self) -> Second | None:
        return self.series[-1] if self.series else None
