"""The sink that keeps calls on disk: a bounded queue, and a thread of its own that writes."""

import contextlib
import hashlib
import logging
import sqlite3
import threading
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

from loom.model import Call, Kind, StoredDescriptorSet, StoredEvent

from .batch import Batch, compressor
from .database import MASKED, SessionError, SessionLock, begin_writing, explain, lacks_room
from .previous_runs import Earlier
from .pruning import prune, used_bytes
from .write_queue import Waiting

_log = logging.getLogger(__name__)

DEFAULT_BUDGET = 1024 * 1024 * 1024
QUEUE_BUDGET = 64 * 1024 * 1024

_TICK = 0.05  # seconds that events wait for company before they are written
_RETRY = 2.0  # seconds between attempts while the disk refuses
_TOGETHER = 4  # batches that are written in one transaction, where so many wait
_MOST_KINDLESS = 10_000  # methods that are asked for again: clients choose their names


class SessionWriter:
    """A :class:`loom.model.Sink` that writes events to a session's database.

    Nothing here raises towards traffic: what goes wrong is in :meth:`status`, writing is tried
    again every few seconds, and what the queue (``queue_budget`` bytes) cannot hold
    meanwhile is dropped and counted: first the bytes of messages, then whole events.

    Events are packed by whoever emits them (:class:`.waiting.Waiting`). The writer's thread is left with what does not
    hold the interpreter: compressing, and waiting for the disk.

    ``budget`` bounds the file: past it the oldest calls go. ``declared_kind`` answers a
    method's kind if it is known, without I/O.
    """

    def __init__(
        self,
        path: Path,
        *,
        budget: int = DEFAULT_BUDGET,
        queue_budget: int = QUEUE_BUDGET,
        declared_kind: Callable[[str], Kind | None] = lambda _: None,
    ) -> None:
        self.path = path
        self.earlier = Earlier(path)
        self.last_id = 0  # of the earlier runs
        self.cleared = 0  # calls up to this id were cleared from the view
        self.written_calls = 0
        self._budget = budget
        self._declared_kind = declared_kind
        self._waiting = Waiting(queue_budget)
        self._idle = True
        self._wake = threading.Event()
        self._stopping = threading.Event()
        self._flushed = threading.Condition()
        self._flushes_asked = 0
        self._flushes_done = 0
        self._error = ""
        self._refused = False  # whether the error is that of the last write
        self._pruned = 0
        self._bytes = 0
        self._lock = SessionLock(path)
        self._connection: sqlite3.Connection | None = None
        self._thread: threading.Thread | None = None
        self._taking = False  # whether events are taken: to be written now, or once there is room
        self._kinds: dict[str, Kind] = {}  # of methods, as they are in the file
        self._kindless: set[str] = set()
        self._pending: deque[Batch] = deque()
        self._compressor = compressor()
        self._cleared_waits = False
        self._descriptors: deque[StoredDescriptorSet] = deque()
        self._masks: list[str] = []  # still to be noted

    @property
    def name(self) -> str:
        return self.path.name.removesuffix(".loom.db")

    @property
    def active(self) -> bool:
        """Whether there is a database behind it."""
        return self._connection is not None

    @property
    def waiting_bytes(self) -> int:
        """What is queued and not yet in the file."""
        return self._waiting.bytes

    def open(self) -> None:
        """Open the file and start writing; what prevents it is in :meth:`status`.

        For good, unless it is a full disk: then events are queued, and opening is tried again.
        """
        try:
            self._begin()
        except SessionError as error:
            self._error = str(error)
            _log.warning("%s", self._error)
            if not lacks_room(error):
                return
            [(self.last_id, self.cleared)] = self.earlier.read(lambda reader: [reader.counters()]) or [(0, 0)]
        self._taking = True
        self._thread = threading.Thread(target=self._run, name="loom-session", daemon=True)
        self._thread.start()

    def _begin(self) -> None:
        connection, (last_id, cleared) = begin_writing(self.path, self._lock)
        if (
            self._taking and last_id != self.last_id
        ):  # nobody could tell, and the numbers have been given again
            connection.close()
            raise SessionError(
                f"calls are not kept in {self.path}, which could not be read before: start Loom again"
            )
        self.last_id, self.cleared = last_id, max(cleared, self.cleared)
        self._connection = connection

    def _begin_later(self) -> sqlite3.Connection | None:
        """Open what could not be opened for want of room, once there is some."""
        while self._connection is None and not self._stopping.wait(_RETRY):
            try:
                self._begin()
            except SessionError as error:
                self._error = str(error)
                if not lacks_room(error):
                    _log.warning("%s", self._error)
                    self._taking = False
                    break
            else:
                self._error = ""
                _log.warning("calls are kept in %s now", self.path)
        return self._connection

    def restore(self, limit: int, max_bytes: int = 64 * 1024 * 1024) -> list[Call]:
        """The newest calls of earlier runs, oldest first, at most ``limit`` and ``max_bytes`` of events.

        Takes the same time for a file of any size. Empty where there is no database.
        """
        calls = self.earlier.read(lambda reader: reader.newest(limit, max_bytes)) if self._taking else []
        return [call for call in calls if call.id > self.cleared]

    def clear(self, up_to: int) -> None:
        """Calls up to this id were cleared: no longer restored, nor found; they stay in the file."""
        self.cleared = max(self.cleared, up_to)
        self._cleared_waits = True
        self._idle = False
        self._wake.set()

    def emit(self, *events: StoredEvent) -> None:
        """Queue events of one call; of an imported call also the kind that its method was declared as."""
        self.emit_all((events,))

    def emit_all(self, calls: Sequence[Sequence[StoredEvent]]) -> None:
        """Queue events of several calls."""
        if not self._taking:
            return
        self._waiting.add(calls)
        if self._idle:
            self._idle = False
            self._wake.set()

    def put_descriptors(self, item: StoredDescriptorSet) -> None:
        """Keep a set of descriptors, so that the session decodes without its backend."""
        if self._taking:
            self._descriptors.append(item)
            self._idle = False
            self._wake.set()

    def mask(self, keys: Iterable[str]) -> None:
        """Note with the next calls that these keys of metadata are masked, for whoever reads the file later."""
        self._masks += keys

    def masked(self) -> list[str]:
        """The keys that earlier runs noted."""
        return self.earlier.read(lambda reader: reader.masked()) if self._taking else []

    def stored_descriptors(self) -> list[StoredDescriptorSet]:
        """The sets that were kept by earlier runs."""
        return self.earlier.read(lambda reader: reader.descriptors()) if self._taking else []

    def flush(self, timeout: float = 5.0) -> bool:
        """Wait until what was emitted before is in the file; False if that took longer than ``timeout``."""
        if self._thread is None:
            return False
        with self._flushed:
            self._flushes_asked += 1
            wanted = self._flushes_asked
            self._wake.set()
            return self._flushed.wait_for(lambda: self._flushes_done >= wanted, timeout)

    def status(self) -> dict[str, Any]:
        """How it goes, ready for ``/api/stats``: ``error`` is "" while calls are kept.

        ``problems`` say what of earlier runs could not be read.
        """
        return {
            "name": self.name,
            "path": str(self.path),
            "written": self.written_calls,
            "dropped": self._waiting.dropped_events,
            "dropped_bytes": self._waiting.dropped_bytes,
            "waiting_bytes": self.waiting_bytes,
            "bytes": self._bytes,
            "budget": self._budget,
            "pruned": self._pruned,
            "error": self._error,
            "problems": list(self.earlier.problems),
        }

    def close(self, timeout: float = 3.0) -> None:
        """Write what is queued, then close; gives up after ``timeout`` seconds of a refusing disk."""
        if self._thread is not None:
            self._stopping.set()
            self._wake.set()
            self._thread.join(timeout)
            self._thread = None
            if self.waiting_bytes:
                _log.warning(
                    "what was not yet written to %s is lost: %d bytes", self.path, self.waiting_bytes
                )
        self._connection, self._taking = None, False
        self._lock.release()

    # The writer's thread, from here on.

    def _run(self) -> None:
        connection = self._connection or self._begin_later()
        if connection is None:
            return
        try:
            with contextlib.suppress(sqlite3.Error):  # each commit asks again
                self._bytes = used_bytes(connection)
            while not self._stopping.is_set():
                self._wake.wait()
                asked = self._flushes_asked
                if asked == self._flushes_done:
                    self._stopping.wait(_TICK)
                    asked = self._flushes_asked
                self._wake.clear()
                self._idle = True
                if self._write(connection):
                    self._note_flushed(asked)
                else:
                    self._stopping.wait(_RETRY)
                    self._wake.set()
            self._write(connection)
        except Exception as error:  # noqa: BLE001 (a thread's failure is told, and costs the traffic nothing)
            self._error = f"{self.path} is no longer written to: {error}"
            _log.exception("the session's writer failed")
        finally:
            connection.close()
            self._note_flushed(self._flushes_asked)

    def _note_flushed(self, asked: int) -> None:
        with self._flushed:
            self._flushes_done = asked
            self._flushed.notify_all()

    def _write(self, connection: sqlite3.Connection) -> bool:
        """Write all that waits; False if the disk refused, and it waits on."""
        self._waiting.close_batch()
        try:
            while self._waiting or self._pending or self._descriptors or self._cleared_waits:
                while self._waiting and len(self._pending) < _TOGETHER:
                    self._pending.append(self._waiting.take())
                self._commit(connection)
            if self._refused:
                self._refused, self._error = False, ""
                _log.warning("calls are kept again in %s", self.path)
        except sqlite3.Error as error:
            text = explain(error, self.path)
            if text != self._error:
                _log.warning("%s", text)
            self._refused, self._error = True, text
            if connection.in_transaction:
                connection.rollback()
            return False
        return True

    def _commit(self, connection: sqlite3.Connection) -> None:
        """Write the packed batches in one transaction; they stay pending if it fails."""
        connection.execute("BEGIN IMMEDIATE")
        last_id = 0
        for batch in self._pending:
            ids = batch.ids
            cursor = connection.execute(
                "INSERT INTO batches (first_id, last_id, started, ended, first_ns, last_ns, size, events)"
                " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                (
                    *ids,
                    batch.started,
                    batch.ended,
                    *batch.times,
                    batch.size,
                    batch.row(self._compressor),
                ),
            )
            seq = cursor.lastrowid
            connection.executemany(
                "INSERT OR IGNORE INTO spans VALUES (?, ?)", [(call_id, seq) for call_id in batch.went_on]
            )
            last_id = max(last_id, ids[1] or 0)
        self._write_kinds(connection)
        masks = [(MASKED + key,) for key in self._masks]
        connection.executemany("INSERT OR IGNORE INTO facts VALUES (?, 1)", masks)
        if last_id:
            connection.execute("UPDATE facts SET value = max(value, ?) WHERE name = 'last_id'", (last_id,))
        descriptors = list(self._descriptors)
        for item in descriptors:
            digest = hashlib.sha256(item.file_set).digest()
            connection.execute(
                "INSERT OR REPLACE INTO descriptors VALUES (?, ?, ?, ?, ?, ?)",
                (digest, item.target, item.source, item.origin, item.fetched_ns, item.file_set),
            )
        self._cleared_waits = False
        if self.cleared:
            connection.execute("INSERT OR REPLACE INTO facts VALUES ('cleared', ?)", (self.cleared,))
        connection.execute("COMMIT")
        del self._masks[: len(masks)]
        for _ in descriptors:
            self._descriptors.popleft()
        for batch in self._pending:
            self._waiting.done(batch)
            self.written_calls += batch.ended
        self._pending.clear()
        self._bytes = used_bytes(connection)
        if self._bytes > self._budget:
            self._pruned += prune(connection, self._budget)
            self._bytes = used_bytes(connection)

    def _write_kinds(self, connection: sqlite3.Connection) -> None:
        """What is known by now of the methods that were called."""
        asked = self._kindless.union(*[batch.methods for batch in self._pending])
        found = {method: kind for method in asked if (kind := self._declared_kind(method)) is not None}
        self._kindless = set(islice(asked - found.keys(), _MOST_KINDLESS))
        new = [(method, kind) for method, kind in found.items() if self._kinds.get(method) is not kind]
        connection.executemany("INSERT OR REPLACE INTO kinds VALUES (?, ?)", new)
        self._kinds.update(new)
