"""Decode large payloads in a worker process, so that they do not hold the interpreter's lock that traffic needs.

The process is started at first use, decodes one payload at a time, and ends when it has been idle. It is killed when a
payload takes too long. A payload during which it dies is tried once more in a new process.
"""

import asyncio
import contextlib
import logging
from collections.abc import Coroutine
from typing import Any

import msgspec

from loom.codec import Payload, PayloadView
from loom.workers import WorkerDiedError, WorkerProcess

from .worker_protocol import DecodeRequest, DecodeResponse, SerializedDescriptorSet

_log = logging.getLogger(__name__)

TIMEOUT = 20.0
IDLE_TIMEOUT = 300.0
MAX_QUEUED = 32
_response_decoder = msgspec.msgpack.Decoder(DecodeResponse)


class DecodingWorkerError(Exception):
    """The worker could not decode the payload: it took too long, it died, or too many payloads are queued."""


class WorkerClient:
    """A client of the decoding worker.

    A payload may take ``timeout`` seconds; the process ends after ``idle_timeout`` seconds without one. More than
    ``max_queued`` payloads at a time are refused.
    """

    def __init__(
        self,
        timeout: float = TIMEOUT,
        idle_timeout: float = IDLE_TIMEOUT,
        max_queued: int = MAX_QUEUED,
    ) -> None:
        self.timeout = timeout
        self._idle_timeout = idle_timeout
        self._max_queued = max_queued
        self._lock = asyncio.Lock()
        self._process: WorkerProcess | None = None
        self._idle_timer: asyncio.TimerHandle | None = None
        self._queued = 0
        self._tasks: set[asyncio.Task[Any]] = set()
        self._start_task: asyncio.Task[Any] | None = None

    async def view_payload(
        self,
        payload: Payload,
        type_name: str,
        descriptor_sets: list[SerializedDescriptorSet],
        max_bytes: int,
        max_text: int | None = None,
    ) -> PayloadView:
        """As :func:`loom.codec.view_payload`, with large views as :class:`msgspec.Raw`.

        ``type_name`` is a message of the first descriptor set; "" decodes without a schema.
        """
        if self._queued >= self._max_queued:
            raise DecodingWorkerError("too many large messages are being decoded: try again in a moment")
        request = DecodeRequest(
            data=payload.data,
            compression=payload.compression,
            encoding=payload.encoding,
            type_name=type_name,
            digests=[item.digest for item in descriptor_sets],
            descriptor_sets=[],
            max_bytes=max_bytes,
            max_text=max_text,
        )
        self._queued += 1
        try:
            async with self._lock:
                response = await self._respond(request, descriptor_sets)
        finally:
            self._queued -= 1
        view = response.view
        assert view is not None  # noqa: S101 (all descriptor sets were sent)
        for name, data in response.json_fields.items():
            setattr(view, name, msgspec.Raw(data))
        return view

    def prepare(self) -> None:
        """Start the process in the background, because a large payload is about to be viewed."""
        if self._process is None and not self._lock.locked():
            self._start_task = self._run_in_background(self._start())

    async def close(self) -> None:
        """End the process."""
        if self._start_task is not None:
            self._start_task.cancel()
            await asyncio.wait([self._start_task])
        if self._idle_timer is not None:
            self._idle_timer.cancel()
        await self._kill()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _kill(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            await process.kill()

    async def _respond(
        self, request: DecodeRequest, descriptor_sets: list[SerializedDescriptorSet]
    ) -> DecodeResponse:
        """Let the worker handle a request within the timeout."""
        if self._idle_timer is not None:
            self._idle_timer.cancel()
        try:
            async with asyncio.timeout(self.timeout):
                response = await self._retry(request, descriptor_sets)
        except TimeoutError:
            await self._kill()
            raise DecodingWorkerError(
                f"decoding took longer than {self.timeout:g} s and was aborted"
            ) from None
        except asyncio.CancelledError:
            await self._kill()  # its response would be taken for that to the next request
            raise
        self._start_idle_timer()
        return response

    async def _retry(
        self, request: DecodeRequest, descriptor_sets: list[SerializedDescriptorSet]
    ) -> DecodeResponse:
        """Handle a request, once more in a new process if the first one dies."""
        try:
            return await self._attempt(request, descriptor_sets)
        except WorkerDiedError as first:
            await self._kill()
            _log.warning("the decoding process died (%s); trying once more in a new one", first)
            try:
                return await self._attempt(request, descriptor_sets)
            except WorkerDiedError as second:
                await self._kill()
                raise DecodingWorkerError(
                    f"decoding failed: its process died twice ({first}; {second})"
                ) from second

    async def _attempt(
        self, request: DecodeRequest, descriptor_sets: list[SerializedDescriptorSet]
    ) -> DecodeResponse:
        request.descriptor_sets = []
        response = await self._send(request)
        if response.view is None:
            request.descriptor_sets = [item.data for item in descriptor_sets]
            response = await self._send(request)
        return response

    async def _send(self, request: DecodeRequest) -> DecodeResponse:
        process = await self._live_process()
        await process.send(request)
        return await process.receive(_response_decoder)

    async def _start(self) -> None:
        async with self._lock:
            with contextlib.suppress(WorkerDiedError):  # the payload that needs the process will report it
                await self._live_process()

    async def _live_process(self) -> WorkerProcess:
        if self._process is not None and not self._process.alive:
            await self._kill()
        if self._process is None:
            self._process = await WorkerProcess.start("loom.decoding.worker")
            self._start_idle_timer()
        return self._process

    def _start_idle_timer(self) -> None:
        if self._idle_timer is not None:
            self._idle_timer.cancel()
        self._idle_timer = asyncio.get_running_loop().call_later(self._idle_timeout, self._end_idle_process)

    def _end_idle_process(self) -> None:
        if self._lock.locked():
            return
        process, self._process = self._process, None
        if process is not None:
            self._run_in_background(process.end())

    def _run_in_background(self, coroutine: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        task = asyncio.create_task(coroutine)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task
