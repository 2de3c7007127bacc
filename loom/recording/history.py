"""The calls in memory: the newest that fit into a budget of bytes."""

import heapq
import logging
from collections import OrderedDict, deque
from collections.abc import Iterator, Sequence
from itertools import islice

from loom.model import Call, Event
from loom.model.memory import CALL_COST, MESSAGE_COST, metadata_cost
from loom.model.projection import apply_events

from .trim_queue import TrimQueue

_log = logging.getLogger(__name__)

DEFAULT_BUDGET = 256 * 1024 * 1024
DEFAULT_MAX_LIVE = 50_000


class History:
    """Calls by id, oldest first, within ``budget`` bytes and with at most ``max_live`` calls in flight.

    Past the budget the oldest ended calls are evicted; where only live calls are left, their messages are dropped,
    from the middle of long streams first (see :class:`.trim_queue.TrimQueue`); where no messages are left, or past
    ``max_live``, the oldest live calls are evicted, and their later events are ignored. A call that alone takes more
    than a quarter of the budget has messages dropped (see :class:`loom.model.Messages`), so that one endless stream
    does not evict all others.

    All of that is counted, and takes amortised constant time per event, whatever is open or kept.
    """

    def __init__(self, budget: int = DEFAULT_BUDGET, max_live: int = DEFAULT_MAX_LIVE) -> None:
        self.budget = budget
        self.call_budget = max(budget // 4, 64 * 1024)
        self.max_live = max_live
        self.bytes = 0
        self.evicted = 0
        self.evicted_live = 0  # those of them that had not ended
        self.dropped_messages = 0
        self.dropped_bytes = 0
        self.last_id = 0
        self.cleared = 0  # ended calls up to this id were cleared
        self.in_flight: OrderedDict[int, Call] = (
            OrderedDict()
        )  # whose removals at the front are O(1), unlike dict's
        """Calls that have not ended, by id, oldest first."""
        self._calls: dict[int, Call] = {}
        self._costs: dict[int, int] = {}
        # Ended calls by id: in the queue while they end in the order of their ids, else in the heap.
        self._ended: deque[int] = deque()
        self._ended_late: list[int] = []
        self._complete_from = 0
        self._trim_queue: TrimQueue | None = None  # there once only live calls have filled the budget
        self._replays: dict[int, list[int]] = {}

    def __len__(self) -> int:
        return len(self._calls)

    def __iter__(self) -> Iterator[Call]:
        return iter(self._calls.values())

    @property
    def live(self) -> int:
        """The number of calls in flight."""
        return len(self.in_flight)

    @property
    def oldest_id(self) -> int:
        """The smallest id of an ended call; the next id there will be where no call has ended."""
        if self._ended and self._ended_late:
            return min(self._ended[0], self._ended_late[0])
        if self._ended:
            return self._ended[0]
        return self._ended_late[0] if self._ended_late else self.last_id + 1

    @property
    def complete_from(self) -> int:
        """Every call of this id and up is here, live or ended; of those below, some have been evicted or cleared."""
        return self._complete_from or self.last_id + 1

    def get(self, call_id: int) -> Call | None:
        return self._calls.get(call_id)

    def replays_of(self, call_id: int) -> list[int]:
        """The ids of calls in memory that are replays of this one."""
        return [replay for replay in self._replays.get(call_id, []) if replay in self._calls]

    def newest(self, limit: int, before: int | None = None) -> list[Call]:
        """At most ``limit`` calls, the newest ones (older than ``before``), oldest first."""
        calls = reversed(self._calls.values())
        if before is not None:
            calls = (call for call in calls if call.id < before)
        return list(islice(calls, limit))[::-1]

    def after(self, call_id: int, limit: int) -> list[Call]:
        """At most ``limit`` calls newer than ``call_id``, oldest first."""
        calls = []
        for call in reversed(self._calls.values()):
            if call.id <= call_id:
                break
            calls.append(call)
        return calls[::-1][:limit]

    def add(self, call: Call, events: Sequence[Event] = ()) -> None:
        """Add the newest call, whose metadata and messages come with ``events``; it may have ended with them."""
        self._add(call, apply_events(call, events, self.call_budget) if events else 0)
        if call.dropped_messages:
            self._count_dropped(call.dropped_messages, call.dropped_bytes)

    def restore(self, call: Call) -> None:
        """Add a call with all that it holds already. Calls come in order of id."""
        cost = sum(MESSAGE_COST + len(message.data or b"") for message in call.messages)
        for metadata in (call.request_metadata, call.initial_metadata, call.trailing_metadata):
            cost += metadata_cost(metadata or ())
        cost += call.original_bytes + MESSAGE_COST * len(call.interceptions)
        self._add(call, cost)

    def update(self, call: Call, events: Sequence[Event]) -> None:
        """Apply further events of a call that is in flight."""
        dropped_messages, dropped_bytes = call.dropped_messages, call.dropped_bytes
        cost = apply_events(call, events, self.call_budget)
        if call.dropped_messages != dropped_messages:
            self._count_dropped(call.dropped_messages - dropped_messages, call.dropped_bytes - dropped_bytes)
        call_id = call.id
        total = self._costs.get(call_id)
        if total is None:  # evicted
            return
        self._costs[call_id] = total = total + cost
        self.bytes += cost
        if call.ended_ns is not None:
            self._end(call_id)
        elif self._trim_queue is not None:
            self._trim_queue.put(call)
        if total > self.call_budget:
            self._trim(call)
        if self.bytes > self.budget:
            self._shrink()

    def clear(self) -> int:
        """Remove every ended call and return how many there were; calls in flight stay, so that their end is seen."""
        ended = [*self._ended, *self._ended_late]
        for call_id in ended:
            self._remove(call_id)
        self._ended.clear()
        self._ended_late.clear()
        self.cleared = self.last_id
        self._complete_from = self.last_id + 1
        return len(ended)

    def _add(self, call: Call, cost: int) -> None:
        call_id = call.id
        self._calls[call_id] = call
        if call_id > self.last_id:  # noqa: PLR1730 (max() costs a call for every call)
            self.last_id = call_id
        if not self._complete_from:
            self._complete_from = call_id
        if call.replay_of is not None:
            self._replays.setdefault(call.replay_of, []).append(call_id)
        cost += CALL_COST + len(call.method)
        self._costs[call_id] = cost
        self.bytes += cost
        if call.ended_ns is not None:
            self._queue_ended(call_id)
        else:
            self.in_flight[call_id] = call
            if self._trim_queue is not None:
                self._trim_queue.put(call)
            if len(self.in_flight) > self.max_live:
                self._evict_live(f"more than {self.max_live:,} calls are in flight")
        if cost > self.call_budget:
            self._trim(call)
        if self.bytes > self.budget:
            self._shrink()

    def _end(self, call_id: int) -> None:
        del self.in_flight[call_id]
        if self._trim_queue is not None:
            self._trim_queue.discard(call_id)
        self._queue_ended(call_id)

    def _queue_ended(self, call_id: int) -> None:
        if not self._ended or call_id > self._ended[-1]:
            self._ended.append(call_id)
        else:
            heapq.heappush(self._ended_late, call_id)

    def _shrink(self) -> None:
        """Evict and drop until the budget holds."""
        while self.bytes > self.budget:
            if self._ended or self._ended_late:
                self._evict(self._pop_ended())
            elif not self._drop_live_message():
                if not self.in_flight:
                    return
                self._evict_live("calls in flight alone fill the history's budget")

    def _pop_ended(self) -> int:
        """Take the oldest ended call out of its queue."""
        if self._ended and not (self._ended_late and self._ended_late[0] < self._ended[0]):
            return self._ended.popleft()
        return heapq.heappop(self._ended_late)

    def _drop_live_message(self) -> bool:
        """Drop a message of a live call; False if none has any."""
        if self._trim_queue is None:
            self._trim_queue = TrimQueue(self.in_flight.values())
        call = self._trim_queue.pop()
        if call is None:
            return False
        self._drop_message(call)
        self._trim_queue.put(call)
        return True

    def _trim(self, call: Call) -> None:
        """Drop messages of a call until it takes no more than a call's budget."""
        while self._costs.get(call.id, 0) > self.call_budget and self._drop_message(call):
            pass

    def _drop_message(self, call: Call) -> bool:
        message = call.messages.drop()
        if message is None:
            return False
        cost = MESSAGE_COST
        if message.data is not None:
            cost += message.size
            call.dropped_messages += 1
            call.dropped_bytes += message.size
            self._count_dropped(1, message.size)
        self._costs[call.id] -= cost
        self.bytes -= cost
        return True

    def _count_dropped(self, messages: int, size: int) -> None:
        self.dropped_messages += messages
        self.dropped_bytes += size

    def _evict_live(self, reason: str) -> None:
        call_id, _ = self.in_flight.popitem(last=False)
        if self._trim_queue is not None:
            self._trim_queue.discard(call_id)
        if not self.evicted_live:
            _log.warning("%s: the oldest are no longer in memory", reason)
        self.evicted_live += 1
        self._evict(call_id)

    def _evict(self, call_id: int) -> None:
        self._remove(call_id)
        self.evicted += 1
        if call_id >= self._complete_from:
            self._complete_from = call_id + 1

    def _remove(self, call_id: int) -> None:
        del self._calls[call_id]
        self.bytes -= self._costs.pop(call_id)
        if self._replays:
            self._replays.pop(call_id, None)
