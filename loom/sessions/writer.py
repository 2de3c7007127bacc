"""The sink that stores calls on disk: a bounded queue, and a thread that writes it to the database."""

import contextlib
import logging
import sqlite3
import threading
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import islice
from pathlib import Path

from loom.api.stats import SessionStatus
from loom.model import Call, Kind, StoredDescriptorSet, StoredEvent

from .batch import Batch, new_compressor
from .database import FAULT_SEED, MASKED, SessionError, explain, is_disk_error
from .facts import FactQueue
from .previous_runs import PreviousRuns
from .pruning import prune, used_bytes
from .rows import insert_batches, insert_descriptors, insert_kinds
from .session_file import FileReplacedError, SessionFile
from .write_queue import WriteQueue

_log = logging.getLogger(__name__)

DEFAULT_BUDGET = 1024 * 1024 * 1024
DEFAULT_QUEUE_BUDGET = 64 * 1024 * 1024
DEFAULT_FLUSH_INTERVAL = 0.05
DEFAULT_RETRY_INTERVAL = 2.0

_BATCHES_PER_TRANSACTION = 4
_KEEPS_OPEN = ("SQLITE_FULL", "SQLITE_BUSY", "SQLITE_LOCKED")
_MAX_METHODS_WITHOUT_KIND = 10_000  # whose kinds are looked up again: clients choose the names of methods


class SessionWriter:
    """A :class:`loom.model.Sink` that writes events to a session's database.

    Nothing here raises towards traffic: errors are in :meth:`status`, writing is retried every ``retry_interval``
    seconds, and what the queue (``queue_budget`` bytes) cannot hold meanwhile is dropped and counted: first the bytes
    of messages, then whole events. A row that the database refuses for its content is dropped and counted, and not
    retried. Where the file was removed or replaced, a new one is begun, and what is lost is in :meth:`status`.

    Events are encoded by the threads that emit them (see :class:`.write_queue.WriteQueue`) and written about
    ``flush_interval`` seconds later. The writer's thread is left with what does not hold the interpreter: compressing,
    and waiting for the disk.

    ``budget`` limits the file in bytes: past it the oldest calls are pruned. ``declared_kind`` returns a method's kind
    if the schema already has it, without I/O.
    """

    def __init__(
        self,
        path: Path,
        *,
        budget: int = DEFAULT_BUDGET,
        queue_budget: int = DEFAULT_QUEUE_BUDGET,
        flush_interval: float = DEFAULT_FLUSH_INTERVAL,
        retry_interval: float = DEFAULT_RETRY_INTERVAL,
        declared_kind: Callable[[str], Kind | None] = lambda _: None,
    ) -> None:
        self.path = path
        self.previous_runs = PreviousRuns(path)
        self.last_id = 0  # of the previous runs
        self.cleared = 0  # calls up to this id were cleared from the view
        self.written_calls = 0
        self._budget = budget
        self._flush_interval = flush_interval
        self._retry_interval = retry_interval
        self._declared_kind = declared_kind
        self._queue = WriteQueue(queue_budget)
        self._idle = True
        self._wake = threading.Event()
        self._stopping = threading.Event()
        self._flushed = threading.Condition()
        self._flushes_requested = 0
        self._flushes_done = 0
        self._error = ""
        self._write_failed = False  # whether the error is that of the last write
        self._written_to_file = 0  # calls written to the file that is open, or was last
        self._pruned = 0
        self._bytes = 0
        self._file = SessionFile(path)
        self._thread: threading.Thread | None = None
        self._accepting = False  # whether events are queued: to be written now, or once there is room
        self._kinds: dict[str, Kind] = {}  # of methods, as they are in the file
        self._methods_without_kind: set[str] = set()
        self._pending: deque[Batch] = deque()
        self._compressor = new_compressor()
        self._clear_pending = False
        self._descriptors: deque[StoredDescriptorSet] = deque()
        self._facts = FactQueue()
        self._facts_due = False  # although no call follows
        self._written_descriptors: list[
            StoredDescriptorSet
        ] = []  # for a new file in the place of a removed one

    @property
    def name(self) -> str:
        return self.path.name.removesuffix(".loom.db")

    @property
    def active(self) -> bool:
        """Whether there is a database behind it."""
        return self._accepting and self._file.connection is not None

    @property
    def queued_bytes(self) -> int:
        """Bytes of events that are not yet in the file."""
        return self._queue.bytes

    def open(self) -> None:
        """Open the file and start writing; an error that prevents it is in :meth:`status`.

        It is final, unless it is the disk's (full, read-only, away): then events are queued, and opening is retried.
        """
        try:
            self.last_id, self.cleared, _ = self._file.open()
        except SessionError as error:
            self._error = str(error)
            _log.warning("%s", self._error)
            if not is_disk_error(error):
                return
            self._write_failed = True
            self._wake.set()  # to retry
            [(self.last_id, self.cleared)] = self.previous_runs.read(lambda reader: [reader.counters()]) or [
                (0, 0)
            ]
        self._accepting = True
        self._thread = threading.Thread(target=self._run, name="loom-session", daemon=True)
        self._thread.start()

    def _reopen(self) -> bool:
        """Open the file again, or a new one; False if that fails."""
        try:
            _, cleared, own = self._file.open(self.last_id)
        except SessionError as error:
            self._set_error(str(error))
            return False
        self.cleared = max(cleared, self.cleared)
        if not own:
            if self._written_to_file:
                self.previous_runs.report(
                    f"{self.path} was removed or replaced while Loom was running: "
                    f"{self._written_to_file:,} calls of this run that were stored in it are not in the new file"
                )
            self._written_to_file = 0
            self._facts.requeue()
            self._descriptors.extendleft(reversed(self._written_descriptors))
            self._written_descriptors = []
        return True

    def restore(self, limit: int, max_bytes: int = 64 * 1024 * 1024) -> list[Call]:
        """The newest calls of previous runs, oldest first, at most ``limit`` and ``max_bytes`` of events.

        Takes the same time for a file of any size. Empty where there is no database.
        """
        if not self._accepting:
            return []
        calls = self.previous_runs.read(lambda reader: reader.newest(limit, max_bytes))
        return [call for call in calls if call.id > self.cleared]

    def clear(self, up_to: int) -> None:
        """Hide calls up to this id: they are no longer restored or found, and stay in the file."""
        self.cleared = max(self.cleared, up_to)
        self._clear_pending = True
        self._idle = False
        self._wake.set()

    def emit(self, *events: StoredEvent) -> None:
        """Queue events of one call; for an imported call also its declared kind."""
        self.emit_all((events,))

    def emit_all(self, calls: Sequence[Sequence[StoredEvent]]) -> None:
        """Queue events of several calls."""
        if not self._accepting:
            return
        self._queue.put(calls)
        if self._idle:
            self._idle = False
            self._wake.set()

    def put_descriptors(self, item: StoredDescriptorSet) -> None:
        """Store a descriptor set, so that the session decodes without its target."""
        if self._accepting:
            self._descriptors.append(item)
            self._idle = False
            self._wake.set()

    def mask(self, keys: Iterable[str]) -> None:
        """Store, with the next calls, that these metadata keys are masked."""
        self._facts.put((MASKED + key, 1) for key in keys)

    def put_fault_seed(self, first_id: int, seed: int) -> None:
        """Store, with the next calls, the seed of the rules and faults of calls from this id on."""
        self._facts.put([(f"{FAULT_SEED}{first_id}", seed)])

    def put_imported_fault_seeds(self, seeds: Mapping[int, int]) -> None:
        """Store the seeds of calls that were imported, by the id of the first call that each is of."""
        if self._accepting and seeds:
            self._facts.put((f"{FAULT_SEED}{first_id}", seed) for first_id, seed in seeds.items())
            self._facts_due = True
            self._idle = False
            self._wake.set()

    def masked(self) -> list[str]:
        """The metadata keys that previous runs stored as masked."""
        keys = self.previous_runs.read(lambda reader: reader.masked()) if self._accepting else []
        self._facts.add_written((MASKED + key, 1) for key in keys)
        return keys

    def stored_descriptors(self) -> list[StoredDescriptorSet]:
        """The descriptor sets that previous runs stored."""
        return self.previous_runs.read(lambda reader: reader.descriptors()) if self._accepting else []

    def flush(self, timeout: float = 5.0) -> bool:
        """Write everything that was emitted before; False if that takes longer than ``timeout`` seconds."""
        if self._thread is None:
            return False
        with self._flushed:
            self._flushes_requested += 1
            requested = self._flushes_requested
            self._wake.set()
            return self._flushed.wait_for(lambda: self._flushes_done >= requested, timeout)

    def status(self) -> SessionStatus:
        """Counters and sizes; ``error`` is "" while calls are stored.

        ``problems`` are lines about what could not be read of previous runs, and what of this one is lost.
        """
        lost = self._lost()
        return SessionStatus(
            name=self.name,
            path=str(self.path),
            written=self.written_calls,
            dropped=self._queue.dropped_events,
            dropped_bytes=self._queue.dropped_bytes,
            waiting_bytes=self.queued_bytes,
            bytes=self._bytes,
            budget=self._budget,
            pruned=self._pruned,
            error=self._error,
            problems=[*self.previous_runs.problems, *([f"{lost} could not be stored"] if lost else [])],
        )

    def _lost(self) -> str:
        events, size = self._queue.dropped_events, self._queue.dropped_bytes
        return f"{events:,} events of calls and {size:,} bytes of messages" if events or size else ""

    def close(self, timeout: float = 3.0) -> None:
        """Write the queue, then close; gives up after ``timeout`` seconds of a disk that fails."""
        if self._thread is not None:
            self._stopping.set()
            self._wake.set()
            self._thread.join(timeout)
            self._thread = None
            if self.queued_bytes:
                _log.warning(
                    "%d bytes of events were not written to %s and are lost", self.queued_bytes, self.path
                )
        self._accepting = False
        self._file.release()

    # Everything below runs in the writer's thread.

    def _run(self) -> None:
        try:
            if (connection := self._file.connection) is not None:
                with contextlib.suppress(sqlite3.Error):  # each commit reads it again
                    self._bytes = used_bytes(connection)
            while not self._stopping.is_set():
                self._wake.wait()
                requested = self._flushes_requested
                if requested == self._flushes_done:
                    self._stopping.wait(self._flush_interval)
                    requested = self._flushes_requested
                self._wake.clear()
                self._idle = True
                if self._write():
                    self._notify_flushed(requested)
                else:
                    self._stopping.wait(self._retry_interval)
                    self._wake.set()
            self._write()
        except Exception as error:  # noqa: BLE001 (reported by status(); the traffic goes on)
            self._error = f"{self.path} is no longer written to: {error}"
            _log.exception("the session's writer failed")
        finally:
            self._file.close()
            self._notify_flushed(self._flushes_requested)

    def _notify_flushed(self, requested: int) -> None:
        with self._flushed:
            self._flushes_done = requested
            self._flushed.notify_all()

    def _write(self) -> bool:
        """Write the queue; False if the database cannot be written to now, and what is left stays queued."""
        self._queue.close_batch()
        try:
            while self._queue or self._pending or self._descriptors or self._clear_pending or self._facts_due:
                while self._queue and len(self._pending) < _BATCHES_PER_TRANSACTION:
                    self._pending.append(self._queue.get())
                if self._file.connection is None and not self._reopen():
                    return False
                try:
                    self._commit()
                except FileReplacedError:
                    self._kinds.clear()
                    self._file.close()
            if self._write_failed and (self._file.connection is not None or self._reopen()):
                self._write_failed, self._error = False, ""
                lost = self._lost()
                _log.warning(
                    "calls are stored in %s again%s", self.path, f"; {lost} are lost" if lost else ""
                )
        except sqlite3.Error as error:
            self._set_error(explain(error, self.path))
            self._recover_from(error)
            return False
        return not self._write_failed

    def _recover_from(self, error: sqlite3.Error) -> None:
        """Roll back; close the file, to be opened again, where that may help."""
        self._kinds.clear()
        connection = self._file.connection
        if connection is not None and connection.in_transaction:
            with contextlib.suppress(sqlite3.Error):
                connection.rollback()
        if not getattr(error, "sqlite_errorname", "").startswith(_KEEPS_OPEN):
            self._file.close()

    def _set_error(self, text: str) -> None:
        if text != self._error:
            _log.warning("%s", text)
        self._write_failed, self._error = True, text

    def _commit(self) -> None:
        """Write the pending batches in one transaction; they stay pending if it fails.

        A row that the database refuses for its content is left out, and counted once the transaction has succeeded.
        Raises :class:`FileReplacedError` if the file is not in its place.
        """
        connection = self._file.connection
        assert connection is not None  # noqa: S101 (opened by _write)
        connection.execute("BEGIN IMMEDIATE")
        self._file.mark()
        refused = insert_batches(connection, self._pending, self._compressor)
        self._write_kinds(connection)
        self._facts_due = False
        facts = self._facts.write(connection)
        descriptors = list(self._descriptors)
        insert_descriptors(connection, descriptors)
        self._clear_pending = False
        if self.cleared:
            connection.execute("INSERT OR REPLACE INTO facts VALUES ('cleared', ?)", (self.cleared,))
        self._file.check()
        connection.execute("COMMIT")
        self._file.committed()
        self._facts.commit(facts)
        for _ in descriptors:
            self._written_descriptors.append(self._descriptors.popleft())
        for batch in self._pending:
            self._queue.task_done(batch)
            if batch in refused:
                self._queue.count_dropped(batch.count_events(self._compressor))
            else:
                self.written_calls += batch.ended
                self._written_to_file += batch.ended
        self._pending.clear()
        self._bytes = used_bytes(connection)
        if self._bytes > self._budget:
            self._pruned += prune(connection, self._budget)
            self._bytes = used_bytes(connection)

    def _write_kinds(self, connection: sqlite3.Connection) -> None:
        """Write the kinds, as far as they are known by now, of methods that were called."""
        methods = self._methods_without_kind.union(*[batch.methods for batch in self._pending])
        kinds = {method: kind for method in methods if (kind := self._declared_kind(method)) is not None}
        self._methods_without_kind = set(islice(methods - kinds.keys(), _MAX_METHODS_WITHOUT_KIND))
        new = [(method, kind) for method, kind in kinds.items() if self._kinds.get(method) is not kind]
        insert_kinds(connection, new)
        self._kinds.update(new)
