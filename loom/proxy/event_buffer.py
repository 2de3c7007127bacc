"""The buffer between forwarding and recording, in both engines: events wait here until a flush emits them in a batch.

A call costs the recorder less in a batch than alone, and forwarding never waits for it. Ids are allocated in the order
of emission and everything leaves through :meth:`EventBuffer.flush`, so calls reach the sink in the order of their ids.
"""

from collections.abc import Sequence

from loom.model import Event, Sink


class EventBuffer:
    """A :class:`loom.model.Sink` in front of another: keeps what is emitted until :meth:`flush`. Not thread-safe."""

    def __init__(self, sink: Sink) -> None:
        self._sink = sink
        self._batch: list[Sequence[Event]] = []

    def __len__(self) -> int:
        """The number of event sequences in the batch, each of one call."""
        return len(self._batch)

    def emit(self, *events: Event) -> None:
        self._batch.append(events)

    def emit_all(self, calls: Sequence[Sequence[Event]]) -> None:
        self._batch += calls

    def flush(self) -> None:
        """Emit the batch to the sink, in order."""
        if self._batch:
            batch, self._batch = self._batch, []
            self._sink.emit_all(batch)
