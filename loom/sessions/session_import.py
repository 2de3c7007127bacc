"""Calls of a file added to a session in one transaction: all of them, or none."""

import logging
import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from loom.model import StoredDescriptorSet, StoredEvent

from .batch import new_compressor
from .database import FAULT_SEED, SessionError, explain
from .pruning import prune, used_bytes
from .rows import insert_batches, insert_descriptors, insert_facts, insert_masks
from .session_file import SessionFile
from .write_queue import WriteQueue
from .writer import DEFAULT_BUDGET

_QUEUE_BYTES = 4 * 1024 * 1024
_MAX_QUEUE_BYTES = 4 * 1024 * 1024 * 1024  # a call is queued whole, whatever its size


class SessionImport:
    """A :class:`loom.model.Sink` that adds calls to the session at ``path``; a context manager.

    Nothing of them is in the session before :meth:`commit`, and nothing ever is if the process ends before it,
    however it ends. The session is locked meanwhile. Every method raises :class:`SessionError`.
    """

    def __init__(self, path: Path, *, budget: int = DEFAULT_BUDGET) -> None:
        self.dropped = 0
        """Events that cannot be stored."""
        self._path = path
        self._budget = budget
        self._file = SessionFile(path)
        self._queue = WriteQueue(_MAX_QUEUE_BYTES)
        self._compressor = new_compressor()
        self._connection: sqlite3.Connection
        self.last_id = 0
        """The last id of the calls that are there already."""

    def __enter__(self) -> Self:
        self.last_id, _, _ = self._file.open()
        assert self._file.connection is not None  # noqa: S101 (opened)
        self._connection = self._file.connection
        try:
            self._execute("BEGIN IMMEDIATE")
        except BaseException:
            self._close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._close()  # which rolls back what was not committed

    def emit(self, *events: StoredEvent) -> None:
        """Add events of one call."""
        self.emit_all((events,))

    def emit_all(self, calls: Sequence[Sequence[StoredEvent]]) -> None:
        """Add events of several calls."""
        self._queue.put(calls)
        if self._queue.bytes > _QUEUE_BYTES:
            self._write()

    def put_descriptors(self, items: Iterable[StoredDescriptorSet]) -> None:
        """Add descriptor sets."""
        try:
            insert_descriptors(self._connection, items)
        except sqlite3.Error as error:
            raise SessionError(explain(error, self._path)) from error

    def mask(self, keys: Iterable[str]) -> None:
        """Mask these metadata keys in the session, too."""
        try:
            insert_masks(self._connection, keys)
        except sqlite3.Error as error:
            raise SessionError(explain(error, self._path)) from error

    def put_fault_seeds(self, seeds: Mapping[int, int]) -> None:
        """Add the seeds of rules and faults, by the id of the first call that each is of."""
        try:
            insert_facts(self._connection, ((f"{FAULT_SEED}{first}", seed) for first, seed in seeds.items()))
        except sqlite3.Error as error:
            raise SessionError(explain(error, self._path)) from error

    def commit(self) -> None:
        """Keep what was added; then prune the oldest calls if the session is over its budget."""
        self._write()
        self.dropped += self._queue.dropped_events
        self._execute("COMMIT")
        try:
            if used_bytes(self._connection) > self._budget:
                prune(self._connection, self._budget)
        except sqlite3.Error as error:  # the calls are there; the next Loom prunes
            logging.getLogger(__name__).warning("%s could not be pruned: %s", self._path, error)

    def _write(self) -> None:
        self._queue.close_batch()
        batches = [self._queue.get() for _ in range(len(self._queue))]
        try:
            refused = insert_batches(self._connection, batches, self._compressor)
        except sqlite3.Error as error:
            raise SessionError(explain(error, self._path)) from error
        for batch in batches:
            self._queue.task_done(batch)
        self.dropped += sum(batch.count_events(self._compressor) for batch in refused)

    def _execute(self, statement: str) -> None:
        try:
            self._connection.execute(statement)
        except sqlite3.Error as error:
            raise SessionError(explain(error, self._path)) from error

    def _close(self) -> None:
        self._file.close()
        self._file.release()
