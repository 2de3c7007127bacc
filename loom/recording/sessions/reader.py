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

    ``damaged`` tells of batches that could not be read: they are passed over.
    ``live_from``: calls of this id and up belong to a Loom that is running; older ones
    that never ended are ended as its predecessor's stop. None: whatever did not end is ended so.
    """

    def __init__(self, path: Path, live_from: int | None = None) -> None:
        self.path = path
        self.damaged: list[str] = []
        self._live_from = live_from
        self._connection = open_for_reading(path)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._connection.close()

    def totals(self) -> Totals:
        """Counts and times, without reading any event."""
        calls, ended, batches, first_ns, last_ns = self._rows(
            "SELECT coalesce(sum(started), 0), coalesce(sum(ended), 0), count(*), coalesce(min(first_ns), 0),"
            " coalesce(max(last_ns), 0) FROM batches"
        )[0]
        facts = dict(self._rows("SELECT name, value FROM facts"))
        return Totals(calls, ended, batches, first_ns, last_ns, facts["last_id"], facts["pruned"])

    def newest(self, limit: int, max_bytes: int) -> list[Call]:
        """At most ``limit`` calls, the last that began, oldest first; reads about ``max_bytes`` of events."""
        first = started = size = 0
        query = "SELECT seq, started, size FROM batches ORDER BY seq DESC"
        for seq, count, length in self._each(query):
            if first and size + length > max_bytes:
                break
            first, started, size = seq, started + count, size + length
            if started >= limit:
                break
        records = self._records("WHERE seq >= ?", (first,))
        calls = sorted(fold(records, self._kinds()), key=lambda call: call.id)
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
            for record in self._records("WHERE seq = ?", (seq,)):
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
        return [StoredDescriptors(*row) for row in self._rows(query)]

    def _kinds(self) -> dict[str, Kind]:
        return {method: Kind(kind) for method, kind in self._rows("SELECT method, kind FROM kinds")}

    def _settle(self, call: Call) -> Call:
        if self._live_from is None or call.id < self._live_from:
            seal(call)
            call.restored = True
        return call

    def _records(self, where: str = "", values: tuple[int, ...] = ()) -> Iterator[Record]:
        for _, records in self._batches(where, values):
            yield from records

    def _batches(self, where: str, values: tuple[int, ...]) -> Iterator[tuple[int, Iterable[Record]]]:
        for seq, events in self._each(f"SELECT seq, events FROM batches {where} ORDER BY seq", values):  # noqa: S608 (constants of this class)
            try:
                records = unpack(events)
            except msgspec.MsgspecError as error:
                self.damaged.append(f"{self.path}: batch {seq} is damaged and was passed over: {error}")
                continue
            yield seq, records

    def _each(self, query: str, values: tuple[int, ...] = ()) -> Iterator[tuple[Any, ...]]:
        try:
            yield from self._connection.execute(query, values)
        except sqlite3.Error as error:
            raise SessionError(explain(error, self.path)) from error

    def _rows(self, query: str, values: tuple[int, ...] = ()) -> list[tuple[Any, ...]]:
        return list(self._each(query, values))
