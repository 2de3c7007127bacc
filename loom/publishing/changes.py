"""Which calls changed with which tick, for those who come back to the feed."""

from collections import deque
from collections.abc import Sequence

RESUMABLE = 200_000  # changes that are remembered


class Changes:
    """A bounded log: ticks with the ids of the calls that changed, the oldest forgotten first."""

    def __init__(self) -> None:
        self._ticks: deque[tuple[int, Sequence[int]]] = deque()
        self._held = 0
        self._forgotten = 0  # the newest tick that is no longer known

    def note(self, seq: int, call_ids: Sequence[int]) -> None:
        """These calls changed; ``seq`` is greater than, or that of, the last one."""
        self._ticks.append((seq, call_ids))
        self._held += len(call_ids)
        while self._held > RESUMABLE and len(self._ticks) > 1:
            self._forgotten, gone = self._ticks.popleft()
            self._held -= len(gone)

    def since(self, seq: int) -> list[int] | None:
        """The calls that changed after that tick, oldest change first; None where that is forgotten."""
        if seq < self._forgotten:
            return None
        found: dict[int, None] = {}
        for at, call_ids in reversed(self._ticks):
            if at <= seq:
                break
            found.update(dict.fromkeys(reversed(call_ids)))
        return list(found)[::-1]
