"""Order imported calls, a replay after the call that it repeats.

A file has its calls in the order in which they ended, and a replay may have ended before the call that it repeats.
"""

from collections.abc import Iterable, Iterator

from loom.model import Call
from loom.model.memory import CALL_COST

PENDING_BYTES = 16 * 1024 * 1024
"""How many bytes of replays wait for their calls before the first of them goes ahead."""


def parents_first(calls: Iterable[Call], *, max_bytes: int = PENDING_BYTES) -> Iterator[Call]:
    """Yield the same calls, each after the one that its ``replay_of`` names.

    If that call does not come, or more than ``max_bytes`` are waiting, the replay goes ahead without it.
    """
    yielded: set[int] = set()
    pending = _PendingReplays()

    def release(calls: list[Call]) -> Iterator[Call]:
        while calls:
            call = calls.pop(0)
            yielded.add(call.id)
            yield call
            calls += pending.pop(call.id)

    for call in calls:
        if not call.replay_of or call.replay_of in yielded:
            yield from release([call])
            continue
        pending.add(call, call.replay_of)
        if pending.size > max_bytes:
            yield from release(pending.pop_oldest())
    while pending:
        yield from release(pending.pop_oldest())


class _PendingReplays:
    """Replays by the id of the call that they repeat."""

    def __init__(self) -> None:
        self.size = 0  # bytes
        self._calls: dict[int, list[Call]] = {}
        self._ids: set[int] = set()

    def add(self, call: Call, parent: int) -> None:
        self._calls.setdefault(parent, []).append(call)
        self._ids.add(call.id)
        self.size += _size(call)

    def pop(self, parent: int) -> list[Call]:
        calls = self._calls.pop(parent, [])
        self._ids.difference_update(call.id for call in calls)
        self.size -= sum(map(_size, calls))
        return calls

    def pop_oldest(self) -> list[Call]:
        """The replays of the first call that is not pending itself, or of any."""
        outside = (parent for parent in self._calls if parent not in self._ids)
        return self.pop(next(outside, next(iter(self._calls))))

    def __bool__(self) -> bool:
        return bool(self._calls)


def _size(call: Call) -> int:
    return CALL_COST + call.request_bytes + call.response_bytes
