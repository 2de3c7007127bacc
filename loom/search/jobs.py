"""Run a job of the search process: search, or export."""

import heapq
import time
from collections.abc import Callable, Iterator

from loom.api.calls import Summary
from loom.formats import get_writer
from loom.model import Call, Secrets
from loom.recording.query import parse

from .call_source import CallSource
from .matching import CallMatcher, select_calls
from .protocol import Answer, Chunk, Done, ExportJob, Job, Matches, Progress, SearchJob

PROGRESS_SECONDS = 0.1
"""The least time between two answers about progress."""

_BATCH_MATCHES = 500

Send = Callable[[Answer], None]


def run_job(job: Job, source: CallSource, send: Send) -> None:
    """Run a job and send its answers. Raises :class:`loom.errors.LoomError`."""
    if isinstance(job, SearchJob):
        _search(job, source, send)
    else:
        _export(job, source, send)


def _search(job: SearchJob, source: CallSource, send: Send) -> None:
    matcher = CallMatcher(parse(job.q), source.schema())
    report = _SearchReport(source.total, send, job.limit)
    after = job.after if job.after is not None else 0
    for call in source.calls(_newest_needed(job, source)):
        report.count_call()
        if call.id > after and (job.before is None or call.id < job.before):
            summary = matcher.match(call)
            if summary is not None:
                report.add(summary)
    report.finish(source.problems)


def _newest_needed(job: SearchJob, source: CallSource) -> int | None:
    """How many of the newest calls must be read to find all matches; None for all of them."""
    if job.q.strip() or job.limit is None or not source.last_id:
        return None
    return job.limit + (0 if job.before is None else max(0, source.last_id - job.before + 1))


def _export(job: ExportJob, source: CallSource, send: Send) -> None:
    schema = source.schema()
    count = 0

    def counted_calls() -> Iterator[Call]:
        nonlocal count
        for call in select_calls(source, schema, job.q, job.ids):
            count += 1
            yield call

    secrets = None if job.secrets is None else Secrets(job.secrets)
    for data in get_writer(job.format)(counted_calls(), schema, secrets, job.destination, job.fault_seeds):
        send(Chunk(data))
    send(Done(source.total, count, source.problems))


class _SearchReport:
    """Sends the matches of a search in batches, and its progress at intervals.

    With a ``limit`` the newest matches are kept and sent at the end.
    """

    def __init__(self, total: int, send: Send, limit: int | None) -> None:
        self._total = total
        self._send = send
        self._limit = limit
        self._searched = 0
        self._count = 0
        self._batch: list[Summary] = []
        self._last_progress = time.monotonic()

    def count_call(self) -> None:
        """Count a searched call."""
        self._searched += 1
        if time.monotonic() - self._last_progress > PROGRESS_SECONDS:
            self._flush()

    def add(self, summary: Summary) -> None:
        """Add a match."""
        self._count += 1
        self._batch.append(summary)
        if self._limit is not None:
            if len(self._batch) >= 2 * self._limit + _BATCH_MATCHES:
                self._batch = self._newest(self._limit)
        elif len(self._batch) >= _BATCH_MATCHES:
            self._flush()

    def finish(self, problems: list[str]) -> None:
        """Send the remaining matches and the end of the search."""
        if self._limit is not None:
            self._batch = self._newest(self._limit)
            self._limit = None
        self._flush()
        self._send(Done(self._searched, self._count, problems))

    def _newest(self, limit: int) -> list[Summary]:
        return heapq.nlargest(limit, self._batch, key=lambda summary: summary.id)

    def _flush(self) -> None:
        if self._batch and self._limit is None:
            self._send(Matches(self._batch))
            self._batch = []
        self._send(Progress(self._searched, max(self._total, self._searched)))
        self._last_progress = time.monotonic()
