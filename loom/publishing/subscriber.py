"""One subscriber's queue: bounded in bytes, with a gap in the place of what it could not hold."""

import asyncio
from collections import deque
from dataclasses import dataclass

DEFAULT_LIMIT = 4 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Update:
    """One event of the feed. ``data`` is JSON; ``calls`` is how many calls are in it."""

    event: str
    data: str
    seq: int
    calls: int = 0


class Subscriber:
    """A queue of updates for one reader, of at most ``limit`` bytes.

    Past it all queued updates are replaced by one ``gap`` update with the number of calls that were in them.
    """

    def __init__(self, limit: int = DEFAULT_LIMIT) -> None:
        self.limit = limit
        self.bytes = 0
        self._queue: deque[Update] = deque()
        self._missed = 0
        self._ready = asyncio.Event()
        self._closed = False

    def put(self, update: Update) -> None:
        """Queue an update; never waits."""
        if self._closed:
            return
        self._queue.append(update)
        self.bytes += len(update.data)
        if self.bytes > self.limit:
            self._missed += sum(queued.calls for queued in self._queue)
            self._queue.clear()
            self._queue.append(Update("gap", f'{{"missed":{self._missed}}}', update.seq))
            self.bytes = 0
        self._ready.set()

    def close(self) -> None:
        """Let the reader get what is queued, and then end."""
        self._closed = True
        self._ready.set()

    async def next(self) -> Update | None:
        """Wait for the oldest queued update; None once the subscriber is closed and its queue empty."""
        while not self._queue:
            if self._closed:
                return None
            self._ready.clear()
            await self._ready.wait()
        update = self._queue.popleft()
        self.bytes = max(0, self.bytes - len(update.data))
        if update.event == "gap":
            self._missed = 0
        return update
