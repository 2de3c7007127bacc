"""A session's batches become calls again. Reads beside a Loom that writes, and changes nothing."""

import hashlib
import sqlite3
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import msgspec
import zstandard

from loom.model import Call, Kind, StoredDescriptorSet, StoredEvent
from loom.model.projection import end_interrupted, project

from .database import MASKED, SessionError, explain, open_for_reading
from .event_codec import unpack
from .recovery import is_damage, open_otherwise, walk


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


_MOST_TOLD = 20  # lines about what is damaged
_KINDS = {kind.value: kind for kind in Kind}


class SessionReader:
    """Reads one session; use it in a ``with``. Errors are :class:`SessionError`.

    ``damaged`` tells of what could not be read: it is passed over.
    ``live_from``: calls of this id and up belong to a Loom that is running; older ones
    that never ended are ended as its predecessor's stop. None: whatever did not end is ended so.
    """

    def __init__(self, path: Path, live_from: int | None = None) -> None:
        self.path = path
        self.damaged: list[str] = []
        self._told: set[str] = set()
        self._live_from = live_from
        try:
            self._connection = open_for_reading(path)
        except SessionError as error:
            self._connection, missing = open_otherwise(path, error)
            if missing:
                self._lost(missing)
        # Text that is damaged is told by what it should have said, not by SQLite's wrapper giving up.
        self._connection.text_factory = lambda raw: raw.decode("utf-8", "replace")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._connection.close()

    def totals(self) -> Totals:
        """Counts and times, without reading any event."""
        found = self._readable(
            "SELECT coalesce(sum(started), 0), coalesce(sum(ended), 0), count(*), coalesce(min(first_ns), 0),"
            " coalesce(max(last_ns), 0), total(typeof(started) || typeof(ended) || typeof(first_ns) || typeof(last_ns)"
            " != 'integerintegerintegerinteger') FROM batches",
            "",
        )
        if found and not found[0][-1]:
            calls, ended, batches, first_ns, last_ns, _ = found[0]
        else:
            rows = list(self._walk("started, ended, first_ns, last_ns"))
            calls, ended, batches = sum(row[1] for row in rows), sum(row[2] for row in rows), len(rows)
            first_ns, last_ns = (
                min((row[3] for row in rows), default=0),
                max((row[4] for row in rows), default=0),
            )
        facts = self._numbers("SELECT name, value FROM facts", "its counters")
        return Totals(
            calls, ended, batches, first_ns, last_ns, facts.get("last_id", 0), facts.get("pruned", 0)
        )

    def newest(self, limit: int, max_bytes: int) -> list[Call]:
        """At most ``limit`` calls, the last that began, oldest first; reads about ``max_bytes`` of events."""
        first = self._first_of(limit, max_bytes)
        calls = sorted(self._folded(self._records(first)), key=lambda call: call.id)
        return [self._settle(call) for call in calls[-limit:]] if limit else []

    def _first_of(self, limit: int, max_bytes: int) -> int:
        """The number of the batch in which the newest ``limit`` calls begin."""
        first = started = size = 0
        for seq, count, length in self._walk("started, size", backwards=True):
            if first and size + length > max_bytes:
                break
            first, started, size = seq, started + count, size + length
            if started >= limit:
                break
        return first

    def calls(self, newest: int | None = None) -> Iterator[Call]:
        """Every call: each when its end is read, then those that have not ended.

        Older ones than the ``newest`` may be left out.
        """
        first = 0 if newest is None else self._first_of(newest, sys.maxsize)
        for call in self._folded(self._records(first)):
            yield self._settle(call)

    def oldest_id(self) -> int | None:
        """The smallest id of a call; None if there is none, or it cannot be told."""
        [(found,)] = self._readable("SELECT min(first_id) FROM batches", "") or [(None,)]
        return found if isinstance(found, int) else None

    def _folded(self, records: Iterable[StoredEvent]) -> Iterator[Call]:
        return project(records, self._kinds())

    def find(self, ids: Iterable[int]) -> list[Call]:
        """The calls of these ids that are there, in order of id."""
        wanted = set(ids)
        try:
            batches = self._batches_of(wanted)
            records = (record for seq in sorted(batches) for record in self._one(seq))
            found = list(self._folded(record for record in records if record.call_id in wanted))
        except SessionError as error:
            if not is_damage(error.__cause__):
                raise
            found = list(self._folded(record for record in self._records() if record.call_id in wanted))
        return sorted((self._settle(call) for call in found), key=lambda call: call.id)

    def _batches_of(self, ids: Iterable[int]) -> set[int]:
        """The numbers of the batches that may hold something of these calls."""
        batches: set[int] = set()
        for call_id in ids:
            batches.update(
                seq for (seq,) in self._rows(
                    "SELECT seq FROM batches WHERE first_id <= ?1 AND last_id >= ?1"
                    " UNION SELECT seq FROM spans WHERE call_id = ?1", (call_id,)
                ) if isinstance(seq, int)
            )  # fmt: skip
        return batches

    def descriptors(self) -> list[StoredDescriptorSet]:
        """Every stored file set, the last fetched first."""
        what = "some of its descriptors"
        found = []
        query = "SELECT digest, target, source, origin, fetched_ns, file_set FROM descriptors"
        for digest, *fields in self._readable(query, what):
            if [type(field) for field in fields] == [str, str, str, int, bytes] and hashlib.sha256(
                fields[-1]
            ).digest() == digest:
                found.append(StoredDescriptorSet(*fields))
            else:
                self._lost(f"{what} could not be read")
        return sorted(found, key=lambda item: item.fetched_ns, reverse=True)

    def counters(self) -> tuple[int, int]:
        """The last id that was given, and the last that was cleared; 0 where it cannot be told."""
        facts = self._numbers("SELECT name, value FROM facts", "its counters")
        return facts.get("last_id", 0), facts.get("cleared", 0)

    def masked(self) -> list[str]:
        """The keys of metadata that were masked when its calls were recorded, beside those that always are."""
        names = self._numbers("SELECT name, value FROM facts", "its counters")
        return sorted(name.removeprefix(MASKED) for name in names if name.startswith(MASKED))

    def _kinds(self) -> dict[str, Kind]:
        what = "some kinds of methods"
        kinds = {}
        for method, kind in self._readable("SELECT method, kind FROM kinds", what):
            if isinstance(method, str) and kind in _KINDS:
                kinds[method] = _KINDS[kind]
            else:
                self._lost(f"{what} could not be read")
        return kinds

    def _numbers(self, query: str, what: str) -> dict[str, int]:
        numbers = {}
        for name, value in self._readable(query, what):
            if isinstance(name, str) and isinstance(value, int):
                numbers[name] = value
            else:
                self._lost(f"{what} could not be read")
        return numbers

    def _settle(self, call: Call) -> Call:
        if self._live_from is None or call.id < self._live_from:
            end_interrupted(call)
            call.restored = True
        return call

    def _records(self, first: int = 0) -> Iterator[StoredEvent]:
        """The events from batch ``first`` on."""
        for seq, events in self._walk("events", first=first):
            yield from self._unpacked(seq, events)

    def _one(self, seq: int) -> Iterable[StoredEvent]:
        rows = self._rows("SELECT events FROM batches WHERE seq = ?", (seq,))
        return self._unpacked(seq, rows[0][0]) if rows else ()

    def _unpacked(self, seq: int, events: Any) -> Iterable[StoredEvent]:
        try:
            if not isinstance(events, bytes) or not events.startswith(zstandard.FRAME_HEADER):
                raise msgspec.DecodeError("it is not compressed")
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
            if what:
                self._lost(f"{what} could not be read")
        return rows

    def _lost(self, what: str) -> None:
        line = f"{self.path}: {what}"
        if line in self._told:
            return
        self._told.add(line)
        if len(self._told) <= _MOST_TOLD:
            self.damaged.append(line)
        else:
            self.damaged[_MOST_TOLD:] = [f"{self.path}: and {len(self._told) - _MOST_TOLD} more"]

    def _each(self, query: str, values: tuple[int, ...] = ()) -> Iterator[tuple[Any, ...]]:
        try:
            yield from self._connection.execute(query, values)
        except sqlite3.Error as error:
            raise SessionError(explain(error, self.path)) from error

    def _rows(self, query: str, values: tuple[int, ...] = ()) -> list[tuple[Any, ...]]:
        return list(self._each(query, values))
