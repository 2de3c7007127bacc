"""What can still be read of a session whose file is damaged: everything but the pages that are."""

import sqlite3
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from .database import SessionError, check_version

_MOST_LOOKED_FOR = 5_000_000  # batches


def is_damage(error: BaseException | None) -> bool:
    """Whether SQLite complains of what is in the file: pages that are none, or that are missing."""
    name = getattr(error, "sqlite_errorname", "")
    return isinstance(error, sqlite3.Error) and name.startswith(("SQLITE_CORRUPT", "SQLITE_IOERR"))


def open_otherwise(path: Path, error: SessionError) -> tuple[sqlite3.Connection, str]:
    """Open for reading what SQLite refuses with ``error``, and what of it is missing ("" if nothing is).

    That is a file that lacks its end, or one in a directory where SQLite cannot write what it keeps beside a file
    that somebody may write to. Raises ``error`` where this does not help either.
    """
    name = getattr(error.__cause__, "sqlite_errorname", "")
    if name.startswith(("SQLITE_CANTOPEN", "SQLITE_READONLY")):
        log = path.with_name(f"{path.name}-wal")
        missing = f"what is only in {log.name} yet is missing" if log.is_file() and log.stat().st_size else ""
        return _opened(path, error, "immutable=1"), missing
    if not is_damage(error.__cause__):
        raise error
    # SQLite's own .recover does so: fewer pages than the header says are no reason to refuse then.
    return _opened(path, error, "mode=ro", "PRAGMA writable_schema=ON"), "its end is missing"


def _opened(path: Path, error: SessionError, how: str, first: str = "") -> sqlite3.Connection:
    connection = sqlite3.connect(f"{path.absolute().as_uri()}?{how}", uri=True, check_same_thread=False)
    try:
        connection.execute(first)
        check_version(connection, path)
    except sqlite3.Error:
        connection.close()
        raise error from None
    except BaseException:
        connection.close()
        raise
    return connection


def walk(
    connection: sqlite3.Connection,
    columns: str,
    lost: Callable[[str], None],
    *,
    first: int = 0,
    backwards: bool = False,
) -> Iterator[tuple[Any, ...]]:
    """``seq`` and these columns of every batch from ``first`` on, in order.

    Where a page is damaged, the batches beyond it are looked for one by one; ``lost`` is told in a line
    which ones were not to be had. Raises :class:`sqlite3.Error` for anything but damage.
    """
    order = "DESC" if backwards else "ASC"
    at: int | None = None
    try:
        query = f"SELECT seq, {columns} FROM batches WHERE seq >= ? ORDER BY seq {order}"  # noqa: S608 (constants)
        for row in connection.execute(query, (first,)):
            at = row[0]
            yield row
    except sqlite3.Error as error:
        if not is_damage(error):
            raise
    else:
        return
    yield from _one_by_one(connection, columns, lost, _beyond(connection, first, at, backwards=backwards))


def _beyond(connection: sqlite3.Connection, first: int, at: int | None, *, backwards: bool) -> Sequence[int]:
    """The numbers that batches may have after ``at``, where the walk was ended."""
    newest = _newest(connection)
    if backwards:
        return range(newest if at is None else at - 1, max(first, 1, newest - _MOST_LOOKED_FOR) - 1, -1)
    start = max(first, 1) if at is None else at + 1
    return range(max(start, newest - _MOST_LOOKED_FOR), newest + 1)


def _newest(connection: sqlite3.Connection) -> int:
    """The largest number of a batch, from whichever page still tells."""
    found = 0
    for query in (
        "SELECT max(seq) FROM batches",
        "SELECT max(seq) FROM batches INDEXED BY batches_by_id WHERE first_id >= 0",
        "SELECT max(seq) FROM spans",
    ):
        try:
            found = max(found, connection.execute(query).fetchone()[0] or 0)
        except sqlite3.Error:
            continue
    return found


def _one_by_one(
    connection: sqlite3.Connection, columns: str, lost: Callable[[str], None], numbers: Sequence[int]
) -> Iterator[tuple[Any, ...]]:
    missing: list[int] = []
    for seq in numbers:
        try:
            row = connection.execute(f"SELECT seq, {columns} FROM batches WHERE seq = ?", (seq,)).fetchone()  # noqa: S608
        except sqlite3.Error as error:
            if not is_damage(error):
                raise
            missing.append(seq)
            continue
        if row is not None:
            yield row
    if missing:
        low, high = min(missing), max(missing)
        those = f"batch {low}" if low == high else f"{len(missing)} batches between {low} and {high}"
        lost(f"{those} could not be read and {'was' if low == high else 'were'} passed over")
