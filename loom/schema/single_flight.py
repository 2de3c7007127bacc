"""A single-flight cache: concurrent callers of one key share one fetch.

async-lru shares fetches too, but it can neither serve stale answers while they are refreshed nor cache failures for a
time of their own. With both built around it, nothing of it would be left.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

T = TypeVar("T")
MAX_FAILURES = 1000


@dataclass(slots=True)
class _Entry(Generic[T]):
    value: T | None
    error: Exception | None
    fresh_until: float


class SingleFlightCache(Generic[T]):
    """A cache by key with at most one fetch per key at a time.

    A value is fresh for ``ttl`` seconds; a stale one is served while one background fetch refreshes it. A failure is
    cached for ``failure_ttl`` seconds, and for as long a value is fresh that is ``provisional``. A fetch is a task of
    its own: a caller that is cancelled does not cancel it for the others. At most ``max_failures`` failures are cached:
    past that the expired ones are evicted, and where none are, the oldest half.
    """

    def __init__(
        self,
        fetch: Callable[[str], Awaitable[T]],
        *,
        ttl: float,
        failure_ttl: float,
        provisional: Callable[[T], bool] = lambda _: False,
        clock: Callable[[], float] = time.monotonic,
        max_failures: int = MAX_FAILURES,
    ) -> None:
        self._fetch = fetch
        self._ttl = ttl
        self._failure_ttl = failure_ttl
        self._provisional = provisional
        self._clock = clock
        self._max_failures = max_failures
        self.version = 0
        """Incremented with every change of what :meth:`peek` returns."""
        self._entries: dict[str, _Entry[T]] = {}
        self._evict_at = (
            max_failures  # entries; what an eviction costs is spread over the failures that led to it
        )
        self._in_flight: dict[str, asyncio.Task[T]] = {}
        self._tasks: set[asyncio.Task[T]] = set()

    def peek(self, key: str) -> T | None:
        """The cached value, fresh or stale; no I/O."""
        entry = self._entries.get(key)
        return entry.value if entry else None

    async def get(self, key: str) -> T:
        """The value, fetched if it is not cached; raises what the fetch raised."""
        entry = self._entries.get(key)
        if entry is None:
            return await asyncio.shield(self._start_fetch(key))
        if entry.fresh_until <= self._clock():
            if entry.value is None:
                return await asyncio.shield(self._start_fetch(key))
            self._start_fetch(key)
        if entry.value is not None:
            return entry.value
        raise entry.error or KeyError(key)

    async def refresh(self, key: str) -> T:
        """Fetch the value even if it is cached; joins a fetch that is in flight."""
        return await asyncio.shield(self._start_fetch(key))

    def invalidate(self) -> None:
        """Make every value stale, so that its next use refreshes it; drop failures."""
        now = self._clock()
        for key, entry in list(self._entries.items()):
            entry.fresh_until = now
            if entry.value is None:
                del self._entries[key]

    def clear(self) -> None:
        """Drop every entry; the results of fetches in flight are not cached."""
        self._entries.clear()
        self._in_flight.clear()
        self.version += 1

    async def close(self) -> None:
        """Cancel the fetches in flight."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _start_fetch(self, key: str) -> asyncio.Task[T]:
        task = self._in_flight.get(key)
        if task is None:
            task = asyncio.get_running_loop().create_task(self._run(key), name=f"schema {key}")
            self._in_flight[key] = task
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
            task.add_done_callback(_retrieve_exception)
        return task

    async def _run(self, key: str) -> T:
        try:
            value = await self._fetch(key)
        except Exception as error:
            if self._is_current(key):
                entry = self._entries.get(key)
                stale = entry.value if entry else None
                self._entries.pop(key, None)  # to come last again
                self._entries[key] = _Entry(stale, error, self._clock() + self._failure_ttl)
                self._evict_failures()
            raise
        else:
            if self._is_current(key):
                ttl = self._failure_ttl if self._provisional(value) else self._ttl
                self._entries[key] = _Entry(value, None, self._clock() + ttl)
                self.version += 1
            return value
        finally:
            if self._is_current(key):
                del self._in_flight[key]

    def _is_current(self, key: str) -> bool:
        """Whether the running fetch is the one in flight for its key, and not one from before :meth:`clear`."""
        return self._in_flight.get(key) is asyncio.current_task()

    def _evict_failures(self) -> None:
        """Evict failures when there are too many: clients choose the keys, so that there may be any number of them."""
        if len(self._entries) <= self._evict_at:
            return
        now = self._clock()
        failures = [key for key, entry in self._entries.items() if entry.value is None]
        evicted = [key for key in failures if self._entries[key].fresh_until <= now]
        if len(failures) - len(evicted) > self._max_failures // 2:
            evicted = failures[: len(failures) - self._max_failures // 2]  # the oldest ones come first
        for key in evicted:
            del self._entries[key]
        self._evict_at = len(self._entries) - (len(failures) - len(evicted)) + self._max_failures


def _retrieve_exception(task: "asyncio.Task[T]") -> None:
    """Keep asyncio from warning of a failure that no caller waits for; it is cached."""
    if not task.cancelled():
        task.exception()
