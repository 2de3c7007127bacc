"""Record the calls of a file under new ids."""

from collections.abc import Callable, Mapping
from types import MappingProxyType

from loom.model import Call
from loom.model.projection import Projection, events_of
from loom.sessions import SessionImport, SessionWriter

UNKNOWN_PARENT = 0
"""``replay_of`` of a replay whose call was not imported with it."""

QUEUE_BYTES = 16 * 1024 * 1024
"""How many bytes may wait to be written to the session before an import pauses."""


NO_SEEDS: Mapping[int, int] = MappingProxyType({})


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

    def fault_seeds(
        self, seeds: Mapping[int, int], own_seeds: Mapping[int, int] = NO_SEEDS
    ) -> dict[int, int]:
        """The seeds of a file by the new ids of its calls, and those that were there for what comes between and behind.

        Both are by the id of the first call that a seed is of.
        """
        changes: dict[int, int] = {}
        current, next_id = None, None
        for call_id, new_id in sorted(self._new_ids.items(), key=lambda ids: ids[1]):
            if current is not None and next_id is not None and new_id != next_id:
                _put(changes, next_id, _seed_of(next_id, own_seeds))
                current = None
            seed = _seed_of(call_id, seeds)
            if seed != current:
                _put(changes, new_id, _seed_of(new_id, own_seeds) if seed is None else seed)
            current, next_id = seed, new_id + 1
        if current is not None and next_id is not None:
            _put(changes, next_id, _seed_of(next_id, own_seeds))
        return changes

    @property
    def must_flush(self) -> bool:
        """Whether the session's write queue is to be flushed before the next call."""
        return isinstance(self._store, SessionWriter) and self._store.queued_bytes > self._queue_bytes


def _seed_of(call_id: int, seeds: Mapping[int, int]) -> int | None:
    first = max((first for first in seeds if first <= call_id), default=None)
    return None if first is None else seeds[first]


def _put(seeds: dict[int, int], first_id: int, seed: int | None) -> None:
    if seed is not None:
        seeds[first_id] = seed
