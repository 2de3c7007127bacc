"""Find, list, search, export and import recorded calls, in memory and in the session alike."""

import asyncio
import contextlib
import heapq
import logging
import tempfile
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

import msgspec

from loom.api.calls import Summary
from loom.api.summary import summarise
from loom.decoding.stored_schema import StoredSchema
from loom.errors import LoomError
from loom.formats import get_writer
from loom.formats.destination import Destination
from loom.model import Call, Secrets
from loom.model.projection import project
from loom.recording.history import History
from loom.recording.query import Query, parse
from loom.search import Answer, Chunk, Done, ExportJob, Matches, SearchClient, SearchJob
from loom.search.matching import CallMatcher
from loom.search.protocol import DescriptorInput, ImportedCalls, ImportEnd, ImportStart
from loom.sessions import SessionReader, SessionWriter
from loom.sessions.event_codec import unpack
from loom.workers import encode_frame, read_frame

from .call_importer import NO_SEEDS, CallImporter
from .recent_matches import find_recent_matches
from .stored_descriptors import DescriptorRegistry, StoredDescriptorSource

_log = logging.getLogger(__name__)

_YIELD_EVERY = 200  # calls between two turns of the event loop
_NO_DESTINATION = Destination()


@dataclass(slots=True)
class ImportResult:
    """The new ids of imported calls; ``problems`` say where the file could not be read."""

    kind: str
    ids: list[int] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)


@dataclass(slots=True)
class CallPage:
    """Summaries, oldest first; ``more`` if there are older ones, ``problems`` for what could not be read."""

    calls: list[Summary]
    more: bool = False
    problems: list[str] = field(default_factory=list)


class Archive:
    """The recorded calls of one Loom.

    Imported calls get their ids from ``allocate_id``, and ``on_imported`` is called with them; the metadata keys that
    an imported session masks are added to ``secrets``. Exports that send calls again send them to ``destination``.
    ``fault_seeds`` are those of calls in memory, by the id of the first call that each is of.
    """

    def __init__(
        self,
        history: History,
        store: SessionWriter | None,
        descriptors: DescriptorRegistry,
        source: StoredDescriptorSource,
        allocate_id: Callable[[], int],
        on_imported: Callable[[Sequence[Call]], None] = lambda _: None,
        secrets: Secrets | None = None,
        *,
        destination: Destination = _NO_DESTINATION,
        fault_seeds: Mapping[int, int] = NO_SEEDS,
    ) -> None:
        self._history = history
        self._store = store
        self._descriptors = descriptors
        self._source = source
        self._allocate_id = allocate_id
        self._on_imported = on_imported
        self.destination = destination
        self._fault_seeds = dict(fault_seeds)
        self._secrets = secrets
        self._schema: StoredSchema | None = None
        self._search_client = SearchClient(history, store, descriptors.stored)

    @property
    def cleared(self) -> int:
        """Calls with an id up to this one were cleared, in this run or an earlier one, unless they were in flight."""
        return max(self._history.cleared, 0 if self._store is None else self._store.cleared)

    @property
    def on_disk(self) -> bool:
        """Whether there is a session."""
        return self._store is not None and self._store.active

    async def find(self, call_id: int) -> Call | None:
        """The call with this id, from memory or else from the session."""
        call = self._history.get(call_id)
        if call is not None or not self._may_be_on_disk(call_id):
            return call
        return await asyncio.to_thread(self._find_on_disk, call_id)

    async def list_newest(self, limit: int, before: int | None) -> CallPage:
        """The newest ``limit`` summaries of calls with an id below ``before``.

        The session is read only if memory has fewer and the session has older calls.
        """
        summaries = []
        for count, call in enumerate(self._history.newest(limit + 1, before), 1):
            summaries.append(summarise(call))
            if not count % _YIELD_EVERY:
                await asyncio.sleep(0)
        oldest = self._history.complete_from if before is None else min(before, self._history.complete_from)
        if len(summaries) > limit or not await asyncio.to_thread(self._has_older, oldest):
            return CallPage(summaries[-limit:], more=len(summaries) > limit)
        return _merge(await self._search_all("", limit + 1, oldest, None), summaries, limit)

    async def list_matching(self, text: str, limit: int, before: int | None, after: int | None) -> CallPage:
        """The newest ``limit`` summaries that match a filter.

        What a summary can decide is answered from memory at once, and only calls that are not in memory are read from
        the session; everything else is left to the search process. Raises
        :class:`~loom.recording.query.FilterError` and :class:`~loom.search.SearchError`.
        """
        query = parse(text)
        if query.needs_details or query.has_regex:
            return _merge(await self._search_all(text, limit + 1, before, after), [], limit)
        matches = await self._match_in_memory(query, limit + 1, before, after)
        # Calls in flight stay in memory after newer ones were evicted: the session has those in between.
        oldest = self._history.complete_from if before is None else min(before, self._history.complete_from)
        if len(matches) > limit or not self._may_be_on_disk(oldest - 1) or (after or 0) >= oldest - 1:
            return CallPage(matches[-limit:], more=len(matches) > limit)
        return _merge(await self._search_all(text, limit + 1, oldest, after), matches, limit)

    async def search(
        self, text: str, *, limit: int | None = None, before: int | None = None, after: int | None = None
    ) -> AsyncIterator[Answer]:
        """Every call that matches, or the newest ``limit``, with progress. Closing the iterator cancels the search.

        Of a filter that needs metadata or bodies, matches in memory are answered before the search process has started.
        """
        query = parse(text)  # report an error in the filter before a process is started
        answered: set[int] = set()
        if limit is None and query.needs_details and not query.has_regex:
            schema = self._stored_schema()
            async for summaries in find_recent_matches(self._history, query, schema, before, after):
                answered.update(summary.id for summary in summaries)
                yield Matches(summaries)
        origin = await self._search_client.origin()
        job = SearchJob(origin=origin, q=text, limit=limit, before=before, after=after)
        async for answer in self._search_client.run(job):
            if not isinstance(answer, Matches):
                yield answer
            elif summaries := [summary for summary in answer.calls if summary.id not in answered]:
                yield Matches(summaries)

    async def export(
        self, kind: str, *, q: str = "", ids: Sequence[int] | None = None, secrets: Sequence[str] | None
    ) -> AsyncIterator[bytes]:
        """The calls with the given ids, or else those that match ``q``, as a file of the format ``kind``.

        Metadata with a key in ``secrets`` is masked; None masks nothing.
        """
        get_writer(kind)
        parse(q)
        job = ExportJob(
            origin=await self._search_client.origin(),
            format=kind,
            q=q,
            ids=None if ids is None else list(ids),
            secrets=None if secrets is None else list(secrets),
            destination=self.destination,
            fault_seeds=await asyncio.to_thread(self._read_fault_seeds),
        )
        async for answer in self._search_client.run(job):
            if isinstance(answer, Chunk):
                yield answer.data
            elif isinstance(answer, Done):
                for problem in answer.problems:
                    _log.warning("an export is incomplete: %s", problem)

    async def import_file(self, path: Path) -> ImportResult:
        """Record a file's calls under new ids. Raises :class:`LoomError` if it is not a file of calls.

        Nothing is recorded before the file is read to its end; then all of it is, even if the caller is cancelled.
        """
        with tempfile.TemporaryFile() as spool:
            start, end = await self._spool(path, spool)
            recording = asyncio.create_task(self._record(spool, start, end))
            try:
                return await asyncio.shield(recording)
            except asyncio.CancelledError:
                await recording
                raise

    async def _spool(self, path: Path, spool: BinaryIO) -> tuple[ImportStart, ImportEnd]:
        """Copy the events of a file's calls; return what came before and behind them."""
        start, end = ImportStart("", []), ImportEnd([], [])
        async with contextlib.aclosing(self._search_client.read_file(path)) as answers:
            async for answer in answers:
                match answer:
                    case ImportStart():
                        start = answer
                    case ImportedCalls():
                        await asyncio.to_thread(spool.write, encode_frame(answer.events))
                    case ImportEnd():
                        end = answer
        await asyncio.to_thread(spool.seek, 0)
        return start, end

    async def _record(self, spool: BinaryIO, start: ImportStart, end: ImportEnd) -> ImportResult:
        result = ImportResult(start.kind, problems=end.problems)
        importer = CallImporter(self._allocate_id, self._store)
        self._mask(start.masked)
        while calls := await asyncio.to_thread(_read_calls, spool):
            result.ids += [self._add(importer.add(call)) for call in calls]
            if importer.must_flush and self._store is not None:
                await asyncio.to_thread(self._store.flush)
        self._add_descriptors(end.descriptors)
        self._add_fault_seeds(importer.fault_seeds(end.fault_seeds, self._fault_seeds))
        return result

    def _add_fault_seeds(self, seeds: Mapping[int, int]) -> None:
        self._fault_seeds.update(seeds)
        if self._store is not None:
            self._store.put_imported_fault_seeds(seeds)

    def _read_fault_seeds(self) -> dict[int, int]:
        """The seeds of all calls: those of earlier runs are in the session."""
        seeds: dict[int, int] = {}
        if self._store is not None and self.on_disk:
            with contextlib.suppress(LoomError), SessionReader(self._store.path) as reader:
                seeds = reader.fault_seeds()
        return dict(sorted((seeds | self._fault_seeds).items()))

    def _mask(self, keys: list[str]) -> None:
        if self._secrets is not None:
            self._secrets.add(keys)
        if self._store is not None:
            self._store.mask(keys)

    def _add(self, call: Call) -> int:
        self._history.restore(call)
        self._on_imported([call])
        return call.id

    def _add_descriptors(self, items: list[DescriptorInput]) -> None:
        stored = [item.as_stored() for item in items]
        self._descriptors.add(stored)
        self._source.add(stored)

    def _stored_schema(self) -> StoredSchema:
        """The schema of all descriptor sets; built again only when there are further ones."""
        stored = self._descriptors.snapshot()
        if self._schema is None or len(self._schema.stored) != len(stored):
            self._schema = StoredSchema(stored)
        return self._schema

    def _may_be_on_disk(self, call_id: int) -> bool:
        store = self._store
        return store is not None and store.active and call_id > store.cleared

    def _has_older(self, call_id: int) -> bool:
        """Whether the session has calls with a lower id."""
        if self._store is None or not self._may_be_on_disk(call_id - 1) or self._store.status().error:
            return False
        self._store.flush()
        try:
            with SessionReader(self._store.path) as reader:
                oldest = reader.oldest_id()
        except LoomError:
            return False
        return oldest is not None and oldest < call_id

    def _find_on_disk(self, call_id: int) -> Call | None:
        assert self._store is not None  # noqa: S101 (only called if there is one)
        try:
            with SessionReader(self._store.path, self._store.last_id + 1) as reader:
                return next(iter(reader.find([call_id])), None)
        except LoomError:
            return None

    async def _match_in_memory(
        self, query: Query, limit: int, before: int | None, after: int | None
    ) -> list[Summary]:
        matcher = CallMatcher(query)
        matches: list[Summary] = []
        for count, call in enumerate(reversed(list(self._history)), 1):
            if not count % _YIELD_EVERY:
                await asyncio.sleep(0)
            if before is not None and call.id >= before:
                continue
            if len(matches) == limit or (after is not None and call.id <= after):
                break
            summary = matcher.match(call)
            if summary is not None:
                matches.append(summary)
        return matches[::-1]

    async def _search_all(self, text: str, limit: int, before: int | None, after: int | None) -> CallPage:
        page = CallPage([])
        async for answer in self.search(text, limit=limit, before=before, after=after):
            if isinstance(answer, Matches):
                page.calls += answer.calls
            elif isinstance(answer, Done):
                page.problems = answer.problems
        return page


def _merge(page: CallPage, summaries: list[Summary], limit: int) -> CallPage:
    """The newest of both; a call that is in both is as it is in memory (``summaries``)."""
    by_id = {summary.id: summary for summary in (*page.calls, *summaries)}
    newest = [by_id[call_id] for call_id in heapq.nlargest(limit + 1, by_id)][::-1]
    return CallPage(newest[-limit:], len(newest) > limit, page.problems)


def _read_calls(spool: BinaryIO) -> list[Call]:
    """The next calls; none at the end."""
    try:
        return list(project(unpack(msgspec.msgpack.decode(read_frame(spool), type=bytes))))
    except EOFError:
        return []
