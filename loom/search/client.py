"""Start the search process, run a job in it, and end it when the caller stops listening."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from pathlib import Path

from loom.model import StoredDescriptorSet
from loom.recording.history import History
from loom.sessions import SessionWriter
from loom.workers import WorkerDiedError, WorkerProcess

from .batches import encode_calls
from .file_client import read_file
from .protocol import (
    Answer,
    CallInput,
    DescriptorInput,
    Done,
    Failed,
    ImportAnswer,
    InputEnd,
    Job,
    Origin,
    answer_decoder,
)
from .resumption import AnswerDeduplicator, SearchError, SearchUnavailableError

__all__ = ["SearchClient", "SearchError", "SearchUnavailableError"]

_log = logging.getLogger(__name__)

_ATTEMPTS = 2  # processes that a job may cost


class SearchClient:
    """Runs jobs over the recorded calls: of the session on disk, or of the history in memory if there is none.

    ``descriptors`` returns the descriptor sets to send with calls from memory. At most ``max_processes`` run at a time;
    further jobs wait for one to end. One that reads a file may allocate ``import_memory_bytes``.
    """

    def __init__(
        self,
        history: History,
        store: SessionWriter | None,
        descriptors: Callable[[], Awaitable[list[StoredDescriptorSet]]],
        *,
        max_processes: int = 2,
        import_memory_bytes: int | None = None,
    ) -> None:
        self._history = history
        self._store = store
        self._descriptors = descriptors
        self._import_memory_bytes = import_memory_bytes
        self._slots = asyncio.Semaphore(max_processes)

    async def origin(self) -> Origin:
        """Flush the session, and say where a job finds the calls recorded up to now."""
        store = self._store
        if store is not None and store.active and not store.status().error:
            await asyncio.to_thread(store.flush)
            return Origin(str(store.path), store.last_id + 1, store.cleared)
        return Origin(total=len(self._history))

    async def run(self, job: Job) -> AsyncIterator[Answer]:
        """Run a job, in a second process if the first one dies. Closing the iterator ends the process.

        Raises :class:`SearchError`.
        """
        deduplicator = AnswerDeduplicator()
        deaths: list[str] = []
        async with self._slots:
            while len(deaths) < _ATTEMPTS:
                try:
                    async with contextlib.aclosing(self._attempt(job)) as answers:
                        async for answer in answers:
                            if (part := deduplicator.deduplicate(answer)) is not None:
                                yield part
                except WorkerDiedError as death:
                    _log.warning("the search process died: %s", death)
                    deaths.append(str(death))
                    deduplicator.restart()
                else:
                    return
        raise SearchUnavailableError(
            f"the search process died, and so did a second one ({'; '.join(deaths)}): try again"
        )

    async def read_file(self, path: Path) -> AsyncGenerator[ImportAnswer]:
        """As :func:`.file_client.read_file`, once there is a slot."""
        async with self._slots, contextlib.aclosing(read_file(path, self._import_memory_bytes)) as answers:
            async for answer in answers:
                yield answer

    async def _attempt(self, job: Job) -> AsyncGenerator[Answer]:
        process = await WorkerProcess.start("loom.search")
        sender = asyncio.create_task(self._send(process, job))
        sender.add_done_callback(lambda task: process.terminate() if _error(task) else None)
        try:
            done = False
            while not done:
                answer = await process.receive(answer_decoder)
                if isinstance(answer, Failed):
                    raise SearchError(answer.message)
                done = isinstance(answer, Done)
                if done:
                    await process.end()  # first, as the caller may stop iterating at this answer
                yield answer
        except WorkerDiedError:
            if (error := _error(sender)) is not None:
                raise SearchError(f"the recorded calls could not be read: {error}") from error
            raise
        finally:
            sender.cancel()
            await process.kill()
            await asyncio.wait([sender])

    async def _send(self, process: WorkerProcess, job: Job) -> None:
        await process.send(job)
        if job.origin.session is None:
            for item in await self._descriptors():
                await process.send(
                    DescriptorInput(item.file_set, item.target, item.source, item.origin, item.fetched_ns)
                )
            for events in encode_calls(list(self._history)):
                await process.send(CallInput(events))
                await asyncio.sleep(0)  # between two batches the event loop forwards traffic
            await process.send(InputEnd())


def _error(task: "asyncio.Task[None]") -> BaseException | None:
    return task.exception() if task.done() and not task.cancelled() else None
