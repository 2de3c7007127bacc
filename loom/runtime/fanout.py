"""One sink in front of several."""

from collections.abc import Sequence

from loom.model import Event, Sink


class Fanout:
    """A sink that emits to several, in order: the recorder first, so that a call is visible before it is stored."""

    def __init__(self, *sinks: Sink) -> None:
        self._sinks = sinks

    def emit(self, *events: Event) -> None:
        self.emit_all((events,))

    def emit_all(self, calls: Sequence[Sequence[Event]]) -> None:
        for sink in self._sinks:
            sink.emit_all(calls)
