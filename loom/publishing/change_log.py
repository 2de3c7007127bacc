"""Which calls changed with which tick, for subscribers that come back to the feed."""

from collections import deque
from collections.abc import Sequence

DEFAULT_MAX_CHANGES = 200_000


class ChangeLog:
    """Ticks with the ids of the calls that changed; past ``max_changes`` the oldest ticks are evicted."""

    def __init__(self, max_changes: int = DEFAULT_MAX_CHANGES) -> None:
        self._max_changes = max_changes
        self._ticks: deque[tuple[int, Sequence[int]]] = deque()
        self._size = 0
        self._evicted_seq = 0  # the newest tick that was evicted

    def append(self, seq: int, call_ids: Sequence[int]) -> None:
        """Add the calls that changed with tick ``seq``, which is the last one or a later one."""
        self._ticks.append((seq, call_ids))
        self._size += len(call_ids)
        while self._size > self._max_changes and len(self._ticks) > 1:
            self._evicted_seq, evicted = self._ticks.popleft()
            self._size -= len(evicted)

    def since(self, seq: int) -> list[int] | None:
        """The calls that changed after that tick, oldest change first; None if some of them were evicted."""
        if seq < self._evicted_seq:
            return None
        newest_first: dict[int, None] = {}
        for tick, call_ids in reversed(self._ticks):
            if tick <= seq:
                break
            newest_first.update(dict.fromkeys(reversed(call_ids)))
        return list(newest_first)[::-1]
