"""Asks for a method's schema when its first call comes in, beside the traffic, so that the list can say its kind."""

from collections.abc import Sequence

from loom.model import Call, Observer
from loom.publishing import Hub
from loom.recording.history import History
from loom.schema import Schema, SchemaError

from .tasks import Tasks

_MOST = 10_000  # clients choose method names: past this many, schemas are fetched when looked at only


class Warming(Observer):
    """An observer of calls. One fetch per method; ``history``'s calls of it learn their kind."""

    def __init__(self, schema: Schema, tasks: Tasks, history: History, hub: Hub) -> None:
        self._schema = schema
        self._tasks = tasks
        self._history = history
        self._hub = hub
        self._asked: set[str] = set()
        self._tasks = tasks

    def started(self, calls: Sequence[Call]) -> None:
        for call in calls:
            if call.declared_kind is None and call.method not in self._asked and len(self._asked) < _MOST:
                self._asked.add(call.method)
                self._tasks.start(self._warm(call.method), f"schema of {call.method}")

    def again(self) -> None:
        """The target came back or local files changed: what was unknown may be known now."""
        self._asked.clear()

    async def _warm(self, path: str) -> None:
        try:
            method = await self._schema.method(path)
        except SchemaError:
            return  # said where somebody looks at the call
        known = [call for call in self._history if call.method == path and call.declared_kind is None]
        for call in known:
            call.declared_kind = method.kind
            call.version += 1
        self._hub.changed(known)
