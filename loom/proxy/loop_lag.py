"""How late the event loop's timers are: on a starved machine, Loom sees the beginning of a call late."""

import asyncio
import time

_DECAY = 0.95
"""What remains of the lag after an interval without any: half of it after some 70 ms."""
_NEGLIGIBLE = 0.001  # seconds


class LoopLag:
    """By how many seconds timers of the event loop have been late lately; the highest counts, and decays.

    Measured by a timer of ``interval`` seconds, which runs while there is traffic.
    """

    __slots__ = ("_interval", "_running", "_traffic", "seconds")

    def __init__(self, interval: float = 0.005) -> None:
        self.seconds = 0.0
        self._interval = interval
        self._running = False
        self._traffic = False

    def add(self, seconds: float) -> None:
        """Take the lateness of one timer."""
        self.seconds = max(seconds, self.seconds * _DECAY)

    def on_traffic(self) -> None:
        """Measure during the next interval. On the event loop only."""
        self._traffic = True
        if not self._running:
            self._running = True
            self._start_interval()

    def _start_interval(self) -> None:
        due = time.monotonic() + self._interval
        asyncio.get_running_loop().call_later(self._interval, self._end_interval, due)

    def _end_interval(self, due: float) -> None:
        self.add(time.monotonic() - due)
        self._running = self._traffic or self.seconds > _NEGLIGIBLE
        self._traffic = False
        if self._running:
            self._start_interval()
