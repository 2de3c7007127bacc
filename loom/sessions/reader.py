"""Reads calls and descriptor sets of a session, also while a Loom writes to it. Changes nothing."""

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

from .database import FAULT_SEED, MASKED, SessionError, explain, open_for_reading
from .event_codec import unpack
from .recovery import is_damage, open_damaged, walk


@dataclass(frozen=True, slots=True)
class Totals:
    """Counts of a session. Times are those of its first and last event; 0 when it is empty."""

    calls: int
    ended: int
    batches: int
    first_ns: int
    last_ns: int
    last_id: int
    pruned: int


DEFAULT_MAX_PROBLEMS = 20
_KINDS = {kind.value: kind for kind in Kind}


class SessionReader:
    """Reads one session; use it in a ``with``. Errors are :class:`SessionError`.

    What is damaged is skipped, and ``damaged`` has lines about it, at most ``max_problems``.
    ``live_from`` is the first id of a Loom that is running; calls of smaller ids that did not end were interrupted
    (see :func:`loom.model.projection.end_interrupted`). None: all calls that did not end were.
    """

    def __init__(
        self, path: Path, live_from: int | None = None, *, max_problems: int = DEFAULT_MAX_PROBLEMS
    ) -> None:
        self.path = path
        self.damaged: list[str] = []
        self._max_problems = max_problems
        self._problems: set[str] = set()
        self._live_from = live_from
        try:
            self._connection = open_for_reading(path)
        except SessionError as error:
            self._connection, missing = open_damaged(path, error)
            if missing:
                self._report(missing)
        # Damaged text is found by checking its value; SQLite's wrapper would raise for the whole row.
        self._connection.text_factory = lambda raw: raw.decode("utf-8", "replace")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._connection.close()

    def totals(self) -> Totals:
        """Counts and times, without reading any event."""
        rows = self._readable(
            "SELECT coalesce(sum(started), 0), coalesce(sum(ended), 0), count(*), coalesce(min(first_ns), 0),"
            " coalesce(max(last_ns), 0), total(typeof(started) || typeof(ended) || typeof(first_ns) || typeof(last_ns)"
            " != 'integerintegerintegerinteger') FROM batches",
            "",
        )
        if rows and not rows[0][-1]:
            calls, ended, batches, first_ns, last_ns, _ = rows[0]
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
        """At most ``limit`` calls, the last that started, oldest first; reads about ``max_bytes`` of events."""
        first = self._first_batch(limit, max_bytes)
        calls = sorted(self._project(self._events(first)), key=lambda call: call.id)
        return [self._finish(call) for call in calls[-limit:]] if limit else []

    def _first_batch(self, limit: int, max_bytes: int) -> int:
        """The number of the batch in which the first of the newest ``limit`` calls starts."""
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

        With ``newest``, at least that many of the newest; older ones may be left out.
        """
        first = 0 if newest is None else self._first_batch(newest, sys.maxsize)
        for call in self._project(self._events(first)):
            yield self._finish(call)

    def oldest_id(self) -> int | None:
        """The smallest id of a call; None if there is no call, or it cannot be read."""
        [(oldest,)] = self._readable("SELECT min(first_id) FROM batches", "") or [(None,)]
        return oldest if isinstance(oldest, int) else None

    def _project(self, events: Iterable[StoredEvent]) -> Iterator[Call]:
        return project(events, self._kinds())

    def find(self, ids: Iterable[int]) -> list[Call]:
        """The calls of these ids that are in the session, in order of id."""
        id_set = set(ids)
        try:
            batches = self._batches_of(id_set)
            events = (event for seq in sorted(batches) for event in self._events_of_batch(seq))
            calls = list(self._project(event for event in events if event.call_id in id_set))
        except SessionError as error:
            if not is_damage(error.__cause__):
                raise
            calls = list(self._project(event for event in self._events() if event.call_id in id_set))
        return sorted((self._finish(call) for call in calls), key=lambda call: call.id)

    def _batches_of(self, ids: Iterable[int]) -> set[int]:
        """The numbers of the batches that may have events of these calls."""
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
        """Every descriptor set, the last fetched first."""
        subject = "some of its descriptors"
        descriptors = []
        query = "SELECT digest, target, source, origin, fetched_ns, file_set FROM descriptors"
        for digest, *fields in self._readable(query, subject):
            if [type(field) for field in fields] == [str, str, str, int, bytes] and hashlib.sha256(
                fields[-1]
            ).digest() == digest:
                descriptors.append(StoredDescriptorSet(*fields))
            else:
                self._report(f"{subject} could not be read")
        return sorted(descriptors, key=lambda item: item.fetched_ns, reverse=True)

    def counters(self) -> tuple[int, int]:
        """The last id that was assigned, and the last that was cleared; 0 where it cannot be read."""
        facts = self._numbers("SELECT name, value FROM facts", "its counters")
        return facts.get("last_id", 0), facts.get("cleared", 0)

    def masked(self) -> list[str]:
        """The metadata keys that were masked when its calls were recorded, beside the defaults."""
        names = self._numbers("SELECT name, value FROM facts", "its counters")
        return sorted(name.removeprefix(MASKED) for name in names if name.startswith(MASKED))

    def fault_seeds(self) -> dict[int, int]:
        """The seed of the rules and faults of each run, by the id of its first call, in order."""
        names = self._numbers("SELECT name, value FROM facts", "its counters")
        seeds = {
            int(first): seed
            for name, seed in names.items()
            if name.startswith(FAULT_SEED) and (first := name.removeprefix(FAULT_SEED)).isdecimal()
        }
        return dict(sorted(seeds.items()))

    def _kinds(self) -> dict[str, Kind]:
        subject = "some kinds of methods"
        kinds = {}
        for method, kind in self._readable("SELECT method, kind FROM kinds", subject):
            if isinstance(method, str) and kind in _KINDS:
                kinds[method] = _KINDS[kind]
            else:
                self._report(f"{subject} could not be read")
        return kinds

    def _numbers(self, query: str, subject: str) -> dict[str, int]:
        numbers = {}
        for name, value in self._readable(query, subject):
            if isinstance(name, str) and isinstance(value, int):
                numbers[name] = value
            else:
                self._report(f"{subject} could not be read")
        return numbers

    def _finish(self, call: Call) -> Call:
        if self._live_from is None or call.id < self._live_from:
            end_interrupted(call)
            call.restored = True
        return call

    def _events(self, first: int = 0) -> Iterator[StoredEvent]:
        """The events of batch ``first`` and those after it."""
        for seq, row in self._walk("events", first=first):
            yield from self._unpack(seq, row)

    def _events_of_batch(self, seq: int) -> Iterable[StoredEvent]:
        rows = self._rows("SELECT events FROM batches WHERE seq = ?", (seq,))
        return self._unpack(seq, rows[0][0]) if rows else ()

    def _unpack(self, seq: int, row: Any) -> Iterable[StoredEvent]:
        try:
            if not isinstance(row, bytes) or not row.startswith(zstandard.FRAME_HEADER):
                raise msgspec.DecodeError("it is not compressed")
            return unpack(row)
        except msgspec.MsgspecError as error:
            self._report(f"batch {seq} is damaged and was skipped: {error}")
            return ()

    def _walk(self, columns: str, *, first: int = 0, backwards: bool = False) -> Iterator[tuple[Any, ...]]:
        try:
            yield from walk(self._connection, columns, self._report, first=first, backwards=backwards)
        except sqlite3.Error as error:
            raise SessionError(explain(error, self.path)) from error

    def _readable(self, query: str, subject: str) -> list[tuple[Any, ...]]:
        """The rows up to the first damaged one, which is reported as ``subject`` unless that is empty."""
        rows: list[tuple[Any, ...]] = []
        try:
            rows.extend(self._each(query))
        except SessionError as error:
            if not is_damage(error.__cause__):
                raise
            if subject:
                self._report(f"{subject} could not be read")
        return rows

    def _report(self, problem: str) -> None:
        line = f"{self.path}: {problem}"
        if line in self._problems:
            return
        self._problems.add(line)
        count, limit = len(self._problems), self._max_problems
        if count <= limit:
            self.damaged.append(line)
        else:
            self.damaged[limit:] = [f"{self.path}: and {count - limit} more"]

    def _each(self, query: str, values: tuple[int, ...] = ()) -> Iterator[tuple[Any, ...]]:
        try:
            yield from self._connection.execute(query, values)
        except sqlite3.Error as error:
            raise SessionError(explain(error, self.path)) from error

    def _rows(self, query: str, values: tuple[int, ...] = ()) -> list[tuple[Any, ...]]:
        return list(self._each(query, values))
