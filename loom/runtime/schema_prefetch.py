"""Fetch the schema of a method in the background when its first call comes in, for the kind of its calls."""

from collections.abc import Sequence

from loom.model import Call, Observer
from loom.publishing import Hub
from loom.recording.history import History
from loom.schema import Schema, SchemaError

from .tasks import Tasks

MAX_METHODS = 10_000
"""Clients choose method names: the schemas of further ones are fetched when viewed."""
MAX_METHOD_LENGTH = 300
"""Characters of a method's name; the schema of one that is longer is fetched when viewed, too."""
MAX_FETCHES = 100
"""Fetches in flight; a method whose call comes in meanwhile is fetched with its next call."""


class SchemaPrefetch(Observer):
    """An observer that fetches each method's schema once and sets the kind of its calls in ``history``."""

    def __init__(
        self,
        schema: Schema,
        tasks: Tasks,
        history: History,
        hub: Hub,
        *,
        max_methods: int = MAX_METHODS,
        max_fetches: int = MAX_FETCHES,
    ) -> None:
        self._schema = schema
        self._tasks = tasks
        self._history = history
        self._hub = hub
        self._requested: set[str] = set()
        self._max_methods = max_methods
        self._max_fetches = max_fetches
        self._fetches = 0  # in flight

    def started(self, calls: Sequence[Call]) -> None:
        for call in calls:
            if (
                call.declared_kind is None
                and call.method not in self._requested
                and len(self._requested) < self._max_methods
                and self._fetches < self._max_fetches
                and len(call.method) <= MAX_METHOD_LENGTH
            ):
                self._requested.add(call.method)
                self._fetches += 1
                self._tasks.start(self._fetch(call.method), f"schema of {call.method}")

    def reset(self) -> None:
        """Fetch again: the target was reconnected or local files have changed."""
        self._requested.clear()

    async def _fetch(self, path: str) -> None:
        try:
            method = await self._schema.method(path)
        except SchemaError:
            return  # reported when the call is viewed
        finally:
            self._fetches -= 1
        calls = [call for call in self._history if call.method == path and call.declared_kind is None]
        for call in calls:
            call.declared_kind = method.kind
            call.version += 1
        self._hub.changed(calls)
