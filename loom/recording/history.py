"""The calls held in memory: the newest that fit into a budget of bytes."""

import functools
import heapq
from collections import deque
from collections.abc import Iterator
from itertools import islice

from loom.model import Call, Message, Metadata

# What a record costs beside its payload, measured with tracemalloc on CPython 3.11 and rounded up.
CALL_COST = 1200
MESSAGE_COST = 180
METADATA_ITEM_COST = 120

DEFAULT_BUDGET = 256 * 1024 * 1024


@functools.lru_cache(maxsize=4096)
def metadata_cost(metadata: Metadata) -> int:
    """The bytes that a block of metadata is counted as. Calls repeat their blocks, so answers are remembered."""
    return sum(METADATA_ITEM_COST + len(key) + len(value) for key, value in metadata)


class History:
    """Calls by id, oldest first, within ``budget`` bytes.

    Past the budget the oldest ended calls go, whole. A call that alone holds more than a
    quarter of the budget loses messages from its middle instead (see
    :class:`loom.model.Messages`), so that one endless stream does not push all else out.
    Everything that went is counted.
    """

    def __init__(self, budget: int = DEFAULT_BUDGET) -> None:
        self.budget = budget
        self.call_budget = max(budget // 4, 64 * 1024)
        self.bytes = 0
        self.evicted = 0
        self.dropped_messages = 0
        self.dropped_bytes = 0
        self.last_id = 0
        self.cleared = 0  # ended calls up to this id were cleared
        self._calls: dict[int, Call] = {}
        # Eviction in constant time: calls in order of id, less the live ones that eviction has
        # passed over, which join the heap of late ones when they end.
        self._queue: deque[Call] = deque()
        self._passed: set[int] = set()
        self._late: list[int] = []
        self._costs: dict[int, int] = {}
        self.in_flight: dict[int, Call] = {}
        """Held calls that have not ended, by id; they stay until they have."""
        self._replays: dict[int, list[int]] = {}

    def __len__(self) -> int:
        return len(self._calls)

    def __iter__(self) -> Iterator[Call]:
        return iter(self._calls.values())

    @property
    def live(self) -> int:
        """How many held calls are in flight."""
        return len(self.in_flight)

    @property
    def oldest_id(self) -> int:
        """Ended calls with a smaller id are gone."""
        if self._late:
            return self._late[0]
        for call in self._queue:
            if call.id not in self.in_flight:
                return call.id
        return self.last_id + 1

    def get(self, call_id: int) -> Call | None:
        return self._calls.get(call_id)

    def replays_of(self, call_id: int) -> list[int]:
        """The ids of held calls that are replays of this one."""
        return [replay for replay in self._replays.get(call_id, []) if replay in self._calls]

    def newest(self, limit: int, before: int | None = None) -> list[Call]:
        """At most ``limit`` calls, oldest first, the newest there are (older than ``before``)."""
        calls = reversed(self._calls.values())
        if before is not None:
            calls = (call for call in calls if call.id < before)
        return list(islice(calls, limit))[::-1]

    def after(self, call_id: int, limit: int) -> list[Call]:
        """At most ``limit`` calls newer than ``call_id``, oldest first."""
        found = []
        for call in reversed(self._calls.values()):
            if call.id <= call_id:
                break
            found.append(call)
        return found[::-1][:limit]

    def add(self, call: Call, cost: int = 0) -> None:
        """Take in the newest call, live or ended; its messages and metadata are counted as ``cost`` bytes."""
        call_id = call.id
        self._calls[call_id] = call
        self._queue.append(call)
        if call_id > self.last_id:  # noqa: PLR1730 (max() is another call for every call)
            self.last_id = call_id
        if call.ended_ns is None:
            self.in_flight[call_id] = call
        if call.replay_of is not None:
            self._replays.setdefault(call.replay_of, []).append(call_id)
        cost += CALL_COST + len(call.method)
        self._costs[call_id] = cost
        self.bytes += cost
        if cost > self.call_budget:
            self._trim(call, self.call_budget)
        if self.bytes > self.budget:
            self._shrink()

    def restore(self, call: Call) -> None:
        """Take in a call with all that it holds (in order of id)."""
        cost = sum(MESSAGE_COST + len(message.data or b"") for message in call.messages)
        for metadata in (call.request_metadata, call.initial_metadata, call.trailing_metadata):
            cost += metadata_cost(metadata or ())
        self.add(call, cost)

    def grew(self, call: Call, cost: int) -> None:
        """A held call has grown by ``cost`` bytes."""
        total = self._costs.get(call.id)
        if total is None:  # evicted or cleared: it is counted no more
            return
        total += cost
        self._costs[call.id] = total
        self.bytes += cost
        if total > self.call_budget:
            self._trim(call, self.call_budget)
        if self.bytes > self.budget:
            self._shrink()

    def keep(self, call: Call, message: Message) -> int:
        """Append a message to its call; the bytes by which that :meth:`grew`.

        One too large for a call's budget keeps its size only.
        """
        call.messages.append(message)
        size = message.size
        if message.data is None or size > self.call_budget:
            message.data = None
            self._count_dropped(call, size)
            return MESSAGE_COST
        return MESSAGE_COST + size

    def ended(self, call: Call) -> None:
        """A held call is in flight no more."""
        self.in_flight.pop(call.id, None)
        if call.id in self._passed:
            self._passed.discard(call.id)
            heapq.heappush(self._late, call.id)

    def clear(self) -> int:
        """Let go of every ended call; calls in flight stay, so that their end is still seen."""
        gone = [call for call in self._calls.values() if call.id not in self.in_flight]
        for call in gone:
            self._remove(call)
        self._queue = deque(call for call in self._queue if call.id in self.in_flight)
        self._late.clear()
        self.cleared = self.last_id
        return len(gone)

    def _trim(self, call: Call, target: int) -> None:
        """Drop messages from the middle of a call until it costs at most ``target`` bytes."""
        total = self._costs[call.id]
        while total > target:
            message = call.messages.drop_oldest()
            if message is None:
                break
            cost = MESSAGE_COST + len(message.data or b"")
            if message.data is not None:
                self._count_dropped(call, message.size)
            total -= cost
            self.bytes -= cost
        self._costs[call.id] = total

    def _count_dropped(self, call: Call, size: int) -> None:
        call.dropped_messages += 1
        call.dropped_bytes += size
        self.dropped_messages += 1
        self.dropped_bytes += size

    def _shrink(self) -> None:
        while self.bytes > self.budget:
            call = self._next_to_go()
            if call is None:
                self._shrink_live()
                return
            self._remove(call)
            self.evicted += 1

    def _next_to_go(self) -> Call | None:
        """Take the oldest ended call out of the queues; live ones are passed over."""
        while self._queue and self._queue[0].id in self.in_flight:
            call = self._queue.popleft()
            self._passed.add(call.id)
        if self._late and (not self._queue or self._late[0] < self._queue[0].id):
            return self._calls[heapq.heappop(self._late)]
        return self._queue.popleft() if self._queue else None

    def _shrink_live(self) -> None:
        """Only live calls are left and they are still too much: each gives up its middle."""
        for call in self.in_flight.values():
            over = self.bytes - self.budget
            if over <= 0:
                break
            self._trim(call, self._costs[call.id] - over)

    def _remove(self, call: Call) -> None:
        del self._calls[call.id]
        self.bytes -= self._costs.pop(call.id)
        if self._replays:
            self._replays.pop(call.id, None)
