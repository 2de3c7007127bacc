"""Waits for what a recorder tells of, without polling."""

import asyncio

from loom.model import Call


class Ended:
    """An observer of a recorder that knows which calls have ended."""

    def __init__(self) -> None:
        self._ids: set[int] = set()
        self._arrived = asyncio.Event()

    def changed(self, call: Call) -> None:
        """Not of interest."""

    def ended(self, call: Call) -> None:
        self._ids.add(call.id)
        self._arrived.set()

    async def wait(self, call_id: int) -> None:
        """Return once that call has ended."""
        while call_id not in self._ids:
            self._arrived.clear()
            await self._arrived.wait()
