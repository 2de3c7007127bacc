"""Large payloads are rendered in a process of their own, so that no lock of the interpreter is shared with traffic.

The process is started at first use, serves one payload at a time, is ended when one takes too long, and goes away
when it has had nothing to do. A payload during which it dies is given to a second process, once.
"""

import asyncio
import contextlib
import logging
from collections.abc import Coroutine
from dataclasses import dataclass
from typing import Any

import msgspec

from loom.codec.payload_view import Payload, PayloadView
from loom.workers import WorkerDiedError, WorkerProcess

_log = logging.getLogger(__name__)

TIMEOUT = 20.0
IDLE = 300.0
_MAX_WAITING = 32


class DecodingWorkerError(Exception):
    """The payload could not be rendered there: it took too long, or the process died of it."""


class DecodeRequest(msgspec.Struct):
    """What the process is told. ``files`` are only sent the first time; ``digests`` name them ever after.

    ``files`` are serialized ``FileDescriptorSet``s: the first holds ``type_name``, all of them types of Anys.
    """

    data: bytes
    compression: str
    encoding: str
    type_name: str
    digests: list[bytes]
    files: list[bytes]
    max_bytes: int
    max_text: int | None


class DecodeResponse(msgspec.Struct):
    """What it says: small fields as they are, each large one in JSON already, as it will be sent on.

    ``wants`` tells that it does not (or no longer) have the files, and nothing else was done.
    """

    small: dict[str, Any] = {}
    large: dict[str, bytes] = {}
    missing: list[str] = []
    wants: bool = False


_answer_decoder = msgspec.msgpack.Decoder(DecodeResponse)


@dataclass(frozen=True, slots=True)
class SerializedDescriptorSet:
    """A serialized ``FileDescriptorSet`` and its digest."""

    digest: bytes
    data: bytes


class WorkerClient:
    """The process, from this side."""

    def __init__(self, timeout: float = TIMEOUT, idle: float = IDLE) -> None:
        self._timeout = timeout
        self._idle = idle
        self._turn = asyncio.Lock()
        self._process: WorkerProcess | None = None
        self._sleep: asyncio.TimerHandle | None = None
        self._waiting = 0
        self._tasks: set[asyncio.Task[Any]] = set()
        self._preparing: asyncio.Task[Any] | None = None

    async def view_payload(
        self,
        payload: Payload,
        type_name: str,
        files: list[SerializedDescriptorSet],
        max_bytes: int,
        max_text: int | None = None,
    ) -> PayloadView:
        """As :func:`loom.codec.render`, with the views as :class:`msgspec.Raw`.

        An empty ``type_name`` renders without a descriptor.
        """
        if self._waiting >= _MAX_WAITING:
            raise DecodingWorkerError("too many large messages are being decoded: try again in a moment")
        self._waiting += 1
        try:
            async with self._turn:
                return await self._render(payload, type_name, files, max_bytes, max_text)
        finally:
            self._waiting -= 1

    def prepare(self) -> None:
        """Start the process now, beside everything else: somebody is about to look at a large payload."""
        if self._process is None and not self._turn.locked():
            self._preparing = self._beside(self._prepare())

    async def close(self) -> None:
        """End the process."""
        if self._preparing is not None:
            self._preparing.cancel()
            await asyncio.wait([self._preparing])
        if self._sleep is not None:
            self._sleep.cancel()
        await self._kill()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _kill(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            await process.kill()

    async def _render(
        self,
        payload: Payload,
        type_name: str,
        files: list[SerializedDescriptorSet],
        max_bytes: int,
        max_text: int | None,
    ) -> PayloadView:
        if self._sleep is not None:
            self._sleep.cancel()
        job = DecodeRequest(
            payload.data,
            payload.compression,
            payload.encoding,
            type_name,
            [item.digest for item in files],
            [],
            max_bytes,
            max_text,
        )
        try:
            async with asyncio.timeout(self._timeout):
                answer = await self._answer(job, files)
        except TimeoutError:
            await self._kill()
            raise DecodingWorkerError(
                f"decoding took longer than {self._timeout:g} s and was given up"
            ) from None
        except asyncio.CancelledError:
            await self._kill()  # its answer would be taken for the next one's
            raise
        self._rest()
        views = {name: msgspec.Raw(data) for name, data in answer.large.items()}
        return PayloadView(answer.small | views, frozenset(answer.missing))

    async def _answer(self, job: DecodeRequest, files: list[SerializedDescriptorSet]) -> DecodeResponse:
        """The answer to a job, of a second process if the first one dies of it."""
        try:
            return await self._attempt(job, files)
        except WorkerDiedError as first:
            await self._kill()
            _log.warning("the decoding process died (%s); a new one tries once more", first)
            try:
                return await self._attempt(job, files)
            except WorkerDiedError as second:
                await self._kill()
                raise DecodingWorkerError(
                    f"decoding failed: its process died twice ({first}; {second})"
                ) from second

    async def _attempt(self, job: DecodeRequest, files: list[SerializedDescriptorSet]) -> DecodeResponse:
        job.files = []
        answer = await self._ask(job)
        if answer.wants:
            job.files = [item.data for item in files]
            answer = await self._ask(job)
        return answer

    async def _prepare(self) -> None:
        async with self._turn:
            with contextlib.suppress(WorkerDiedError):  # the payload that needs it will say so
                await self._running()

    async def _running(self) -> WorkerProcess:
        if self._process is not None and not self._process.alive:
            await self._kill()
        if self._process is None:
            self._process = await WorkerProcess.start("loom.decoding.worker")
            self._rest()
        return self._process

    async def _ask(self, job: DecodeRequest) -> DecodeResponse:
        process = await self._running()
        await process.send(job)
        return await process.receive(_answer_decoder)

    def _rest(self) -> None:
        """Count the idle time from now."""
        if self._sleep is not None:
            self._sleep.cancel()
        self._sleep = asyncio.get_running_loop().call_later(self._idle, self._retire)

    def _retire(self) -> None:
        """Nothing to do for a while: closing its input ends the process."""
        if self._turn.locked():
            return
        process, self._process = self._process, None
        if process is not None:
            self._beside(process.end())

    def _beside(self, work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task
