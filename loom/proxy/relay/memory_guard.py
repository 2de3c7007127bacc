"""Refuses further calls while the process takes more memory than it may: the bound, in sum, of what C-core buffers.

Each stream whose reader has stopped takes up to a flow-control window in C-core, whose own limit (a resource quota)
grpcio does not offer. Envoy's overload manager does the same (``envoy.overload_actions.stop_accepting_requests``).
"""

import logging
import threading
import time
from collections.abc import Callable

from loom.process_memory import anonymous_bytes, release_free_memory
from loom.units import format_bytes

_log = logging.getLogger(__name__)


class MemoryGuard:
    """Compares the memory of the process with ``limit`` bytes at most every ``interval`` seconds. Thread-safe."""

    def __init__(
        self,
        limit: int,
        *,
        usage: Callable[[], int] = anonymous_bytes,
        release: Callable[[], None] = release_free_memory,
        interval: float = 0.05,
    ) -> None:
        self.limit = limit
        self._usage = usage
        self._release = release
        self._interval = interval
        self._lock = threading.Lock()
        self._next_check = 0.0
        self._problem = ""

    def problem(self) -> str:
        """Why no further call is to be accepted now; "" if one is."""
        if time.monotonic() >= self._next_check and self._lock.acquire(blocking=False):
            try:
                self._check()
            finally:
                self._lock.release()
        return self._problem

    def _check(self) -> None:
        usage = self._usage()
        if usage > self.limit:
            self._release()
            usage = self._usage()
        before = self._problem
        self._problem = (
            f"Loom takes {format_bytes(usage)} of memory, and may take {format_bytes(self.limit)}"
            if usage > self.limit
            else ""
        )
        self._next_check = time.monotonic() + self._interval
        if bool(before) != bool(self._problem):
            _log.warning(
                "%s", f"calls are refused: {self._problem}" if self._problem else "calls are accepted again"
            )
