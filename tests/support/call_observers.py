"""Wait for recorded calls, without polling."""

import asyncio
from collections.abc import Sequence

from loom.model import Call, Observer


class _CallObserver(Observer):
    """An observer of a recorder that remembers the ids of calls."""

    def __init__(self) -> None:
        self._ids: set[int] = set()
        self._arrived = asyncio.Event()

    def _add(self, calls: Sequence[Call]) -> None:
        self._ids.update(call.id for call in calls)
        self._arrived.set()

    async def wait(self, call_id: int) -> None:
        """Return once that call has come."""
        while call_id not in self._ids:
            self._arrived.clear()
            await self._arrived.wait()


class EndObserver(_CallObserver):
    """Knows which calls have ended."""

    def ended(self, calls: Sequence[Call]) -> None:
        self._add(calls)


class StartObserver(_CallObserver):
    """Knows which calls have begun."""

    def changed(self, calls: Sequence[Call]) -> None:
        self._add(calls)
