"""A sink that tests can look into and wait on."""

import asyncio
from collections.abc import Callable, Sequence
from typing import TypeVar

from loom.model import CallEnded, Event

E = TypeVar("E")


class ListSink:
    """Keeps every event, in order."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self._arrived = asyncio.Event()

    def emit(self, *events: Event) -> None:
        self.emit_all([events])

    def emit_all(self, calls: Sequence[Sequence[Event]]) -> None:
        for events in calls:
            self.events += events
        self._arrived.set()

    def of(self, kind: type[E], call_id: int | None = None) -> list[E]:
        """The events of one class, of one call if asked for."""
        return [
            event
            for event in self.events
            if isinstance(event, kind) and (call_id is None or event.call_id == call_id)
        ]

    async def until(self, holds: Callable[[], bool]) -> None:
        """Wait until ``holds()``, checked after each event."""
        while not holds():
            self._arrived.clear()
            await self._arrived.wait()

    async def ended(self, calls: int = 1) -> list[CallEnded]:
        """Wait until that many calls have ended; their ends, in that order."""
        await self.until(lambda: len(self.of(CallEnded)) >= calls)
        return self.of(CallEnded)
