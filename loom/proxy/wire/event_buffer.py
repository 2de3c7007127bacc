"""Gathers what several connections emit, to hand it on at once."""

from collections.abc import Sequence

from loom.model import Event, Sink


class Gathering:
    """A :class:`loom.model.Sink` in front of another, which gets nothing before :meth:`hand_on`."""

    def __init__(self, sink: Sink) -> None:
        self._sink = sink
        self._calls: list[Sequence[Event]] = []

    def __len__(self) -> int:
        """How many parts of calls have been gathered."""
        return len(self._calls)

    def emit(self, *events: Event) -> None:
        self._calls.append(events)

    def emit_all(self, calls: Sequence[Sequence[Event]]) -> None:
        self._calls += calls

    def hand_on(self) -> None:
        """Emit all that has been gathered, in its order."""
        if self._calls:
            calls, self._calls = self._calls, []
            self._sink.emit_all(calls)
