"""One call from Loom itself to a target, awaited on the event loop."""

import asyncio
import contextlib
import time

from loom.model import Metadata

from .core_types import (
    Batch,
    InitialMetadataOperation,
    MessageOperation,
    Operation,
    OperationT,
    StatusOperation,
    Tag,
)
from .custom_metadata import from_core
from .facade import (
    Channel,
    ReceiveInitialMetadata,
    ReceiveMessage,
    ReceiveStatus,
    SendClose,
    SendInitialMetadata,
    SendMessage,
)
from .upstream_status import UpstreamStatus


class ClientCall:
    """A call of any stream type, in bytes.

    At most one task sends (:meth:`open`, then :meth:`send`, then :meth:`half_close`) and at most one receives
    (:meth:`initial_metadata`, then :meth:`receive` until None, then :meth:`status`). Sending after
    the call's end returns False; the receiving task gets its status.
    """

    def __init__(self, channel: Channel, method: str, timeout: float | None, authority: str = "") -> None:
        """``timeout`` is in seconds; None means no deadline. ``authority`` "" leaves it to the channel."""
        self._loop = asyncio.get_running_loop()
        self._open_batch: asyncio.Future[Batch[Operation]] | None = None
        self._status_batch: asyncio.Future[Batch[StatusOperation]] = self._loop.create_future()
        deadline = None if timeout is None else time.time() + timeout
        batches = (((ReceiveStatus(),), self._resolve(self._status_batch)),)
        self._call = channel.call(method.encode(), deadline, batches, authority)

    async def open(self, metadata: Metadata) -> bool:
        """Send the request's metadata, connecting if need be; False if no connection carried it."""
        future: asyncio.Future[Batch[Operation]] = self._loop.create_future()
        if self._call.start((SendInitialMetadata(metadata),), self._resolve(future)):
            self._open_batch = future
            await asyncio.shield(future)
        return bool(self.reached)

    @property
    def reached(self) -> bool | None:
        """Whether a connection carried the call; None until that is certain, which it is when :meth:`status` returns.

        It is exact even for a backend that answers early.
        """
        if self._open_batch is None or not self._open_batch.done():
            return None
        return self._open_batch.result().success

    async def send(self, message: bytes) -> bool:
        """Send one message, waiting for flow control."""
        return await self._run(SendMessage(message))

    async def half_close(self) -> bool:
        """Half-close the client's side: no more messages follow."""
        return await self._run(SendClose())

    async def initial_metadata(self) -> Metadata:
        """Wait for the initial metadata; empty if the call ends without any."""
        operation: InitialMetadataOperation = ReceiveInitialMetadata()
        return from_core(operation.initial_metadata()) if await self._run(operation) else ()

    async def receive(self) -> bytes | None:
        """The next message; None after the last."""
        operation: MessageOperation = ReceiveMessage()
        await self._run(operation)
        return operation.message()

    async def status(self) -> UpstreamStatus:
        """Wait for the status, which follows the last message."""
        batch = await asyncio.shield(self._status_batch)
        if self._open_batch is not None:
            await asyncio.shield(self._open_batch)
        return UpstreamStatus.received(batch.batch_operations[0])

    def cancel(self) -> None:
        """Cancel the call; does nothing if it is over."""
        self._call.cancel()

    async def _run(self, operation: Operation) -> bool:
        future: asyncio.Future[Batch[Operation]] = self._loop.create_future()
        if not self._call.start((operation,), self._resolve(future)):
            return False
        return (await future).success

    def _resolve(self, future: "asyncio.Future[Batch[OperationT]]") -> Tag[OperationT]:
        """A tag that resolves ``future`` from the channel's thread."""

        def set_result(batch: Batch[OperationT]) -> None:
            if not future.done():
                future.set_result(batch)

        def tag(batch: Batch[OperationT]) -> None:
            with contextlib.suppress(RuntimeError):  # the loop is closed
                self._loop.call_soon_threadsafe(set_result, batch)

        return tag
