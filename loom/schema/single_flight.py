"""Many who want one thing fetch it once.

async-lru shares a fetch as well, but it knows neither answers that go stale while they serve nor failures
that are remembered for a short while; with both around it, nothing of it is left.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

T = TypeVar("T")
_SWEEP_OVER = 1000


@dataclass(slots=True)
class _Entry(Generic[T]):
    value: T | None
    error: Exception | None
    until: float


class SingleFlightCache(Generic[T]):
    """A cache by key with one fetch per key at a time.

    ``ttl`` seconds an answer is fresh; after that it still serves while one fetch in the background renews it.
    ``failure_ttl`` seconds a failure is remembered, and so long a ``provisional`` answer is fresh. Who stops
    waiting ends nobody else's wait: the fetch is a task of its own.
    """

    def __init__(
        self,
        fetch: Callable[[str], Awaitable[T]],
        *,
        ttl: float,
        failure_ttl: float,
        provisional: Callable[[T], bool] = lambda _: False,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._fetch = fetch
        self._ttl = ttl
        self._failure_ttl = failure_ttl
        self._provisional = provisional
        self._clock = clock
        self.version = 0
        """Grows with every change of what :meth:`peek` answers."""
        self._entries: dict[str, _Entry[T]] = {}
        self._flying: dict[str, asyncio.Task[T]] = {}
        self._tasks: set[asyncio.Task[T]] = set()

    def peek(self, key: str) -> T | None:
        """The answer that is there, fresh or not; no I/O."""
        entry = self._entries.get(key)
        return entry.value if entry else None

    async def get(self, key: str) -> T:
        """The answer, fetched if need be; raises what the fetch raised."""
        entry = self._entries.get(key)
        if entry is None:
            return await asyncio.shield(self._fly(key))
        if entry.until <= self._clock():
            if entry.value is None:
                return await asyncio.shield(self._fly(key))
            self._fly(key)
        if entry.value is not None:
            return entry.value
        raise entry.error or KeyError(key)

    async def refresh(self, key: str) -> T:
        """Fetch anew, whatever is there; joins a fetch that is under way."""
        return await asyncio.shield(self._fly(key))

    def invalidate(self) -> None:
        """Make every answer stale, so that its next use renews it; forget failures."""
        now = self._clock()
        for key, entry in list(self._entries.items()):
            entry.until = now
            if entry.value is None:
                del self._entries[key]

    def forget(self) -> None:
        """Let go of every answer; what flies now comes too late to be kept."""
        self._entries.clear()
        self._flying.clear()
        self.version += 1

    async def close(self) -> None:
        """Cancel what flies."""
        flying = list(self._tasks)
        for task in flying:
            task.cancel()
        await asyncio.gather(*flying, return_exceptions=True)

    def _fly(self, key: str) -> asyncio.Task[T]:
        task = self._flying.get(key)
        if task is None:
            task = asyncio.get_running_loop().create_task(self._run(key), name=f"schema {key}")
            self._flying[key] = task
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
            task.add_done_callback(_look_at_failure)
        return task

    async def _run(self, key: str) -> T:
        try:
            value = await self._fetch(key)
        except Exception as error:
            if self._is_flying(key):
                old = self._entries.get(key)
                kept = old.value if old else None
                self._entries[key] = _Entry(kept, error, self._clock() + self._failure_ttl)
                self._sweep()
            raise
        else:
            if self._is_flying(key):
                lives = self._failure_ttl if self._provisional(value) else self._ttl
                self._entries[key] = _Entry(value, None, self._clock() + lives)
                self.version += 1
            return value
        finally:
            if self._is_flying(key):
                del self._flying[key]

    def _is_flying(self, key: str) -> bool:
        """Whether the fetch that asks is the current one of its key."""
        return self._flying.get(key) is asyncio.current_task()

    def _sweep(self) -> None:
        """Clients choose the keys: forget failures that are over, so that odd names do not pile up."""
        if len(self._entries) > _SWEEP_OVER:
            now = self._clock()
            self._entries = {
                key: entry
                for key, entry in self._entries.items()
                if entry.value is not None or entry.until > now
            }


def _look_at_failure(task: "asyncio.Task[T]") -> None:
    """A failure that nobody waits for any more is in the cache; it needs no warning."""
    if not task.cancelled():
        task.exception()
