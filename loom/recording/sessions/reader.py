"""A session's batches become calls again. Reads beside a Loom that writes, and changes nothing."""

import sqlite3
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import msgspec

from loom.model import Call, Kind

from .database import SessionError, explain, open_for_reading
from .fold import Fold, fold, seal
from .records import Record, unpack
from .salvage import is_damage, open_otherwise, walk


@dataclass(frozen=True, slots=True)
class StoredDescriptors:
    """A serialized ``FileDescriptorSet`` and where it came from."""

    target: str
    source: str
    origin: str
    fetched_ns: int
    file_set: bytes


@dataclass(frozen=True, slots=True)
class Totals:
    """What a session holds. Times are those of its first and last event; 0 when it is empty."""

    calls: int
    ended: int
    batches: int
    first_ns: int
    last_ns: int
    last_id: int
    pruned: int


class SessionReader:
    """Reads one session; use it in a ``with``. Errors are :class:`SessionError`.

    ``damaged`` tells of what could not be read: it is passed over.
    ``live_from``: calls of this id and up belong to a Loom that is running; older ones
    that never ended are ended as its predecessor's stop. None: whatever did not end is ended so.
    """

    def __init__(self, path: Path, live_from: int | None = None) -> None:
        self.path = path
        self.damaged: list[str] = []
        self._live_from = live_from
        try:
            self._connection = open_for_reading(path)
        except SessionError as error:
            self._connection, missing = open_otherwise(path, error)
            if missing:
                self._lost(missing)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._connection.close()

    def totals(self) -> Totals:
        """Counts and times, without reading any event."""
        try:
            calls, ended, batches, first_ns, last_ns = self._rows(
                "SELECT coalesce(sum(started), 0), coalesce(sum(ended), 0), count(*), coalesce(min(first_ns), 0),"
                " coalesce(max(last_ns), 0) FROM batches"
            )[0]
        except SessionError as error:
            if not is_damage(error.__cause__):
                raise
            rows = list(self._walk("started, ended, first_ns, last_ns"))
            calls, ended, batches = sum(row[1] for row in rows), sum(row[2] for row in rows), len(rows)
            first_ns, last_ns = (
                min((row[3] for row in rows), default=0),
                max((row[4] for row in rows), default=0),
            )
        facts = dict(self._readable("SELECT name, value FROM facts", "its counters"))
        return Totals(
            calls, ended, batches, first_ns, last_ns, facts.get("last_id", 0), facts.get("pruned", 0)
        )

    def newest(self, limit: int, max_bytes: int) -> list[Call]:
        """At most ``limit`` calls, the last that began, oldest first; reads about ``max_bytes`` of events."""
        first = started = size = 0
        for seq, count, length in self._walk("started, size", backwards=True):
            if first and size + length > max_bytes:
                break
            first, started, size = seq, started + count, size + length
            if started >= limit:
                break
        calls = sorted(fold(self._records(first), self._kinds()), key=lambda call: call.id)
        return [self._settle(call) for call in calls[-limit:]] if limit else []

    def calls(self) -> Iterator[Call]:
        """Every call: each when its end is read, then those that have not ended."""
        for call in fold(self._records(), self._kinds()):
            yield self._settle(call)

    def find(self, ids: Iterable[int]) -> list[Call]:
        """The calls of these ids that are there, in order of id."""
        wanted = set(ids)
        batches: set[int] = set()
        for call_id in wanted:
            batches.update(
                seq for (seq,) in self._rows(
                    "SELECT seq FROM batches WHERE first_id <= ?1 AND last_id >= ?1"
                    " UNION SELECT seq FROM spans WHERE call_id = ?1", (call_id,)
                )
            )  # fmt: skip
        folding, found = Fold(self._kinds()), []
        for seq in sorted(batches):
            for record in self._one(seq):
                if record.call_id in wanted:
                    call = folding.feed(record)
                    if call is not None:
                        found.append(call)
        return sorted((self._settle(call) for call in (*found, *folding.rest())), key=lambda call: call.id)

    def descriptors(self) -> list[StoredDescriptors]:
        """Every stored file set, the last fetched first."""
        query = (
            "SELECT target, source, origin, fetched_ns, file_set FROM descriptors ORDER BY fetched_ns DESC"
        )
        return [StoredDescriptors(*row) for row in self._readable(query, "some of its descriptors")]

    def _kinds(self) -> dict[str, Kind]:
        rows = self._readable("SELECT method, kind FROM kinds", "some kinds of methods")
        return {method: Kind(kind) for method, kind in rows}

    def _settle(self, call: Call) -> Call:
        if self._live_from is None or call.id < self._live_from:
            seal(call)
            call.restored = True
        return call

    def _records(self, first: int = 0) -> Iterator[Record]:
        """The events from batch ``first`` on."""
        for seq, events in self._walk("events", first=first):
            yield from self._unpacked(seq, events)

    def _one(self, seq: int) -> Iterable[Record]:
        [(events,)] = self._rows("SELECT events FROM batches WHERE seq = ?", (seq,)) or [(None,)]
        return () if events is None else self._unpacked(seq, events)

    def _unpacked(self, seq: int, events: bytes) -> Iterable[Record]:
        try:
            return unpack(events)
        except msgspec.MsgspecError as error:
            self._lost(f"batch {seq} is damaged and was passed over: {error}")
            return ()

    def _walk(self, columns: str, *, first: int = 0, backwards: bool = False) -> Iterator[tuple[Any, ...]]:
        try:
            yield from walk(self._connection, columns, self._lost, first=first, backwards=backwards)
        except sqlite3.Error as error:
            raise SessionError(explain(error, self.path)) from error

    def _readable(self, query: str, what: str) -> list[tuple[Any, ...]]:
        """The rows up to the first that is damaged."""
        rows: list[tuple[Any, ...]] = []
        try:
            rows.extend(self._each(query))
        except SessionError as error:
            if not is_damage(error.__cause__):
                raise
            self._lost(f"{what} could not be read")
        return rows

    def _lost(self, what: str) -> None:
        line = f"{self.path}: {what}"
        if line not in self.damaged:
            self.damaged.append(line)

    def _each(self, query: str, values: tuple[int, ...] = ()) -> Iterator[tuple[Any, ...]]:
        try:
            yield from self._connection.execute(query, values)
        except sqlite3.Error as error:
            raise SessionError(explain(error, self.path)) from error

    def _rows(self, query: str, values: tuple[int, ...] = ()) -> list[tuple[Any, ...]]:
        return list(self._each(query, values))
