"""The newest calls of a file that fit into memory, whatever their order in it."""

from loom.model import Call
from loom.model.memory import CALL_COST, MESSAGE_COST


class NewestCalls:
    """Keeps the calls with the highest ids, of at most twice ``budget`` bytes together; the oldest are dropped."""

    def __init__(self, budget: int) -> None:
        self.dropped = 0
        """The number of calls that were dropped."""
        self._budget = budget
        self._calls: list[Call] = []
        self._bytes = 0
        self._last_dropped = 0  # the highest id

    def add(self, call: Call) -> None:
        """Keep a call, unless newer ones have been dropped."""
        if call.id <= self._last_dropped:
            self.dropped += 1
            return
        self._calls.append(call)
        self._bytes += _cost(call)
        if self._bytes > 2 * self._budget:
            self._shrink()

    def calls(self) -> list[Call]:
        """The calls by id, oldest first."""
        self._calls.sort(key=lambda call: call.id)
        return self._calls

    def _shrink(self) -> None:
        """Drop the oldest calls past the budget: half of all, so that the cost of sorting is spread."""
        calls, size = self.calls(), 0
        for index in range(len(calls) - 1, -1, -1):
            size += _cost(calls[index])
            if size > self._budget and index < len(calls) - 1:
                self.dropped += index + 1
                self._bytes = size - _cost(calls[index])
                self._last_dropped = calls[index].id
                del calls[: index + 1]
                return


def _cost(call: Call) -> int:
    return CALL_COST + call.request_bytes + call.response_bytes + MESSAGE_COST * len(call.messages)
