"""Reads what is left of a damaged session: everything but the pages that are damaged."""

import sqlite3
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

from .database import SessionError, check_version, is_disk_full

_MAX_PROBED = 5_000_000  # batches
_MIN_ROW = 64  # bytes of a batch in the file
# Columns that are not integers. A damaged page may read as rows with anything in their columns, NULL included.
_TYPES: Mapping[str, type] = MappingProxyType({"events": bytes})
_NOT_DAMAGE = (
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
    """Whether SQLite's error is about the file's content: pages that are invalid, missing or inconsistent.

    The tables are those of this version, so that statements which SQLite cannot prepare mean damage, too.
    """
    name = getattr(error, "sqlite_errorname", "")
    return isinstance(error, sqlite3.Error) and name != "" and not name.startswith(_NOT_DAMAGE)


def open_damaged(path: Path, error: SessionError) -> tuple[sqlite3.Connection, str]:
    """Open for reading a file that SQLite refuses with ``error``; also return what of it is missing, or "".

    That is a truncated file, or one in a directory (or on a full disk) where SQLite cannot create the files that it
    adds to a database that may be written to. Raises ``error`` where this does not help either.
    """
    name = getattr(error.__cause__, "sqlite_errorname", "")
    if name.startswith(("SQLITE_CANTOPEN", "SQLITE_READONLY")) or is_disk_full(error):
        log = path.with_name(f"{path.name}-wal")
        missing = f"what is only in {log.name} is missing" if log.is_file() and log.stat().st_size else ""
        return _open(path, error, "immutable=1"), missing
    if not is_damage(error.__cause__):
        raise error
    # As SQLite's own .recover: then it accepts a file with fewer pages than its header says.
    return _open(path, error, "mode=ro", "PRAGMA writable_schema=ON"), "its end is missing"


def _open(path: Path, error: SessionError, query: str, pragma: str = "") -> sqlite3.Connection:
    connection = sqlite3.connect(f"{path.absolute().as_uri()}?{query}", uri=True, check_same_thread=False)
    try:
        connection.execute(pragma)
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
    report: Callable[[str], None],
    *,
    first: int = 0,
    backwards: bool = False,
) -> Iterator[tuple[Any, ...]]:
    """``seq`` and these columns of every batch from ``first`` on, in order.

    Batches are numbered consecutively: where a number is missing, or a page is damaged, the batches after it are probed
    one by one. ``report`` is called with a line about those that could not be read. Raises :class:`sqlite3.Error` for
    errors that are not damage.
    """
    types = [_TYPES.get(name.strip(), int) for name in columns.split(",")]
    order, step = ("DESC", -1) if backwards else ("ASC", 1)
    missing: list[int] = []
    last: int | None = None
    interrupted = False
    try:
        query = f"SELECT seq, {columns} FROM batches WHERE seq >= ? ORDER BY seq {order}"  # noqa: S608 (constants)
        for row in connection.execute(query, (first,)):
            if last is not None and row[0] != last + step:
                interrupted = True
                break
            last = row[0]
            if _has_types(row, types):
                yield row
            else:
                missing.append(last)
    except sqlite3.Error as error:
        if not is_damage(error):
            raise
        interrupted = True
    ends = _newest_numbers(connection)
    # Fewer batches than there should be are damage, too; a Loom that writes at the same time only adds some.
    if interrupted or (not backwards and ends and ends[-1] > (last or 0)):
        if backwards and last is not None:
            ends = [last - 1]
        numbers = _numbers_after(connection, ends, first, last, backwards=backwards)
        yield from _probe(connection, columns, types, missing, numbers, started=last is not None)
        if interrupted and not missing:
            report(
                f"the batches after batch {last} could not be found"
                if last
                else "it is damaged: its batches could not be found"
            )
    if missing:
        report(_skipped(min(missing), max(missing), len(missing)))


def _skipped(low: int, high: int, count: int) -> str:
    if low == high:
        return f"batch {low} could not be read and was skipped"
    return f"{count} batches between {low} and {high} could not be read and were skipped"


def _has_types(row: tuple[Any, ...], types: list[type]) -> bool:
    return all(type(value) is kind for value, kind in zip(row[1:], types, strict=True))


def _numbers_after(
    connection: sqlite3.Connection, ends: list[int], first: int, last: int | None, *, backwards: bool
) -> Iterator[int]:
    """The numbers that batches may have after ``last``, at which the walk was interrupted."""
    try:
        pages, size = (connection.execute(f"PRAGMA {of}").fetchone()[0] for of in ("page_count", "page_size"))
        count = min(_MAX_PROBED, pages * size // _MIN_ROW + 1)
    except sqlite3.Error:
        count = _MAX_PROBED
    low = max(first, 1) if last is None or backwards else max(first, last + 1)
    ranges: list[range] = []
    for (
        end
    ) in ends:  # where they differ, one of them may be damaged; a file has room for ``count`` before each
        start = max(low, end - count, ranges[-1].stop if ranges else low)
        if start <= end:
            ranges.append(range(start, end + 1))
    for numbers in reversed(ranges) if backwards else ranges:
        yield from reversed(numbers) if backwards else numbers


def _newest_numbers(connection: sqlite3.Connection) -> list[int]:
    """The largest number of a batch according to each page that can be read, in order."""
    numbers = set()
    for query in (
        "SELECT max(seq) FROM batches",
        "SELECT max(seq) FROM (SELECT seq FROM batches INDEXED BY batches_by_id ORDER BY first_id DESC LIMIT 100)",
        "SELECT max(seq) FROM spans",
    ):
        try:
            numbers.add(connection.execute(query).fetchone()[0])
        except sqlite3.Error:
            continue
    return sorted(number for number in numbers if isinstance(number, int) and number > 0)


def _probe(
    connection: sqlite3.Connection,
    columns: str,
    types: list[type],
    missing: list[int],
    numbers: Iterator[int],
    *,
    started: bool,
) -> Iterator[tuple[Any, ...]]:
    """The batches of these numbers that can be read; the numbers of others are appended to ``missing``.

    ``started``: there are batches ahead of these, so that those that are absent were not pruned.
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
        missing += absent if started else []
        absent.clear()
        started = True
        if _has_types(row, types):
            yield row
        else:
            missing.append(seq)
