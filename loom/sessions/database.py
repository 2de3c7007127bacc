"""A session's file: its tables, its version, its permissions, its lock, and its errors in plain words."""

import contextlib
import errno
import logging
import os
import sqlite3
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, cast

from loom.errors import LoomError

from .event_codec import FORMAT, OLDEST_FORMAT
from .paths import session_files

if sys.platform != "win32":
    import fcntl

_log = logging.getLogger(__name__)

APPLICATION_ID = 0x4C4F4F4D  # "LOOM": what `file` and SQLite's tools see in the header
_WAL_LIMIT = 16 * 1024 * 1024
_CHECKPOINT = 4 * 1024 * 1024  # bytes of the write-ahead log after which it is moved to the database
_PAGE = 16 * 1024
_BUSY_SECONDS = 0.5
_NO_ROOM = (errno.ENOSPC, errno.EDQUOT)
_MAX_ID = 2**53 - 1  # the largest integer that is exact in every JSON parser
_DAMAGED = "{} is damaged ({}): move it away, or choose another --session"
# The second is for the index of the write-ahead log.
_FULL = ("SQLITE_FULL", "SQLITE_IOERR_SHMSIZE")
_CANNOT_WRITE = ("SQLITE_READONLY", "SQLITE_CANTOPEN", "SQLITE_PERM")
_DISK = ("SQLITE_FULL", "SQLITE_IOERR", *_CANNOT_WRITE)
MASKED = "masked "
"""The prefix of the names of facts that say which metadata is masked."""
FAULT_SEED = "fault seed "
"""The prefix of the names of facts with the seed of rules and faults; the id of a run's first call follows."""

_TABLE_NAMES = ("batches", "spans", "descriptors", "kinds", "facts")
_TABLES = """
CREATE TABLE batches (
  seq INTEGER PRIMARY KEY,
  first_id INTEGER,              -- the smallest and the largest id of the calls that started in it
  last_id INTEGER,
  started INTEGER NOT NULL,      -- how many calls started, and ended, in it
  ended INTEGER NOT NULL,
  first_ns INTEGER NOT NULL,
  last_ns INTEGER NOT NULL,
  size INTEGER NOT NULL,         -- of the events, before they were compressed
  events BLOB NOT NULL           -- see event_codec.py
);
CREATE INDEX batches_by_id ON batches (first_id, last_id);
CREATE TABLE spans (             -- the further batches of calls that started in an earlier one
  call_id INTEGER NOT NULL,
  seq INTEGER NOT NULL,
  PRIMARY KEY (call_id, seq)
) WITHOUT ROWID;
CREATE INDEX spans_by_seq ON spans (seq);
CREATE TABLE descriptors (
  digest BLOB PRIMARY KEY,       -- SHA-256 of file_set
  target TEXT NOT NULL,
  source TEXT NOT NULL,
  origin TEXT NOT NULL,
  fetched_ns INTEGER NOT NULL,
  file_set BLOB NOT NULL         -- a google.protobuf.FileDescriptorSet
) WITHOUT ROWID;
CREATE TABLE kinds (             -- what the schema declares of methods, for calls without a kind of their own
  method TEXT PRIMARY KEY,
  kind TEXT NOT NULL
) WITHOUT ROWID;
CREATE TABLE facts (name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
INSERT INTO facts VALUES ('last_id', 0), ('pruned', 0);
"""


class SessionError(LoomError):
    """A session cannot be used: the text says why and what to do."""


class EmptyError(SessionError):
    """The session's file is still empty."""


def open_for_writing(path: Path) -> sqlite3.Connection:
    """Create or open a session's database, which only its owner can read.

    Raises :class:`SessionError`. The connection may be used from another thread.
    """
    _make_private(path)
    try:
        connection = sqlite3.connect(
            path, timeout=_BUSY_SECONDS, isolation_level=None, check_same_thread=False
        )
        try:
            # Ahead of anything else: only an empty file may become a session.
            check_version(connection, path)
            # Batches are large: with pages of 4 KiB, SQLite takes half as long again. Existing files keep their size.
            connection.execute(f"PRAGMA page_size={_PAGE}")
            connection.execute("PRAGMA journal_mode=WAL")
            connection.execute(f"PRAGMA wal_autocheckpoint={_CHECKPOINT // _PAGE}")
            # A commit survives the end of the process; a crash of the machine may lose the last ones.
            connection.execute("PRAGMA synchronous=NORMAL")
            connection.execute(f"PRAGMA journal_size_limit={_WAL_LIMIT}")
            version = connection.execute("PRAGMA user_version").fetchone()[0]
            if version == 0:
                connection.executescript(
                    f"BEGIN IMMEDIATE;{_TABLES}PRAGMA application_id={APPLICATION_ID};"
                    f"PRAGMA user_version={FORMAT};COMMIT;"
                )
            elif version < FORMAT:
                # An older Loom could not read what is added from now on; the tables are the same.
                connection.execute(f"PRAGMA user_version={FORMAT}")
        except BaseException:
            connection.close()
            raise
    except sqlite3.Error as error:
        raise SessionError(explain(error, path, opening=True)) from error
    return connection


def begin_writing(path: Path, lock: "SessionLock") -> tuple[sqlite3.Connection, tuple[int, int]]:
    """Open a session for one writer, and read its :func:`counters`. Raises :class:`SessionError`."""
    lock.release()  # of a file that was there before
    # First, as it creates the directory, which the lock's file is in, too.
    connection = open_for_writing(path)
    try:
        lock.acquire()
        return connection, counters(connection, path)
    except BaseException as error:
        connection.close()
        lock.release()
        if isinstance(error, sqlite3.Error):
            raise SessionError(explain(error, path, opening=True)) from error
        raise


def is_disk_full(error: SessionError) -> bool:
    """Whether the cause is a full disk, which may have room later."""
    cause = error.__cause__
    return getattr(cause, "sqlite_errorname", "") in _FULL or getattr(cause, "errno", None) in _NO_ROOM


def is_disk_error(error: SessionError) -> bool:
    """Whether the cause is a disk or directory that is full, read-only, away or failing, which may be mended later."""
    cause = error.__cause__
    return isinstance(cause, OSError) or getattr(cause, "sqlite_errorname", "").startswith(_DISK)


def open_for_reading(path: Path) -> sqlite3.Connection:
    """Open a session's database without changing it. Raises :class:`SessionError`."""
    if not path.exists():
        raise SessionError(f"session file {path} does not exist: 'loom sessions list' shows those that are")
    try:
        connection = sqlite3.connect(
            f"{path.absolute().as_uri()}?mode=ro", timeout=_BUSY_SECONDS, uri=True, check_same_thread=False
        )
        try:
            filled = check_version(connection, path)
        except BaseException:
            connection.close()
            raise
    except sqlite3.Error as error:
        raise SessionError(explain(error, path, opening=True)) from error
    if not filled:
        connection.close()
        raise EmptyError(f"{path} is not a Loom session: it is empty")
    return connection


def check_version(connection: sqlite3.Connection, path: Path) -> bool:
    """Whether the file has tables; :class:`SessionError` if they are not a session's, or of another version."""
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    tables = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
    if not version and not tables:
        return False
    if connection.execute("PRAGMA application_id").fetchone()[0] != APPLICATION_ID:
        raise SessionError(f"{path} is a database, but not a Loom session: choose another --session")
    if version > FORMAT:
        raise SessionError(
            f"{path} was written by a newer Loom (session format {version}; this one reads {FORMAT}): "
            "update Loom, or choose another --session"
        )
    if version < OLDEST_FORMAT:
        raise SessionError(
            f"{path} was written by an older Loom (session format {version}; this one writes {FORMAT}): "
            "export it with the Loom that wrote it, then 'loom sessions import' the export"
        )
    _check_tables(connection, path)
    return True


def _check_tables(connection: sqlite3.Connection, path: Path) -> None:
    """Refuse views, virtual tables and generated columns: reading them runs what the file says, without end."""
    for name in _TABLE_NAMES:
        rows = connection.execute("SELECT type, rootpage FROM sqlite_master WHERE name = ?", (name,))
        only_tables = all(kind == "table" and rootpage for kind, rootpage in rows)
        columns = (
            connection.execute("SELECT hidden FROM pragma_table_xinfo(?)", (name,)) if only_tables else ()
        )
        if not only_tables or any(hidden for (hidden,) in columns):
            raise SessionError(
                f"{path} is a database, but not a Loom session: {name!r} is not an ordinary table"
            )


def counters(connection: sqlite3.Connection, path: Path) -> tuple[int, int]:
    """The last id of previous runs, and the last that was cleared; :class:`SessionError` if they are damaged."""
    facts: dict[Any, Any] = dict(connection.execute("SELECT name, value FROM facts").fetchall())
    numbers = (facts.get("last_id"), facts.get("cleared", 0))
    for number in numbers:
        if not isinstance(number, int) or not 0 <= number <= _MAX_ID:
            raise SessionError(_DAMAGED.format(path, "its counters are missing"))
    return cast("tuple[int, int]", numbers)


def _make_private(path: Path) -> None:
    """Create the directory (0700) and the file (0600) before SQLite writes to it."""
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
        for part in (path.parent, *session_files(path)):
            with contextlib.suppress(FileNotFoundError):
                part.chmod(0o700 if part == path.parent else 0o600)
    except OSError as error:
        if error.errno in _NO_ROOM:
            raise SessionError(
                f"the disk is full: calls are not stored in {path} until there is room"
            ) from error
        raise SessionError(
            f"{path} cannot be written to ({error.strerror}): "
            "set LOOM_DATA_DIR to a directory that you may write to, or use --no-session"
        ) from error


class SessionLock:
    """An advisory lock that a Loom holds while it writes to a session; it ends with the process, however that ends."""

    def __init__(self, path: Path) -> None:
        self._path = path.with_name(path.name + ".lock")
        self._file: int | None = None

    def acquire(self) -> None:
        """Acquire it; :class:`SessionError` names the process that holds it."""
        try:
            self._file = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as error:
            raise SessionError(f"the session cannot be locked with {self._path}: {error.strerror}") from error
        if sys.platform == "win32":  # SQLite's own locks have to do there
            return
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            holder = os.read(self._file, 20).decode("ascii", "replace").strip()
            os.close(self._file)
            self._file = None
            whose = f" (process {holder})" if holder.isdigit() else ""
            name = self._path.name.partition(".loom.db")[0]
            raise SessionError(
                f"session {name!r} is in use by another Loom{whose}: this run is not stored; "
                "give each its own --session NAME"
            ) from None
        with contextlib.suppress(OSError):  # a full disk: the lock is held all the same
            os.ftruncate(self._file, 0)
            os.pwrite(self._file, str(os.getpid()).encode(), 0)

    def release(self) -> None:
        if self._file is not None:
            os.close(self._file)
            self._file = None


def explain(error: sqlite3.Error, path: Path, *, opening: bool = False) -> str:
    """What SQLite's error means and what to do about it; ``opening``: the file did not open, and is not retried."""
    name = getattr(error, "sqlite_errorname", "")
    if name in _FULL:
        return f"the disk is full: calls are not stored in {path} until there is room"
    if name.startswith(("SQLITE_BUSY", "SQLITE_LOCKED")):
        until = ": end that and restart Loom" if opening else " until it releases the lock"
        return f"{path} is locked by another program: calls are not stored{until}"
    if name.startswith(_CANNOT_WRITE):
        return (
            f"{path} cannot be written to ({error}): "
            "set LOOM_DATA_DIR to a directory that you may write to, or use --no-session"
        )
    if name.startswith("SQLITE_IOERR"):
        return f"the disk fails: calls are not stored in {path} until it can be written to ({error})"
    if name.startswith(("SQLITE_CORRUPT", "SQLITE_NOTADB")) or str(error).startswith("no such"):
        return _DAMAGED.format(path, error)
    return f"{path}: {error}"


def _is_refused_content(error: Exception) -> bool:
    """Whether the database refuses a row for what is in it, so that a retry would fail, too.

    That is a value of a type that SQLite has not, an integer past 64 bits, text that is not Unicode, a blob that is too
    large, or a constraint.
    """
    if isinstance(error, sqlite3.ProgrammingError | sqlite3.InterfaceError):
        return str(error).startswith("Error binding parameter")
    return isinstance(
        error, sqlite3.DataError | sqlite3.IntegrityError | OverflowError | TypeError | ValueError
    )


@contextlib.contextmanager
def skip_refused_content(
    connection: sqlite3.Connection, subject: str, on_refused: Callable[[], None] = lambda: None
) -> Iterator[None]:
    """Undo and log what is executed in here if the database refuses it for its content; other errors pass through."""
    connection.execute("SAVEPOINT content")
    try:
        yield
    except Exception as error:
        if not _is_refused_content(error):
            raise
        connection.execute("ROLLBACK TO content")
        _log.warning("rows that the database refuses were dropped: %s (%s)", subject, error)
        on_refused()
    connection.execute("RELEASE content")
