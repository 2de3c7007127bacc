"""One call of Loom's own to a target, awaited step by step on the loop."""

import asyncio
import contextlib
import time
from typing import Any

from loom.grpc_core import status_mapping as outcome
from loom.grpc_core.facade import (
    Batch,
    Channel,
    ReceiveInitialMetadata,
    ReceiveMessage,
    ReceiveStatus,
    SendClose,
    SendInitialMetadata,
    SendMessage,
    Tag,
)
from loom.grpc_core.metadata import seen
from loom.model import Metadata


class Outgoing:
    """A call of any stream type, in bytes.

    At most one task sends (:meth:`open`, then :meth:`send`, then :meth:`half_close`) and at most one receives
    (:meth:`initial_metadata`, then :meth:`receive` until None, then :meth:`status`). What is sent after
    the call's end is refused with False; its status is to be had from the receiving side.
    """

    def __init__(self, channel: Channel, method: str, timeout: float | None) -> None:
        """``timeout`` is in seconds; None means no deadline."""
        self._loop = asyncio.get_running_loop()
        self._opened: asyncio.Future[Batch] | None = None
        self._ended: asyncio.Future[Batch] = self._loop.create_future()
        ending = ((ReceiveStatus(),), self._resolving(self._ended))
        deadline = None if timeout is None else time.time() + timeout
        self._call = channel.call(method.encode(), deadline, (ending,))

    async def open(self, metadata: Metadata) -> bool:
        """Send the request's metadata, connecting if need be; False if no connection carried it."""
        opened: asyncio.Future[Batch] = self._loop.create_future()
        if self._call.start((SendInitialMetadata(metadata),), self._resolving(opened)):
            self._opened = opened
            await asyncio.shield(opened)
        return bool(self.reached)

    @property
    def reached(self) -> bool | None:
        """Whether a connection carried the call; None until that is known, which it is when :meth:`status` returns.

        A backend that answers early has been reached, so this is exact.
        """
        if self._opened is None or not self._opened.done():
            return None
        success: bool = self._opened.result().success
        return success

    async def send(self, message: bytes) -> bool:
        """Send one message, waiting for flow control."""
        return await self._sent(SendMessage(message))

    async def half_close(self) -> bool:
        """Say that no more messages come."""
        return await self._sent(SendClose())

    async def initial_metadata(self) -> Metadata:
        """Wait for the initial metadata; empty if the call ends without any."""
        operation = ReceiveInitialMetadata()
        return seen(operation.initial_metadata()) if await self._sent(operation) else ()

    async def receive(self) -> bytes | None:
        """The next message; None when no more come."""
        operation = ReceiveMessage()
        await self._sent(operation)
        message: bytes | None = operation.message()
        return message

    async def status(self) -> outcome.UpstreamStatus:
        """Wait for the status, which follows the last message."""
        batch = await asyncio.shield(self._ended)
        if self._opened is not None:
            await asyncio.shield(self._opened)
        return outcome.upstream_status(batch.batch_operations[0])

    def cancel(self) -> None:
        """End the call from this side; nothing happens if it is over."""
        self._call.cancel()

    async def _sent(self, operation: Any) -> bool:
        answered: asyncio.Future[Batch] = self._loop.create_future()
        if not self._call.start((operation,), self._resolving(answered)):
            return False
        batch = await answered
        success: bool = batch.success
        return success

    def _resolving(self, future: "asyncio.Future[Batch]") -> Tag:
        """A tag that resolves ``future``, from the channel's thread."""

        def resolve(batch: Batch) -> None:
            if not future.done():
                future.set_result(batch)

        def tag(batch: Batch) -> None:
            with contextlib.suppress(RuntimeError):  # the loop is closed
                self._loop.call_soon_threadsafe(resolve, batch)

        return tag
