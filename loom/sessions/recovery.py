"""What can still be read of a session whose file is damaged: everything but the pages that are."""

import sqlite3
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

from .database import SessionError, check_version, lacks_room

_MOST_LOOKED_FOR = 5_000_000  # batches
_LEAST_ROW = 64  # bytes of a batch in the file
# Columns that are not numbers. A damaged page may read as rows whose columns are anything, NULL included.
_TYPES: Mapping[str, type] = MappingProxyType({"events": bytes})
_SOMETHING_ELSE = (
    "SQLITE_BUSY",
    "SQLITE_LOCKED",
    "SQLITE_CANTOPEN",
    "SQLITE_READONLY",
    "SQLITE_PERM",
    "SQLITE_FULL",
    "SQLITE_NOMEM",
    "SQLITE_INTERRUPT",
)


def is_damage(error: BaseException | None) -> bool:
    """Whether SQLite complains of what is in the file: pages that are none, that are missing, or say nonsense.

    The tables are those of this version, so that whatever SQLite does not understand in there is damage, too.
    """
    name = getattr(error, "sqlite_errorname", "")
    return isinstance(error, sqlite3.Error) and name != "" and not name.startswith(_SOMETHING_ELSE)


def open_otherwise(path: Path, error: SessionError) -> tuple[sqlite3.Connection, str]:
    """Open for reading what SQLite refuses with ``error``, and what of it is missing ("" if nothing is).

    That is a file that lacks its end, or one in a directory (or on a full disk) where SQLite cannot write what it keeps
    beside a file that somebody may write to. Raises ``error`` where this does not help either.
    """
    name = getattr(error.__cause__, "sqlite_errorname", "")
    if name.startswith(("SQLITE_CANTOPEN", "SQLITE_READONLY")) or lacks_room(error):
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

    Their numbers follow each other: where they do not, or a page is damaged, the batches beyond are looked for one by
    one. ``lost`` is told in a line which ones were not to be had. Raises :class:`sqlite3.Error` for what is no damage.
    """
    types = [_TYPES.get(name.strip(), int) for name in columns.split(",")]
    order, step = ("DESC", -1) if backwards else ("ASC", 1)
    missing: list[int] = []
    at: int | None = None
    broken = False
    try:
        query = f"SELECT seq, {columns} FROM batches WHERE seq >= ? ORDER BY seq {order}"  # noqa: S608 (constants)
        for row in connection.execute(query, (first,)):
            if at is not None and row[0] != at + step:
                broken = True
                break
            at = row[0]
            if _sound(row, types):
                yield row
            else:
                missing.append(at)
    except sqlite3.Error as error:
        if not is_damage(error):
            raise
        broken = True
    known = _newest(connection)
    # Less than there should be is damage, too; a Loom that writes meanwhile only adds to what is read.
    if broken or (not backwards and known and known[-1] > (at or 0)):
        if backwards and at is not None:
            known = [at - 1]
        numbers = _beyond(connection, known, first, at, backwards=backwards)
        yield from _one_by_one(connection, columns, types, missing, numbers, begun=at is not None)
        if broken and not missing:
            lost(
                f"what follows batch {at} could not be found"
                if at
                else "it is damaged: its batches could not be found"
            )
    if missing:
        low, high = min(missing), max(missing)
        those = f"batch {low}" if low == high else f"{len(missing)} batches between {low} and {high}"
        lost(f"{those} could not be read and {'was' if low == high else 'were'} passed over")


def _sound(row: tuple[Any, ...], types: list[type]) -> bool:
    return all(type(value) is kind for value, kind in zip(row[1:], types, strict=True))


def _beyond(
    connection: sqlite3.Connection, known: list[int], first: int, at: int | None, *, backwards: bool
) -> Iterator[int]:
    """The numbers that batches may have after ``at``, where the walk was ended."""
    try:
        pages, size = (connection.execute(f"PRAGMA {of}").fetchone()[0] for of in ("page_count", "page_size"))
        most = min(_MOST_LOOKED_FOR, pages * size // _LEAST_ROW + 1)
    except sqlite3.Error:
        most = _MOST_LOOKED_FOR
    low = max(first, 1) if at is None or backwards else max(first, at + 1)
    ranges: list[range] = []
    for end in known:  # where they differ, one of them may be damaged; a file holds only so many before each
        start = max(low, end - most, ranges[-1].stop if ranges else low)
        if start <= end:
            ranges.append(range(start, end + 1))
    for numbers in reversed(ranges) if backwards else ranges:
        yield from reversed(numbers) if backwards else numbers


def _newest(connection: sqlite3.Connection) -> list[int]:
    """The largest number of a batch, from every page that still tells, in order."""
    found = set()
    for query in (
        "SELECT max(seq) FROM batches",
        "SELECT max(seq) FROM (SELECT seq FROM batches INDEXED BY batches_by_id ORDER BY first_id DESC LIMIT 100)",
        "SELECT max(seq) FROM spans",
    ):
        try:
            found.add(connection.execute(query).fetchone()[0])
        except sqlite3.Error:
            continue
    return sorted(number for number in found if isinstance(number, int) and number > 0)


def _one_by_one(
    connection: sqlite3.Connection,
    columns: str,
    types: list[type],
    missing: list[int],
    numbers: Iterator[int],
    *,
    begun: bool,
) -> Iterator[tuple[Any, ...]]:
    """Those of these batches that can be read; ``missing`` takes the numbers of the others.

    ``begun``: batches came before these, so that they are none that were pruned.
    """
    absent: list[int] = []  # missing only if others come after them
    for seq in numbers:
        try:
            row = connection.execute(f"SELECT seq, {columns} FROM batches WHERE seq = ?", (seq,)).fetchone()  # noqa: S608
        except sqlite3.Error as error:
            if not is_damage(error):
                raise
            missing.append(seq)
            continue
        if row is None:
            absent.append(seq)
            continue
        missing += absent if begun else []
        absent.clear()
        begun = True
        if _sound(row, types):
            yield row
        else:
            missing.append(seq)
