"""Time and threads, as rules and breakpoints need them."""

from collections.abc import Callable
from typing import Protocol


class Scheduler(Protocol):
    """Time and threads. Thread-safe."""

    def now(self) -> float:
        """Seconds on a monotonic clock."""

    def call_later(self, seconds: float, callback: Callable[[], None]) -> Callable[[], None]:
        """Run ``callback`` after that time; what is returned cancels it."""

    def run_in_thread(self, callback: Callable[[], None]) -> None:
        """Run ``callback`` on a thread that may be busy with it for a while."""
