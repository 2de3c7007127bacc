"""Starts the reading process, sends it calls where it has none, and stops it when nobody listens any more."""

import asyncio
import contextlib
import hashlib
import logging
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable

import msgspec

from loom.errors import LoomError
from loom.model import Call, StoredDescriptorSet, StoredEvent
from loom.model.projection import events_of
from loom.recording.history import History
from loom.sessions import SessionWriter
from loom.workers import WorkerDiedError, WorkerProcess

from .protocol import (
    Answer,
    Batch,
    Chunk,
    Descriptors,
    Done,
    End,
    Failed,
    Found,
    Job,
    Origin,
    Progress,
    answer_decoder,
)

_log = logging.getLogger(__name__)

_ATTEMPTS = 2  # processes that a job may cost
_PAUSE_BYTES = 64 * 1024  # packed before the traffic gets its turn
_PAUSE_CALLS = 20


class ReadingError(LoomError):
    """The job could not be done; the text says why."""


class ReadingUnavailableError(ReadingError):
    """The process that does the job died, twice: the same job may well succeed later."""


class Reading:
    """Runs jobs over what is recorded: the session on disk, or the history in memory where there is none.

    ``stored`` answers the descriptors to send along with calls from memory.
    """

    def __init__(
        self,
        history: History,
        store: SessionWriter | None,
        stored: Callable[[], Awaitable[list[StoredDescriptorSet]]],
        *,
        at_once: int = 2,
    ) -> None:
        self._history = history
        self._store = store
        self._stored = stored
        self._limit = asyncio.Semaphore(at_once)

    async def origin(self) -> Origin:
        """Where a job finds the calls as of now."""
        store = self._store
        if store is not None and store.active and not store.status()["error"]:
            await asyncio.to_thread(store.flush)
            return Origin(str(store.path), store.last_id + 1, store.cleared)
        return Origin(total=len(self._history))

    async def run(self, job: Job) -> AsyncIterator[Answer]:
        """Do a job, in a second process if the first one dies. Ending the iteration early ends the process.

        Raises :class:`ReadingError`.
        """
        delivered = _Delivered()
        deaths: list[str] = []
        async with self._limit:
            while len(deaths) < _ATTEMPTS:
                try:
                    async with contextlib.aclosing(self._attempt(job)) as answers:
                        async for answer in answers:
                            if (unseen := delivered.unseen(answer)) is not None:
                                yield unseen
                except WorkerDiedError as death:
                    _log.warning("the process that reads recorded calls died: %s", death)
                    deaths.append(str(death))
                    delivered.start_over()
                else:
                    return
        raise ReadingUnavailableError(
            f"the process that reads recorded calls died, and so did a second one ({'; '.join(deaths)}): try again"
        )

    async def _attempt(self, job: Job) -> AsyncGenerator[Answer]:
        process = await WorkerProcess.start("loom.search")
        sending = asyncio.create_task(self._send(process, job))
        sending.add_done_callback(lambda task: process.terminate() if _failed(task) else None)
        try:
            done = False
            while not done:
                answer = await process.receive(answer_decoder)
                if isinstance(answer, Failed):
                    raise ReadingError(answer.message)
                done = isinstance(answer, Done)
                yield answer
            await process.end()
        except WorkerDiedError:
            if (error := _failed(sending)) is not None:
                raise ReadingError(f"the recorded calls could not be read: {error}") from error
            raise
        finally:
            sending.cancel()
            await process.kill()
            await asyncio.wait([sending])

    async def _send(self, process: WorkerProcess, job: Job) -> None:
        await process.send(job)
        if job.origin.session is None:
            for item in await self._stored():
                await process.send(
                    Descriptors(item.file_set, item.target, item.source, item.origin, item.fetched_ns)
                )
            async for batch in _batches(list(self._history)):
                await process.send(Batch(batch))
            await process.send(End())


def _failed(task: "asyncio.Task[None]") -> BaseException | None:
    return task.exception() if task.done() and not task.cancelled() else None


class _Delivered:
    """What the caller of a job has been given, so that a second attempt goes on from there."""

    def __init__(self) -> None:
        self._ids: set[int] = set()
        self._searched = 0
        self._size = 0  # bytes of a file
        self._position = 0  # bytes of it that this attempt has answered
        self._hash = hashlib.sha256()
        self._expected = b""

    def start_over(self) -> None:
        """The next answers are those of another attempt."""
        self._expected = self._hash.digest()
        self._hash = hashlib.sha256()
        self._position = 0

    def unseen(self, answer: Answer) -> Answer | None:
        """What of an answer is new. Raises :class:`ReadingError` if a file comes out different from before."""
        match answer:
            case Found():
                calls = [call for call in answer.calls if call.id not in self._ids]
                self._ids.update(call.id for call in calls)
                return Found(calls) if calls else None
            case Progress():
                if answer.searched < self._searched:
                    return None
                self._searched = answer.searched
            case Chunk():
                return self._unseen_bytes(answer.data)
            case Done():
                self._check(same=self._position == self._size)
        return answer

    def _unseen_bytes(self, data: bytes) -> Chunk | None:
        repeated = data[: self._size - self._position]
        if repeated:
            self._hash.update(repeated)
            self._position += len(repeated)
            self._check(same=self._position < self._size or self._hash.digest() == self._expected)
        rest = data[len(repeated) :]
        if not rest:
            return None
        self._hash.update(rest)
        self._size += len(rest)
        self._position += len(rest)
        return Chunk(rest)

    def _check(self, *, same: bool) -> None:
        if not same:
            raise ReadingUnavailableError(
                "the process that writes the file died, and a second one could not continue it: export again"
            )


async def _batches(calls: list[Call]) -> AsyncIterator[bytes]:
    """Calls as batches of one group and part, a little at a time: the loop that forwards is the one that packs."""
    encoder = msgspec.msgpack.Encoder()
    records: list[StoredEvent] = []
    size = count = 0
    for call in calls:
        records += events_of(call)
        size += call.request_bytes + call.response_bytes
        count += 1
        if size > _PAUSE_BYTES or count >= _PAUSE_CALLS:
            yield encoder.encode([[records]])
            records, size, count = [], 0, 0
            await asyncio.sleep(0)
    if records:
        yield encoder.encode([[records]])
