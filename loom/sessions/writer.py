"""The sink that stores calls on disk: a bounded queue, and a thread that writes it to the database."""

import contextlib
import hashlib
import logging
import sqlite3
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from itertools import islice
from pathlib import Path

from loom.api.stats import SessionStatus
from loom.model import Call, Kind, StoredDescriptorSet, StoredEvent

from .batch import Batch, new_compressor
from .database import (
    MASKED,
    SessionError,
    SessionLock,
    begin_writing,
    explain,
    is_disk_full,
    is_refused_content,
)
from .previous_runs import PreviousRuns
from .pruning import prune, used_bytes
from .write_queue import WriteQueue

_log = logging.getLogger(__name__)

DEFAULT_BUDGET = 1024 * 1024 * 1024
DEFAULT_QUEUE_BUDGET = 64 * 1024 * 1024
DEFAULT_FLUSH_INTERVAL = 0.05
DEFAULT_RETRY_INTERVAL = 2.0

_BATCHES_PER_TRANSACTION = 4
_MAX_METHODS_WITHOUT_KIND = 10_000  # whose kinds are looked up again: clients choose the names of methods


class SessionWriter:
    """A :class:`loom.model.Sink` that writes events to a session's database.

    Nothing here raises towards traffic: errors are in :meth:`status`, writing is retried every ``retry_interval``
    seconds, and what the queue (``queue_budget`` bytes) cannot hold meanwhile is dropped and counted: first the bytes
    of messages, then whole events. A row that the database refuses for its content is dropped and counted, and not
    retried.

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
        self._pruned = 0
        self._bytes = 0
        self._lock = SessionLock(path)
        self._connection: sqlite3.Connection | None = None
        self._thread: threading.Thread | None = None
        self._accepting = False  # whether events are queued: to be written now, or once there is room
        self._kinds: dict[str, Kind] = {}  # of methods, as they are in the file
        self._methods_without_kind: set[str] = set()
        self._pending: deque[Batch] = deque()
        self._compressor = new_compressor()
        self._clear_pending = False
        self._descriptors: deque[StoredDescriptorSet] = deque()
        self._masks: list[str] = []  # still to be written

    @property
    def name(self) -> str:
        return self.path.name.removesuffix(".loom.db")

    @property
    def active(self) -> bool:
        """Whether there is a database behind it."""
        return self._connection is not None

    @property
    def queued_bytes(self) -> int:
        """Bytes of events that are not yet in the file."""
        return self._queue.bytes

    def open(self) -> None:
        """Open the file and start writing; an error that prevents it is in :meth:`status`.

        It is final, unless the disk is full: then events are queued, and opening is retried.
        """
        try:
            self._begin()
        except SessionError as error:
            self._error = str(error)
            _log.warning("%s", self._error)
            if not is_disk_full(error):
                return
            [(self.last_id, self.cleared)] = self.previous_runs.read(lambda reader: [reader.counters()]) or [
                (0, 0)
            ]
        self._accepting = True
        self._thread = threading.Thread(target=self._run, name="loom-session", daemon=True)
        self._thread.start()

    def _begin(self) -> None:
        connection, (last_id, cleared) = begin_writing(self.path, self._lock)
        if (
            self._accepting and last_id != self.last_id
        ):  # it could not be read, and its ids have been assigned again
            connection.close()
            raise SessionError(
                f"calls are not stored in {self.path}, which could not be read before: restart Loom"
            )
        self.last_id, self.cleared = last_id, max(cleared, self.cleared)
        self._connection = connection

    def _begin_when_there_is_room(self) -> sqlite3.Connection | None:
        """Retry to open a file on a full disk until that succeeds, fails otherwise, or the writer is closed."""
        while self._connection is None and not self._stopping.wait(self._retry_interval):
            try:
                self._begin()
            except SessionError as error:
                self._error = str(error)
                if not is_disk_full(error):
                    _log.warning("%s", self._error)
                    self._accepting = False
                    break
            else:
                self._error = ""
                _log.warning("calls are now stored in %s", self.path)
        return self._connection

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
        self._masks += keys

    def masked(self) -> list[str]:
        """The metadata keys that previous runs stored as masked."""
        return self.previous_runs.read(lambda reader: reader.masked()) if self._accepting else []

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

        ``problems`` are lines about what could not be read of previous runs.
        """
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
            problems=list(self.previous_runs.problems),
        )

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
        self._connection, self._accepting = None, False
        self._lock.release()

    # Everything below runs in the writer's thread.

    def _run(self) -> None:
        connection = self._connection or self._begin_when_there_is_room()
        if connection is None:
            return
        try:
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
                if self._write(connection):
                    self._notify_flushed(requested)
                else:
                    self._stopping.wait(self._retry_interval)
                    self._wake.set()
            self._write(connection)
        except Exception as error:  # noqa: BLE001 (reported by status(); the traffic goes on)
            self._error = f"{self.path} is no longer written to: {error}"
            _log.exception("the session's writer failed")
        finally:
            connection.close()
            self._notify_flushed(self._flushes_requested)

    def _notify_flushed(self, requested: int) -> None:
        with self._flushed:
            self._flushes_done = requested
            self._flushed.notify_all()

    def _write(self, connection: sqlite3.Connection) -> bool:
        """Write the queue; False if the database cannot be written to now, and what is left stays queued."""
        self._queue.close_batch()
        try:
            while self._queue or self._pending or self._descriptors or self._clear_pending:
                while self._queue and len(self._pending) < _BATCHES_PER_TRANSACTION:
                    self._pending.append(self._queue.get())
                self._commit(connection)
            if self._write_failed:
                self._write_failed, self._error = False, ""
                _log.warning("calls are stored in %s again", self.path)
        except sqlite3.Error as error:
            text = explain(error, self.path)
            if text != self._error:
                _log.warning("%s", text)
            self._write_failed, self._error = True, text
            if connection.in_transaction:
                connection.rollback()
            return False
        return True

    def _commit(self, connection: sqlite3.Connection) -> None:
        """Write the pending batches in one transaction; they stay pending if it fails.

        A row that the database refuses for its content is left out, and counted once the transaction has succeeded.
        """
        connection.execute("BEGIN IMMEDIATE")
        refused: list[Batch] = []
        last_id = 0
        for batch in self._pending:
            with _refused_content(
                connection, f"{batch.size} bytes of events", partial(refused.append, batch)
            ):
                self._insert(connection, batch)
                last_id = max(last_id, batch.ids[1] or 0)
        self._write_kinds(connection)
        masks = [(MASKED + key,) for key in self._masks]
        with _refused_content(connection, "the names of masked metadata"):
            connection.executemany("INSERT OR IGNORE INTO facts VALUES (?, 1)", masks)
        if last_id:
            connection.execute("UPDATE facts SET value = max(value, ?) WHERE name = 'last_id'", (last_id,))
        descriptors = list(self._descriptors)
        for item in descriptors:
            with _refused_content(connection, "a descriptor set"):
                digest = hashlib.sha256(item.file_set).digest()
                connection.execute(
                    "INSERT OR REPLACE INTO descriptors VALUES (?, ?, ?, ?, ?, ?)",
                    (digest, item.target, item.source, item.origin, item.fetched_ns, item.file_set),
                )
        self._clear_pending = False
        if self.cleared:
            connection.execute("INSERT OR REPLACE INTO facts VALUES ('cleared', ?)", (self.cleared,))
        connection.execute("COMMIT")
        del self._masks[: len(masks)]
        for _ in descriptors:
            self._descriptors.popleft()
        for batch in self._pending:
            self._queue.task_done(batch)
            if batch in refused:
                self._queue.count_dropped(batch.count_events(self._compressor))
            else:
                self.written_calls += batch.ended
        self._pending.clear()
        self._bytes = used_bytes(connection)
        if self._bytes > self._budget:
            self._pruned += prune(connection, self._budget)
            self._bytes = used_bytes(connection)

    def _insert(self, connection: sqlite3.Connection, batch: Batch) -> None:
        events = batch.compress(self._compressor)
        cursor = connection.execute(
            "INSERT INTO batches (first_id, last_id, started, ended, first_ns, last_ns, size, events)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            (*batch.ids, batch.started, batch.ended, *batch.times, batch.size, events),
        )
        seq = cursor.lastrowid
        connection.executemany(
            "INSERT OR IGNORE INTO spans VALUES (?, ?)", [(call_id, seq) for call_id in batch.continued_ids]
        )

    def _write_kinds(self, connection: sqlite3.Connection) -> None:
        """Write the kinds, as far as they are known by now, of methods that were called."""
        methods = self._methods_without_kind.union(*[batch.methods for batch in self._pending])
        kinds = {method: kind for method in methods if (kind := self._declared_kind(method)) is not None}
        self._methods_without_kind = set(islice(methods - kinds.keys(), _MAX_METHODS_WITHOUT_KIND))
        new = [(method, kind) for method, kind in kinds.items() if self._kinds.get(method) is not kind]
        with _refused_content(connection, "the kinds of methods"):
            connection.executemany("INSERT OR REPLACE INTO kinds VALUES (?, ?)", new)
        self._kinds.update(new)


@contextlib.contextmanager
def _refused_content(
    connection: sqlite3.Connection, subject: str, on_refused: Callable[[], None] = lambda: None
) -> Iterator[None]:
    """Undo and log what is executed in here if the database refuses it for its content; other errors pass through."""
    connection.execute("SAVEPOINT content")
    try:
        yield
    except Exception as error:
        if not is_refused_content(error):
            raise
        connection.execute("ROLLBACK TO content")
        _log.warning("rows that the database refuses were dropped: %s (%s)", subject, error)
        on_refused()
    connection.execute("RELEASE content")
