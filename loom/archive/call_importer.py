"""Record the calls of a file under new ids."""

from collections.abc import Callable

from loom.model import Call
from loom.model.projection import Projection, events_of
from loom.sessions import SessionImport, SessionWriter

UNKNOWN_PARENT = 0
"""``replay_of`` of a replay whose call was not imported with it."""

QUEUE_BYTES = 16 * 1024 * 1024
"""How many bytes may wait to be written to the session before an import pauses."""


class CallImporter:
    """Gives imported calls new ids, and writes them to the session if there is one.

    Add calls in the order of :func:`loom.formats.parent_order.parents_first`: ``replay_of`` is remapped with the ids.
    """

    def __init__(
        self,
        take_id: Callable[[], int],
        store: SessionWriter | SessionImport | None,
        *,
        queue_bytes: int = QUEUE_BYTES,
    ) -> None:
        self._take_id = take_id
        self._store = store
        self._queue_bytes = queue_bytes
        self._new_ids: dict[int, int] = {}

    def add(self, call: Call) -> Call:
        """Import one call: the call as recorded from now on."""
        call_id = self._take_id()
        parent = None if call.replay_of is None else self._new_ids.get(call.replay_of, UNKNOWN_PARENT)
        self._new_ids[call.id] = call_id
        projection = Projection()
        imported: Call | None = None
        for event in events_of(call, call_id, parent):
            imported = projection.apply(event) or imported
            if self._store is not None:
                self._store.emit(event)
        if imported is None:  # the call had not ended when the file was written
            imported = projection.live_calls()[0]
        imported.declared_kind, imported.restored = call.declared_kind, True
        return imported

    @property
    def must_flush(self) -> bool:
        """Whether the session's write queue is to be flushed before the next call."""
        return isinstance(self._store, SessionWriter) and self._store.queued_bytes > self._queue_bytes
