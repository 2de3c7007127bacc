"""The half of a relayed call that faces the target.

grpcio's public call objects cannot relay. When a write fails because the backend has answered
already, they overwrite the backend's status with INTERNAL "Internal error from Core"; initial metadata
that comes together with the status can be lost; metadata comes regrouped by key; and nothing
tells a status that the backend sent from one that grpcio made up because it never got through.
The batches of operations underneath do none of that. This file is the one place that reaches for them
(``grpc._cython.cygrpc``: the names used here have been the base of grpc.aio since its start).
"""

import asyncio
import time
from dataclasses import dataclass
from typing import Any

import grpc.aio
from grpc._cython import cygrpc  # type: ignore[attr-defined]

from loom.model import Metadata

from .metadata import seen

_NO_FLAGS = 0


@dataclass(frozen=True, slots=True)
class UpstreamStatus:
    """How the target's side ended the call."""

    code: int
    message: str
    trailing: Metadata


class UpstreamCall:
    """One call to the target, of any stream type, in bytes.

    At most one task sends (:meth:`open`, then :meth:`send`, then :meth:`half_close`) and at most one receives
    (:meth:`initial_metadata`, then :meth:`receive` until None, then :meth:`status`). What is sent after
    the call's end is refused with False; its status is to be had from the receiving side.
    """

    def __init__(self, channel: grpc.aio.Channel, method: str, timeout: float | None) -> None:
        """``timeout`` is in seconds; None means no deadline."""
        self._loop = asyncio.get_running_loop()
        deadline = None if timeout is None else time.time() + timeout
        core: Any = channel._channel  # type: ignore[attr-defined]  # noqa: SLF001 (see above)
        self._call = core.call(method.encode(), deadline, None, None, 0)
        self._over = False

    async def open(self, metadata: Metadata) -> bool:
        """Send the request's metadata, connecting if need be.

        False means that no connection carried it: the target has not been reached. A backend that
        answers early has been reached, so this is exact.
        """
        return await self._sent(cygrpc.SendInitialMetadataOperation(metadata, _NO_FLAGS))

    async def send(self, message: bytes) -> bool:
        """Send one message, waiting for flow control."""
        return await self._sent(cygrpc.SendMessageOperation(message, _NO_FLAGS))

    async def half_close(self) -> bool:
        """Say that no more messages come."""
        return await self._sent(cygrpc.SendCloseFromClientOperation(_NO_FLAGS))

    async def initial_metadata(self) -> Metadata:
        """Wait for the initial metadata; empty if the call ends without any."""
        operation = cygrpc.ReceiveInitialMetadataOperation(_NO_FLAGS)
        try:
            await cygrpc.execute_batch(self._call, (operation,), self._loop)
        except cygrpc.ExecuteBatchError:
            return ()
        return seen(operation.initial_metadata())

    async def receive(self) -> bytes | None:
        """The next message; None when no more come."""
        message = await self._call.receive_serialized_message()
        return None if message is cygrpc.EOF else message

    async def status(self) -> UpstreamStatus:
        """Wait for the status, which follows the last message."""
        operation = cygrpc.ReceiveStatusOnClientOperation(_NO_FLAGS)
        await cygrpc.execute_batch(self._call, (operation,), self._loop)
        self._over = True
        return UpstreamStatus(
            int(operation.code()), operation.details() or "", seen(operation.trailing_metadata())
        )

    def cancel(self) -> None:
        """End the call from this side; nothing happens if it is over."""
        if not self._over:
            self._over = True
            self._call.cancel("cancelled")

    async def _sent(self, operation: Any) -> bool:
        try:
            await cygrpc.execute_batch(self._call, (operation,), self._loop)
        except cygrpc.ExecuteBatchError:
            return False
        return True
