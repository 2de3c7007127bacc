"""The jobs: search, and export."""

import heapq
import time
from collections.abc import Callable, Iterable, Iterator

from loom.api.calls import Summary
from loom.api.summary import summarise
from loom.decoding.stored_schema import StoredSchema
from loom.formats import get_writer
from loom.model import Call, Secrets
from loom.recording.query import Query, parse

from .call_source import Source
from .details import CallDetails
from .field_reader import FieldReader
from .protocol import AnyAnswer, Chunk, Done, Export, Found, Job, Progress, Search

_PROGRESS_SECONDS = 0.1
_FOUND_AT_ONCE = 500


def perform(job: Job, source: Source, answer: Callable[[AnyAnswer], None]) -> None:
    """Do a job; errors of ours (:class:`loom.errors.LoomError`) are for the caller to tell."""
    if isinstance(job, Search):
        _search(job, source, answer)
    else:
        _export(job, source, answer)


def _search(job: Search, source: Source, answer: Callable[[AnyAnswer], None]) -> None:
    query = parse(job.q)
    reader = FieldReader(source.schema())
    looking = _Looking(source.total, answer, job.limit)
    after = job.after if job.after is not None else 0
    for call in source.calls(_reach(job, source)):
        looking.seen()
        if call.id > after and (job.before is None or call.id < job.before):
            summary = summarise(call)
            if _matches(query, summary, call, reader):
                looking.found(summary)
    looking.done(source.problems)


def _reach(job: Search, source: Source) -> int | None:
    """How many of the newest calls hold all that is asked for; None if it may be anywhere."""
    if job.q.strip() or job.limit is None or not source.last_id:
        return None
    return job.limit + (0 if job.before is None else max(0, source.last_id - job.before + 1))


def _export(job: Export, source: Source, answer: Callable[[AnyAnswer], None]) -> None:
    schema = source.schema()
    found = 0

    def counted() -> Iterator[Call]:
        nonlocal found
        for call in chosen(source, schema, job.q, job.ids):
            found += 1
            yield call

    secrets = None if job.secrets is None else Secrets(job.secrets)
    for data in get_writer(job.format)(counted(), schema, secrets, job.destination):
        answer(Chunk(data))
    answer(Done(source.total, found, source.problems))


def chosen(source: Source, schema: StoredSchema, q: str, ids: Iterable[int] | None) -> Iterator[Call]:
    """The calls of these ids, or those that match a filter."""
    if ids is not None:
        return source.find(ids)
    query, reader = parse(q), FieldReader(schema)
    return (call for call in source.calls() if _matches(query, summarise(call), call, reader))


def _matches(query: Query, summary: Summary, call: Call, reader: FieldReader) -> bool:
    found = query.answer(summary)
    if found is None:
        found = query.answer(summary, CallDetails(call, reader))
    return found is True


class _Looking:
    """Counts, and tells of progress and finds now and then."""

    def __init__(self, total: int, answer: Callable[[AnyAnswer], None], limit: int | None) -> None:
        self._total = total
        self._limit = limit
        self._answer = answer
        self._searched = 0
        self._count = 0
        self._waiting: list[Summary] = []
        self._told = time.monotonic()

    def seen(self) -> None:
        self._searched += 1
        if time.monotonic() - self._told > _PROGRESS_SECONDS:
            self._tell()

    def found(self, summary: Summary) -> None:
        self._count += 1
        self._waiting.append(summary)
        if self._limit is not None:
            if len(self._waiting) >= 2 * self._limit + _FOUND_AT_ONCE:
                self._waiting = self._newest(self._limit)
        elif len(self._waiting) >= _FOUND_AT_ONCE:
            self._tell()

    def done(self, problems: list[str]) -> None:
        if self._limit is not None:
            self._waiting = self._newest(self._limit)
            self._limit = None
        self._tell()
        self._answer(Done(self._searched, self._count, problems))

    def _newest(self, limit: int) -> list[Summary]:
        return heapq.nlargest(limit, self._waiting, key=lambda summary: summary.id)

    def _tell(self) -> None:
        if self._waiting and self._limit is None:
            self._answer(Found(self._waiting))
            self._waiting = []
        self._answer(Progress(self._searched, max(self._total, self._searched)))
        self._told = time.monotonic()
