"""Calls of a file come in under new ids, and a replay goes on being one: of its call, if that is in the file, too."""

from collections.abc import Iterable, Iterator

from loom.model import Call
from loom.model.memory import CALL_COST

_MOST_WAITING = 16 * 1024 * 1024  # bytes of messages of replays that wait for their calls

UNKNOWN_PARENT = 0
"""What a replay is a replay of where that call did not come along."""


class IdMap:
    """New ids by those that the file has."""

    def __init__(self) -> None:
        self._new: dict[int, int] = {}

    def parent(self, call: Call) -> int | None:
        """The new id of what a call is a replay of."""
        return None if call.replay_of is None else self._new.get(call.replay_of, UNKNOWN_PARENT)

    def give(self, call: Call, number: int) -> None:
        self._new[call.id] = number


class _Waiting:
    """Replays by the id of what they repeat."""

    def __init__(self) -> None:
        self.size = 0
        self._calls: dict[int, list[Call]] = {}
        self._ids: set[int] = set()

    def add(self, call: Call, parent: int) -> None:
        self._calls.setdefault(parent, []).append(call)
        self._ids.add(call.id)
        self.size += _size(call)

    def take(self, parent: int) -> list[Call]:
        taken = self._calls.pop(parent, [])
        self._ids.difference_update(call.id for call in taken)
        self.size -= sum(map(_size, taken))
        return taken

    def take_oldest(self) -> list[Call]:
        """Those that wait for a call that does not wait itself, or any."""
        outside = (parent for parent in self._calls if parent not in self._ids)
        return self.take(next(outside, next(iter(self._calls))))

    def __bool__(self) -> bool:
        return bool(self._calls)


def parents_first(calls: Iterable[Call]) -> Iterator[Call]:
    """The same calls, a replay after what it repeats: they come in the order of their end, and it may have ended first.

    A call that does not come by the end, or not before too much waits for others, is not waited for.
    """
    seen: set[int] = set()
    waiting = _Waiting()

    def released(ready: list[Call]) -> Iterator[Call]:
        while ready:
            call = ready.pop(0)
            seen.add(call.id)
            yield call
            ready += waiting.take(call.id)

    for call in calls:
        if not call.replay_of or call.replay_of in seen:
            yield from released([call])
            continue
        waiting.add(call, call.replay_of)
        if waiting.size > _MOST_WAITING:
            yield from released(waiting.take_oldest())
    while waiting:
        yield from released(waiting.take_oldest())


def _size(call: Call) -> int:
    return CALL_COST + call.request_bytes + call.response_bytes
