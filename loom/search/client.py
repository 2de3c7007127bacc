"""Starts the reading process, sends it calls where it has none, and stops it when nobody listens any more."""

import asyncio
import contextlib
import os
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Awaitable, Callable

import msgspec

from loom.errors import LoomError
from loom.model import Call
from loom.recording.history import History
from loom.sessions import SessionStore
from loom.sessions.event_codec import Record
from loom.sessions.reader import StoredDescriptors
from loom.sessions.unfold import unfold

from .protocol import Answer, Batch, Descriptors, End, Failed, Job, Origin, answer_decoder, frame

_PAUSE_BYTES = 64 * 1024  # packed before the traffic gets its turn
_PAUSE_CALLS = 20
_DRAIN_BYTES = 1024 * 1024


class ReadingError(LoomError):
    """The job could not be done; the text says why."""


class Reading:
    """Runs jobs over what is recorded: the session on disk, or the history in memory where there is none.

    ``stored`` answers the descriptors to send along with calls from memory.
    """

    def __init__(
        self,
        history: History,
        store: SessionStore | None,
        stored: Callable[[], Awaitable[list[StoredDescriptors]]],
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
        """Do a job. Ending the iteration early ends the process. Raises :class:`ReadingError`."""
        async with self._limit:
            process = await _start()
            sending = asyncio.create_task(self._send(process, job))
            try:
                async for answer in _answers(process):
                    yield answer
            finally:
                sending.cancel()
                await _stop(process)
                with contextlib.suppress(asyncio.CancelledError, ConnectionError):
                    await sending

    async def _send(self, process: Process, job: Job) -> None:
        out = process.stdin
        assert out is not None  # noqa: S101 (asked for)
        with contextlib.suppress(ConnectionError):
            out.write(frame(job))
            if job.origin.session is None:
                for item in await self._stored():
                    sent = Descriptors(item.file_set, item.target, item.source, item.origin, item.fetched_ns)
                    out.write(frame(sent))
                async for batch in _batches(list(self._history)):
                    out.write(frame(Batch(batch)))
                    await out.drain()
                out.write(frame(End()))
            await out.drain()


async def _batches(calls: list[Call]) -> AsyncIterator[bytes]:
    """Calls as batches of one group and part, a little at a time: the loop that forwards is the one that packs."""
    encoder = msgspec.msgpack.Encoder()
    records: list[Record] = []
    size = count = 0
    for call in calls:
        records += unfold(call)
        size += call.request_bytes + call.response_bytes
        count += 1
        if size > _PAUSE_BYTES or count >= _PAUSE_CALLS:
            yield encoder.encode([[records]])
            records, size, count = [], 0, 0
            await asyncio.sleep(0)
    if records:
        yield encoder.encode([[records]])


async def _start() -> Process:
    # Where this package was imported from is where the other process must find it.
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    return await asyncio.create_subprocess_exec(
        sys.executable, "-m", "loom.search",
        stdin=PIPE, stdout=PIPE, stderr=PIPE, env=environment, limit=_DRAIN_BYTES,
    )  # fmt: skip


async def _answers(process: Process) -> AsyncIterator[Answer]:
    incoming = process.stdout
    assert incoming is not None  # noqa: S101 (asked for)
    while True:
        try:
            length = int.from_bytes(await incoming.readexactly(4), "big")
            answer = answer_decoder.decode(await incoming.readexactly(length))
        except asyncio.IncompleteReadError:
            code = await process.wait()
            if code:
                said = await process.stderr.read() if process.stderr else b""
                last = (said.decode("utf-8", "replace").strip().splitlines() or [f"exit code {code}"])[-1]
                raise ReadingError(f"the process that reads recorded calls failed: {last}") from None
            return
        if isinstance(answer, Failed):
            raise ReadingError(answer.message)
        yield answer


async def _stop(process: Process) -> None:
    if process.returncode is None:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
    await process.wait()
