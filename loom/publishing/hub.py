"""Collects changes of calls and publishes them on a tick, encoded once for all subscribers."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import msgspec

from loom.api.calls import Summary
from loom.model import Call, Observer

from .change_log import DEFAULT_MAX_CHANGES, ChangeLog
from .rates import Rates
from .subscriber import Subscriber, Update

TICK_SECONDS = 0.1
DEFAULT_BATCH_SIZE = 1000  # ten thousand calls a second, more than a screen can show
DEFAULT_MAX_BACKLOG = 20_000
_MAX_SEQ_DIGITS = 19


@dataclass(frozen=True, slots=True)
class FeedPosition:
    """A position in the feed: ``<boot>:<seq>`` on the wire."""

    boot: str
    seq: int

    def __str__(self) -> str:
        return f"{self.boot}:{self.seq}"

    @classmethod
    def parse(cls, text: str | None) -> "FeedPosition | None":
        """Parse ``<boot>:<seq>``; None for anything else."""
        boot, colon, seq = (text or "").rpartition(":")
        valid = colon and seq.isascii() and seq.isdigit() and len(seq) <= _MAX_SEQ_DIGITS
        return cls(boot, int(seq)) if valid else None


class Hub(Observer):
    """An observer of calls with any number of subscribers.

    Each tick publishes the current state of every call that changed since the last one, at most ``batch_size`` of
    them, newest first; the others follow with the next ticks, and past ``max_backlog`` calls they become a gap.
    ``summarise`` returns a call's summary. Subscribers that come back resume after up to ``max_changes`` changes.
    """

    def __init__(
        self,
        boot: str,
        summarise: Callable[[Call], Summary],
        *,
        batch_size: int = DEFAULT_BATCH_SIZE,
        max_backlog: int = DEFAULT_MAX_BACKLOG,
        max_changes: int = DEFAULT_MAX_CHANGES,
    ) -> None:
        self.boot = boot
        self.seq = 0
        self.rates = Rates()
        self.skipped = 0  # calls that became a gap
        self._summarise = summarise
        self._batch_size = batch_size
        self._max_backlog = max_backlog
        self._changed: dict[int, Call] = {}
        self._subscribers: set[Subscriber] = set()
        self._change_log = ChangeLog(max_changes)
        self._encoder = msgspec.json.Encoder()

    @property
    def position(self) -> FeedPosition:
        return FeedPosition(self.boot, self.seq)

    @property
    def subscribers(self) -> int:
        return len(self._subscribers)

    def changed(self, calls: Sequence[Call]) -> None:
        changed = self._changed
        for call in calls:
            changed[call.id] = call

    def ended(self, calls: Sequence[Call]) -> None:
        durations = [call.active_ns for call in calls]
        self.rates.ended(durations, errors=len([call for call in calls if call.status and call.status.code]))

    def subscribe(self, subscriber: Subscriber) -> None:
        """Send everything that is published from the next tick on to this subscriber."""
        self._subscribers.add(subscriber)

    def unsubscribe(self, subscriber: Subscriber) -> None:
        subscriber.close()
        self._subscribers.discard(subscriber)

    def close(self) -> None:
        """End every subscription."""
        for subscriber in list(self._subscribers):
            self.unsubscribe(subscriber)

    def changes_since(
        self, position: FeedPosition, get_call: Callable[[int], Call | None]
    ) -> list[Call] | None:
        """The calls that changed after ``position``, oldest change first, as far as ``get_call`` still has them.

        None if the position is of another boot or too old.
        """
        if position.boot != self.boot or position.seq > self.seq:
            return None
        call_ids = self._change_log.since(position.seq)
        return None if call_ids is None else [call for call in map(get_call, call_ids) if call is not None]

    def tick(self) -> None:
        """Publish what changed since the last tick."""
        if not self._changed:
            return
        self.seq += 1
        batch = self._next_batch()
        self._change_log.append(self.seq, [call.id for call in batch])
        if not self._subscribers:
            return
        self._publish("calls", self.encode([self._summarise(call) for call in batch]), len(batch))

    def send(self, event: str, data: object) -> None:
        """Publish any other event."""
        if self._subscribers:
            self._publish(event, self.encode(data), 0)

    def encode(self, data: object) -> str:
        return self._encoder.encode(data).decode()

    def _publish(self, event: str, data: str, calls: int) -> None:
        update = Update(event, data, self.seq, calls)
        for subscriber in self._subscribers:
            subscriber.put(update)

    def _next_batch(self) -> list[Call]:
        if len(self._changed) <= self._batch_size or not self._subscribers:
            batch = list(self._changed.values())
            self._changed = {}
            return batch
        batch = []
        while len(batch) < self._batch_size:
            batch.append(self._changed.popitem()[1])
        batch.reverse()
        missed = len(self._changed)
        if missed > self._max_backlog:
            self._change_log.append(self.seq, list(self._changed))
            self._changed = {}
            self.skipped += missed
            self._publish("gap", f'{{"missed":{missed}}}', 0)
        return batch
