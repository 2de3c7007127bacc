"""The queue of events to be written: encoded into batches by the threads that emit them, within a budget of bytes."""

import sys
import threading
from collections import deque
from collections.abc import Sequence

import msgspec

from loom.model import MessageSeen, StoredEvent

from .batch import Batch, Group

EVENT_COST = 200
"""Bytes that an event is assumed to take beside its payload, where the queue is nearly full."""

DEFAULT_BATCH_BYTES = 1024 * 1024


class WriteQueue:
    """A thread-safe queue of batches, of at most ``budget`` bytes together and about ``batch_bytes`` each.

    What does not fit is dropped and counted: first the bytes of messages, then whole events. So are events that cannot
    be encoded.

    Events are encoded by the thread that puts them: encoding holds the interpreter in any thread, and in this one they
    are still in the processor's cache.
    """

    def __init__(self, budget: int, batch_bytes: int = DEFAULT_BATCH_BYTES) -> None:
        self._budget = budget
        self._batch_bytes = batch_bytes
        self._open_batch = Batch(budget)
        self._lock = threading.Lock()  # held while events are added, and while the open batch is replaced
        self._batches: deque[Batch] = deque()
        self._closed_bytes = 0  # of all batches that were ever closed
        self._done_bytes = 0  # of those of them that are done
        self._dropped_events = 0  # but for those of the open batch
        self.dropped_bytes = 0

    def __len__(self) -> int:
        """How many batches are closed and have not been got."""
        return len(self._batches)

    @property
    def bytes(self) -> int:
        """The bytes of encoded events that were put and are not done."""
        with self._lock:
            return self._closed_bytes - self._done_bytes + self._open_batch.size

    @property
    def dropped_events(self) -> int:
        """How many events were dropped."""
        with self._lock:
            return self._dropped_events + self._open_batch.dropped_events

    def put(self, group: Group) -> None:
        """Add events of calls, each call's in their order."""
        with self._lock:
            if not self._open_batch.add(group):
                for events in group:
                    self._put_what_fits(events)
            if self._open_batch.size >= self._batch_bytes:
                self._close_batch()

    def close_batch(self) -> None:
        """Make everything that was put available to :meth:`get`."""
        with self._lock:
            self._close_batch()

    def get(self) -> Batch:
        """Take the oldest closed batch. :class:`IndexError` if there is none."""
        return self._batches.popleft()

    def task_done(self, batch: Batch) -> None:
        """Free the bytes of a batch that was taken and has been written, or given up."""
        self._done_bytes += batch.size

    def count_dropped(self, events: int) -> None:
        """Count events of a taken batch that could not be written."""
        with self._lock:
            self._dropped_events += events

    def _put_what_fits(self, events: Sequence[StoredEvent]) -> None:
        self._close_batch()  # there may be more room for the next one
        room = self._open_batch.limit
        fitting: list[StoredEvent] = []
        for event in events:
            if room <= 0:
                self._dropped_events += 1
                continue
            room -= EVENT_COST
            if isinstance(event, MessageSeen):
                size = len(event.data)
                if size > room:
                    self.dropped_bytes += size
                    fitting.append(msgspec.structs.replace(event, data=b"", lost=size))
                    continue
                room -= size
            fitting.append(event)
        if fitting:
            self._open_batch.limit = sys.maxsize
            self._open_batch.add([fitting])
            self._close_batch()

    def _close_batch(self) -> None:
        self._dropped_events += self._open_batch.dropped_events
        if self._open_batch.size:
            self._closed_bytes += self._open_batch.size
            self._batches.append(self._open_batch)
        self._open_batch = Batch(
            self._budget - (self._closed_bytes - self._done_bytes), large_search=self._open_batch.large_search
        )
