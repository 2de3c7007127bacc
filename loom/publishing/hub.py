"""Collects what changed and hands it out on a tick: one encoding for all who listen."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import msgspec

from loom.api.calls import Summary
from loom.model import Call, Observer

from .changes import Changes
from .rates import Rates
from .subscriber import Subscriber, Update

TICK_SECONDS = 0.1
BATCH = 1000  # calls per tick: ten thousand a second, more than a screen can show
BACKLOG = 20_000  # calls that may wait for a later tick before they become a gap


@dataclass(frozen=True, slots=True)
class Feed:
    """A position in the feed: ``<boot>:<seq>`` on the wire."""

    boot: str
    seq: int

    def __str__(self) -> str:
        return f"{self.boot}:{self.seq}"

    @classmethod
    def parse(cls, text: str | None) -> "Feed | None":
        """Read ``<boot>:<seq>``; None for anything else."""
        boot, colon, seq = (text or "").rpartition(":")
        return cls(boot, int(seq)) if colon and seq.isascii() and seq.isdigit() else None


class Hub(Observer):
    """An observer of calls with any number of subscribers.

    Each tick sends the newest state of every call that changed since the last one, at most
    ``BATCH`` of them, newest first; the rest waits, and past ``BACKLOG`` it becomes a gap.
    ``summarise`` turns a call into its summary.
    """

    def __init__(self, boot: str, summarise: Callable[[Call], Summary]) -> None:
        self.boot = boot
        self.seq = 0
        self.rates = Rates()
        self.skipped = 0
        self._summarise = summarise
        self._dirty: dict[int, Call] = {}
        self._subscribers: set[Subscriber] = set()
        self._changes = Changes()
        self._encoder = msgspec.json.Encoder()

    @property
    def position(self) -> Feed:
        return Feed(self.boot, self.seq)

    @property
    def subscribers(self) -> int:
        return len(self._subscribers)

    def changed(self, calls: Sequence[Call]) -> None:
        dirty = self._dirty
        for call in calls:
            dirty[call.id] = call

    def ended(self, calls: Sequence[Call]) -> None:
        durations = [(call.ended_ns or call.started_ns) - call.started_ns for call in calls]
        self.rates.ended(durations, errors=len([call for call in calls if call.status and call.status.code]))

    def subscribe(self, subscriber: Subscriber) -> None:
        """From the next tick on this subscriber is told of everything."""
        self._subscribers.add(subscriber)

    def unsubscribe(self, subscriber: Subscriber) -> None:
        subscriber.close()
        self._subscribers.discard(subscriber)

    def close(self) -> None:
        """End every subscription."""
        for subscriber in list(self._subscribers):
            self.unsubscribe(subscriber)

    def changes_since(self, last: Feed, held: Callable[[int], Call | None]) -> list[Call] | None:
        """Held calls that changed after ``last``, oldest change first; None where that is forgotten."""
        changed = self._changes.since(last.seq) if last.boot == self.boot and last.seq <= self.seq else None
        return None if changed is None else [call for call in map(held, changed) if call is not None]

    def tick(self) -> None:
        """Send what changed since the last tick."""
        if not self._dirty:
            return
        self.seq += 1
        batch = self._take()
        self._changes.note(self.seq, [call.id for call in batch])
        if not self._subscribers:
            return
        self._send("calls", self.encode([self._summarise(call) for call in batch]), len(batch))

    def send(self, event: str, data: object) -> None:
        """Send any other event to everybody."""
        if self._subscribers:
            self._send(event, self.encode(data), 0)

    def encode(self, data: object) -> str:
        return self._encoder.encode(data).decode()

    def _send(self, event: str, data: str, calls: int) -> None:
        update = Update(event, data, self.seq, calls)
        for subscriber in self._subscribers:
            subscriber.offer(update)

    def _take(self) -> list[Call]:
        if len(self._dirty) <= BATCH or not self._subscribers:
            batch = list(self._dirty.values())
            self._dirty = {}
            return batch
        batch = []
        while len(batch) < BATCH:
            batch.append(self._dirty.popitem()[1])
        batch.reverse()
        missed = len(self._dirty)
        if missed > BACKLOG:
            self._changes.note(self.seq, list(self._dirty))
            self._dirty = {}
            self.skipped += missed
            self._send("gap", f'{{"missed":{missed}}}', 0)
        return batch
