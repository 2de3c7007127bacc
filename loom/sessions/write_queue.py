"""Events that wait to be written: packed into batches by whoever brings them, within a budget of bytes."""

import sys
import threading
from collections import deque
from collections.abc import Sequence

import msgspec

from loom.model import MessageSeen, StoredEvent

from .batch import Batch

EVENT_COST = 200  # what an event is counted as beside its payload, where it is asked whether it fits
_BATCH_BYTES = 1024 * 1024


class Waiting:
    """A queue of batches of at most ``budget`` bytes, for any number of threads.

    What does not fit is dropped and counted: first the bytes of messages, then whole events.

    Events are packed by whoever adds them: the interpreter is held for that in any thread, and in this one they are in
    the cache.
    """

    def __init__(self, budget: int) -> None:
        self.dropped_events = 0
        self.dropped_bytes = 0
        self._budget = budget
        self._batch = Batch(budget)  # what comes is added to it
        self._filling = threading.Lock()  # held while events come, and while another batch takes its place
        self._batches: deque[Batch] = deque()
        self._packed = 0  # bytes of all batches that were closed
        self._done = 0  # ... and of those of them that have been written

    def __len__(self) -> int:
        """How many batches are closed and have not been taken."""
        return len(self._batches)

    @property
    def bytes(self) -> int:
        """What has been added and is not done."""
        with self._filling:
            return self._packed - self._done + self._batch.size

    def add(self, calls: Sequence[Sequence[StoredEvent]]) -> None:
        """Add events of calls, each call's in their order."""
        with self._filling:
            if not self._batch.add(calls):
                for events in calls:
                    self._add_what_fits(events)
            if self._batch.size >= _BATCH_BYTES:
                self._close_batch()

    def close_batch(self) -> None:
        """Let all that has been added be taken."""
        with self._filling:
            self._close_batch()

    def take(self) -> Batch:
        """The oldest batch that is closed. :class:`IndexError` if there is none."""
        return self._batches.popleft()

    def done(self, batch: Batch) -> None:
        """Make room: a batch that was taken has been written."""
        self._done += batch.size

    def _add_what_fits(self, events: Sequence[StoredEvent]) -> None:
        """Drop and count what there is no room for: the bytes of messages first."""
        self._close_batch()  # the next one may have more
        room = self._batch.limit
        kept: list[StoredEvent] = []
        for event in events:
            if room <= 0:
                self.dropped_events += 1
                continue
            room -= EVENT_COST
            if isinstance(event, MessageSeen):
                size = len(event.data)
                if size > room:
                    self.dropped_bytes += size
                    kept.append(msgspec.structs.replace(event, data=b"", lost=size))
                    continue
                room -= size
            kept.append(event)
        if kept:
            self._batch.limit = sys.maxsize
            self._batch.add([kept])
            self._close_batch()

    def _close_batch(self) -> None:
        if self._batch.size:
            self._packed += self._batch.size
            self._batches.append(self._batch)
        self._batch = Batch(self._budget - (self._packed - self._done), self._batch.wary)
