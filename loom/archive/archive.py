"""Everything that is recorded, in memory and on disk, as one: found, listed, searched, exported, taken in."""

import asyncio
import heapq
import itertools
import logging
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from loom.api.calls import Summary
from loom.api.summary import summarise
from loom.errors import LoomError
from loom.formats import get_writer
from loom.formats.call_file import CallFile
from loom.grpcurl.endpoint import Destination
from loom.model import Call, CallIds, Secrets
from loom.model.projection import Projection, events_of
from loom.recording.history import History
from loom.recording.query import Query, parse
from loom.search import Answer, Chunk, Done, Export, Found, Reading, Search
from loom.sessions import SessionReader, SessionWriter

from .id_remapping import IdMap, parents_first
from .stored_descriptors import DescriptorRegistry, StoredDescriptorSource

_log = logging.getLogger(__name__)

_PAUSE_EVERY = 200  # calls looked at before the traffic gets its turn
_TAKE_AT_ONCE = 20
_MOST_WAITING = 16 * 1024 * 1024
_MOST_PROBLEMS = 100
_UNKNOWN = Destination()


@dataclass(slots=True)
class ImportResult:
    """What came of an import; ``problems`` are lines that say where something could not be read."""

    kind: str
    ids: list[int] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)


@dataclass(slots=True)
class CallPage:
    """Summaries, oldest first; ``more`` tells of older ones, ``problems`` of what could not be read."""

    calls: list[Summary]
    more: bool = False
    problems: list[str] = field(default_factory=list)


class Archive:
    """``ids`` number what is imported, ``changed`` is told of them; exported calls may be sent to ``destination``.

    ``secrets`` learn what is masked in an imported session.
    """

    def __init__(
        self,
        history: History,
        store: SessionWriter | None,
        descriptors: DescriptorRegistry,
        source: StoredDescriptorSource,
        ids: CallIds,
        changed: Callable[[Sequence[Call]], None] = lambda _: None,
        secrets: Secrets | None = None,
        *,
        destination: Destination = _UNKNOWN,
    ) -> None:
        self._history = history
        self._store = store
        self._descriptors = descriptors
        self._source = source
        self._ids = ids
        self._changed = changed
        self._destination = destination
        self._secrets = secrets
        self.reading = Reading(history, store, descriptors.stored)

    @property
    def cleared(self) -> int:
        """Calls up to this id were cleared, in this run or an earlier one; those in flight then may still be there."""
        return max(self._history.cleared, 0 if self._store is None else self._store.cleared)

    @property
    def on_disk(self) -> bool:
        """Whether there is a session."""
        return self._store is not None and self._store.active

    async def find(self, call_id: int) -> Call | None:
        """A call that is in memory, or else in the session."""
        call = self._history.get(call_id)
        if call is not None or not self._on_disk(call_id):
            return call
        return await asyncio.to_thread(self._find_on_disk, call_id)

    async def newest(self, limit: int, before: int | None) -> CallPage:
        """The newest ``limit`` summaries there are, of calls older than ``before``.

        The reading process is asked only if memory has fewer, and the session has older ones.
        """
        found = []
        for count, call in enumerate(self._history.newest(limit + 1, before), 1):
            found.append(summarise(call))
            if not count % _PAUSE_EVERY:
                await asyncio.sleep(0)
        first = self._history.complete_from if before is None else min(before, self._history.complete_from)
        if len(found) > limit or not await asyncio.to_thread(self._has_older, first):
            return CallPage(found[-limit:], more=len(found) > limit)
        return _newest_of(await self._read("", limit + 1, first, None), found, limit)

    def _has_older(self, call_id: int) -> bool:
        """Whether the session has calls older than this one."""
        if self._store is None or not self._on_disk(call_id - 1) or self._store.status()["error"]:
            return False
        self._store.flush()
        try:
            with SessionReader(self._store.path) as reader:
                oldest = reader.oldest_id()
        except LoomError:
            return False
        return oldest is not None and oldest < call_id

    async def matching(self, text: str, limit: int, before: int | None, after: int | None) -> CallPage:
        """The newest ``limit`` summaries that match a filter.

        What summaries can tell is answered from memory at once, and the session is read only for calls
        that are not in memory; the rest is the reading process's. Raises
        :class:`~loom.recording.query.FilterError` and :class:`~loom.search.ReadingError`.
        """
        query = parse(text)
        if query.needs_details or query.has_regex:
            return _newest_of(await self._read(text, limit + 1, before, after), [], limit)
        found = await self._in_memory(query, limit + 1, before, after)
        first = self._history.complete_from if before is None else min(before, self._history.complete_from)
        if len(found) > limit or not self._on_disk(first - 1) or (after or 0) >= first - 1:
            return CallPage(found[-limit:], more=len(found) > limit)
        return _newest_of(await self._read(text, limit + 1, first, after), found, limit)

    async def search(
        self, text: str, *, limit: int | None = None, before: int | None = None, after: int | None = None
    ) -> AsyncIterator[Answer]:
        """Every call that matches, or the newest ``limit``, with progress; ending the iteration cancels."""
        parse(text)  # an error is told before a process is started
        origin = await self.reading.origin()
        job = Search(origin=origin, q=text, limit=limit, before=before, after=after)
        async for answer in self.reading.run(job):
            yield answer

    async def export(
        self, kind: str, *, q: str = "", ids: Sequence[int] | None = None, secrets: Sequence[str] | None
    ) -> AsyncIterator[bytes]:
        """The calls that match, or those of ``ids``, as a file; ``secrets`` are masked, None masks nothing."""
        get_writer(kind)
        parse(q)
        job = Export(
            origin=await self.reading.origin(),
            format=kind,
            q=q,
            ids=None if ids is None else list(ids),
            secrets=None if secrets is None else list(secrets),
            destination=self._destination,
        )
        async for answer in self.reading.run(job):
            if isinstance(answer, Chunk):
                yield answer.data
            elif isinstance(answer, Done):
                for problem in answer.problems:
                    _log.warning("an export lacks what could not be read: %s", problem)

    async def import_file(self, path: Path) -> ImportResult:
        """Import a file's calls under new ids. Raises :class:`LoomError` if it is none that Loom reads."""
        with CallFile(path) as file:
            incoming = await asyncio.to_thread(file.read)
            taken = ImportResult(incoming.kind)
            if self._secrets is not None:
                self._secrets.add(incoming.masked)
            if self._store is not None:
                self._store.mask(incoming.masked)
            numbers = IdMap()
            calls = parents_first(incoming.calls)
            while batch := await asyncio.to_thread(list, itertools.islice(calls, _TAKE_AT_ONCE)):
                taken.ids += [self._take(call, numbers) for call in batch]
                await self._room()
            self._descriptors.add(incoming.descriptors)
            self._source.take(incoming.descriptors)
            taken.problems = incoming.problems[:_MOST_PROBLEMS]
            if len(incoming.problems) > _MOST_PROBLEMS:
                taken.problems.append(f"and {len(incoming.problems) - _MOST_PROBLEMS} more")
        return taken

    def _take(self, call: Call, numbers: IdMap) -> int:
        number, parent = self._ids.take(), numbers.parent(call)
        numbers.give(call, number)
        projection = Projection()
        taken: Call | None = None
        for event in events_of(call, number, parent):
            taken = projection.apply(event) or taken
            if self._store is not None:
                self._store.emit(event)
        if taken is None:  # it had not ended when it was written
            taken = projection.live_calls()[0]
        taken.declared_kind, taken.restored = call.declared_kind, True
        self._history.restore(taken)
        self._changed([taken])
        return number

    async def _room(self) -> None:
        """Let the traffic have its turn, and the session write what it was given."""
        await asyncio.sleep(0)
        if self._store is not None and self._store.waiting_bytes > _MOST_WAITING:
            await asyncio.to_thread(self._store.flush)

    def _on_disk(self, call_id: int) -> bool:
        store = self._store
        return store is not None and store.active and call_id > store.cleared

    def _find_on_disk(self, call_id: int) -> Call | None:
        assert self._store is not None  # noqa: S101 (asked before)
        try:
            with SessionReader(self._store.path, self._store.last_id + 1) as reader:
                return next(iter(reader.find([call_id])), None)
        except LoomError:
            return None

    async def _in_memory(
        self, query: Query, limit: int, before: int | None, after: int | None
    ) -> list[Summary]:
        found: list[Summary] = []
        for count, call in enumerate(reversed(list(self._history)), 1):
            if not count % _PAUSE_EVERY:
                await asyncio.sleep(0)
            if before is not None and call.id >= before:
                continue
            if len(found) == limit or (after is not None and call.id <= after):
                break
            summary = summarise(call)
            if query.matches(summary):
                found.append(summary)
        return found[::-1]

    async def _read(self, text: str, limit: int, before: int | None, after: int | None) -> CallPage:
        origin = await self.reading.origin()
        job = Search(origin=origin, q=text, limit=limit, before=before, after=after)
        listed = CallPage([])
        async for answer in self.reading.run(job):
            if isinstance(answer, Found):
                listed.calls += answer.calls
            elif isinstance(answer, Done):
                listed.problems = answer.problems
                break
        return listed


def _newest_of(read: CallPage, held: list[Summary], limit: int) -> CallPage:
    """The newest of what was read and of what is in memory; what is in both is as it is in memory."""
    by_id = {summary.id: summary for summary in (*read.calls, *held)}
    found = [by_id[call_id] for call_id in heapq.nlargest(limit + 1, by_id)][::-1]
    return CallPage(found[-limit:], len(found) > limit, read.problems)
