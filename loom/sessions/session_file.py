"""A session's file in the hands of its writer: opened, found to be gone or replaced, and opened again."""

import contextlib
import secrets
import sqlite3
from pathlib import Path

from .database import SessionError, SessionLock, begin_writing
from .paths import session_files

_RUN = "run"
"""The name of the fact that says which run wrote last: SQLite's integers have 64 bits."""
_MAX_REPLACED = 3
"""Times in a row after which a file is not checked any more: some network file systems renumber files."""

_Identity = tuple[int, int] | None


class FileReplacedError(Exception):
    """The file that is open is no longer the one that has its name: what is written to it is lost."""


class SessionFile:
    """The database at ``path`` for one writer, on a disk that may go and come back.

    ``connection`` is None while it is not open. SQLite goes on writing to a file that was removed, moved away or
    unmounted, without an error; :meth:`check` notices.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.connection: sqlite3.Connection | None = None
        self._lock = SessionLock(path)
        self._run = secrets.randbits(63)
        self._run_stored = False
        self._identities: list[_Identity] = []
        self._replaced = 0  # how often since the last commit

    def open(self, last_id: int | None = None) -> tuple[int, int, bool]:
        """Open or create the file; return its last id, the last cleared id, and whether it has calls of this run.

        ``last_id`` is the last one of previous runs: ids above it have been assigned to calls of this run. A file in
        which another run has used such ids is refused. Raises :class:`SessionError`.
        """
        connection, (found, cleared) = begin_writing(self.path, self._lock)
        try:
            own = self._is_own(connection, found, last_id)
            self._identities = self._read_identities()
        except BaseException:
            connection.close()
            self._lock.release()
            raise
        self.connection, self._run_stored = connection, own
        return found, cleared, own

    def _is_own(self, connection: sqlite3.Connection, found: int, last_id: int | None) -> bool:
        """Whether the file has calls of this run; :class:`SessionError` if another run has used the same ids."""
        row = connection.execute("SELECT value FROM facts WHERE name = ?", (_RUN,)).fetchone()
        own = row is not None and row[0] == self._run
        if last_id is not None and found > last_id and not own:
            raise SessionError(
                f"calls are not stored in {self.path}: it has calls of another run, whose ids are in use: "
                "restart Loom, or move the file away"
            )
        return own

    def check(self) -> None:
        """Raise :class:`FileReplacedError` unless the open files, the write-ahead log's included, have their names."""
        pairs = zip(self._identities, self._read_identities(), strict=True)
        if self._replaced < _MAX_REPLACED and any(known not in {None, found} for known, found in pairs):
            self._replaced += 1
            raise FileReplacedError

    def mark(self) -> None:
        """Store, within a transaction, that this run writes to the file."""
        if not self._run_stored and self.connection is not None:
            self.connection.execute("INSERT OR REPLACE INTO facts VALUES (?, ?)", (_RUN, self._run))

    def committed(self) -> None:
        """Note that the transaction in which :meth:`mark` was called has succeeded."""
        self._run_stored = True
        if self._replaced < _MAX_REPLACED:
            self._replaced = 0

    def close(self) -> None:
        """Close the connection, if there is one; the lock stays.

        SQLite leaves the write-ahead log beside a database that has lost its name. It would be applied to the database
        that has the name now: what is in it is moved to the file that it belongs to, and the log removed.
        """
        connection, self.connection = self.connection, None
        if connection is None:
            return
        database, log, _ = self._read_identities()
        replaced = bool(self._identities) and database != self._identities[0]
        try:
            if replaced:
                with contextlib.suppress(sqlite3.Error):
                    if connection.in_transaction:
                        connection.rollback()
                    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        finally:
            connection.close()
        if replaced and log is not None and log == self._identities[1]:
            for part in session_files(self.path)[1:]:
                with contextlib.suppress(OSError):
                    part.unlink()

    def release(self) -> None:
        """Release the lock. The connection may still be in use."""
        self._lock.release()

    def _read_identities(self) -> list[_Identity]:
        return [_identity(part) for part in session_files(self.path)]


def _identity(path: Path) -> _Identity:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino
