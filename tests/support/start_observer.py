"""Wait for calls that have begun, without polling."""

import asyncio
from collections.abc import Sequence

from loom.model import Call, Observer


class StartObserver(Observer):
    """An observer of a recorder that knows which calls have begun."""

    def __init__(self) -> None:
        self._ids: set[int] = set()
        self._arrived = asyncio.Event()

    def changed(self, calls: Sequence[Call]) -> None:
        self._ids.update(call.id for call in calls)
        self._arrived.set()

    async def wait(self, call_id: int) -> None:
        """Return once that call is recorded."""
        while call_id not in self._ids:
            self._arrived.clear()
            await self._arrived.wait()
