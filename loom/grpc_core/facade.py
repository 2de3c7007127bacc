"""A facade over gRPC's C-core: channels, servers and calls that are driven by batches of operations.

grpcio's public objects cannot relay. When a write fails because the backend has answered already, they
overwrite the backend's status with INTERNAL "Internal error from Core"; initial metadata that arrives together with the
status can be lost; metadata is regrouped by key; and a status that the backend sent cannot be distinguished from one
that grpcio made up because it never connected. Under asyncio each operation also costs a future, iterations of the
loop, and thread switches: four fifths of the cost of a call.

The batches underneath do none of that. This module alone imports them (``grpc._cython.cygrpc``): the names used here
are those of grpcio's own synchronous client and server (``grpc._channel``, ``grpc._server``), used as they use them.
Importing this module raises :class:`loom.errors.StartError` if the installed grpcio does not have them.

A batch is started with a tag, a callback that runs with the completed batch on the thread of that server or channel.
It must not block.
"""

import asyncio
import contextlib
import logging
import os
import threading
from collections.abc import Awaitable, Callable, Iterable, Sequence
from functools import partial
from typing import Protocol

import grpc
from grpc._cython import cygrpc  # type: ignore[attr-defined]

from loom.model import Metadata

from .compatibility import check_compatibility
from .core_types import (
    Batch,
    BatchStart,
    CloseOperation,
    CoreCallEvent,
    CoreChannel,
    CoreChannelCall,
    CoreCompletionQueue,
    CoreEvent,
    CoreServer,
    InitialMetadataOperation,
    MessageOperation,
    Operation,
    OperationT,
    StatusOperation,
    Tag,
)

check_compatibility(cygrpc)

_log = logging.getLogger(__name__)

_NO_FLAGS = 0
_CANCELLED = 1


class _SendStatus(Protocol):
    def __call__(self, trailing: Metadata, code: int, details: str, /) -> Operation: ...


SendInitialMetadata: Callable[[Metadata], Operation] = partial(
    cygrpc.SendInitialMetadataOperation, flags=_NO_FLAGS
)
SendMessage: Callable[[bytes], Operation] = partial(cygrpc.SendMessageOperation, flags=_NO_FLAGS)
SendClose: Callable[[], Operation] = partial(cygrpc.SendCloseFromClientOperation, flags=_NO_FLAGS)
SendStatus: _SendStatus = partial(cygrpc.SendStatusFromServerOperation, flags=_NO_FLAGS)
ReceiveInitialMetadata: Callable[[], InitialMetadataOperation] = partial(
    cygrpc.ReceiveInitialMetadataOperation, flags=_NO_FLAGS
)
ReceiveMessage: Callable[[], MessageOperation] = partial(cygrpc.ReceiveMessageOperation, flags=_NO_FLAGS)
ReceiveStatus: Callable[[], StatusOperation] = partial(cygrpc.ReceiveStatusOnClientOperation, flags=_NO_FLAGS)
ReceiveClose: Callable[[], CloseOperation] = partial(cygrpc.ReceiveCloseOnServerOperation, flags=_NO_FLAGS)


def ignore_completion(_batch: Batch[Operation]) -> None:
    """The tag of a batch whose completion needs no handling."""


class Channel:
    """Connections to one target, and the thread that runs the tags of the calls on them. Thread-safe."""

    def __init__(
        self,
        target: str,
        options: Iterable[tuple[str, int | str]],
        credentials: grpc.ChannelCredentials | None,
    ) -> None:
        core_credentials = None if credentials is None else credentials._credentials  # type: ignore[attr-defined]  # noqa: SLF001 (see above)
        self._core: CoreChannel = cygrpc.Channel(target.encode(), tuple(options), core_credentials)
        self._closing = False
        self._thread = threading.Thread(target=self._poll, name=f"channel to {target}", daemon=True)
        self._thread.start()

    def call(
        self,
        method: bytes,
        deadline: float | None,
        batches: Sequence[BatchStart],
        authority: str = "",
    ) -> "ChannelCall":
        """Start a call; at least one of ``batches`` must last until its end.

        ``deadline`` is in seconds since the epoch; ``authority`` is sent in the place of the channel's unless it is "".
        """
        host = authority.encode() or None
        return ChannelCall(self._core.integrated_call(_NO_FLAGS, method, host, deadline, None, None, batches))

    def connectivity(self) -> int:
        """The state as C-core numbers it, the ``value[0]`` of a :class:`grpc.ChannelConnectivity`."""
        return self._core.check_connectivity_state(False)  # noqa: FBT003 (C-core's own order)

    def close(self) -> None:
        """Cancel open calls and close the connections. Not from the channel's own thread."""
        if not self._closing:
            # C-core's queue has no event of its own to wake a poller: only the completion of a call's batch does. The
            # thread cannot simply be abandoned either, as it polls in intervals and would touch the freed queue.
            wake_up = self.call(b"/", None, [((ReceiveStatus(),), self._stop_polling)])
            wake_up.cancel()
        self._thread.join()

    def _stop_polling(self, _batch: Batch[StatusOperation]) -> None:
        self._closing = True

    def _poll(self) -> None:
        # This thread and the server's wake each other all the time. Where they share a core, each wake-up preempts the
        # other thread in the middle of a callback, which doubles the cost of a call; elsewhere it makes no difference.
        with contextlib.suppress(AttributeError, OSError):
            os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0))
        while not self._closing:
            _run_tag(self._core.next_call_event())
        # Not close(), which waits for another thread to complete the calls that it cancels: this is that thread, and
        # counting open batches to know when it may leave would cost every call. close_on_fork() completes them itself.
        self._core.close_on_fork(_CANCELLED, "the channel was closed")


class ChannelCall:
    """A call to a target. Batches can be started until the call is over and all of its batches are complete."""

    __slots__ = ("_core",)

    def __init__(self, core: CoreChannelCall) -> None:
        self._core = core

    def start(self, operations: tuple[OperationT, ...], tag: Tag[OperationT]) -> bool:
        """Start a batch; False, and the tag never runs, if the call is over."""
        return self._core.operate(operations, tag)

    def cancel(self) -> None:
        """Cancel the call; does nothing if it is over."""
        self._core.cancel(_CANCELLED, "cancelled")


class ServerCall:
    """A call from a client."""

    __slots__ = ("_core", "authority", "deadline", "metadata", "method")

    def __init__(self, event: CoreCallEvent) -> None:
        self._core = event.call
        self.method = event.call_details.method
        self.authority = event.call_details.host.decode("utf-8", "replace")
        self.deadline = event.call_details.deadline
        """In seconds since the epoch; see :func:`loom.grpc_core.deadlines.timeout_of`."""
        self.metadata = event.invocation_metadata

    def peer(self) -> str:
        """The client's address as C-core writes it."""
        return self._core.peer().decode()

    def start(self, operations: tuple[OperationT, ...], tag: Tag[OperationT]) -> None:
        """Start a batch, which fails on a call that is over; :class:`RuntimeError` if C-core refuses it."""
        error = self._core.start_server_batch(operations, tag)
        if error:
            names = [type(operation).__name__ for operation in operations]
            raise RuntimeError(f"C-core refused {names}: error {error}")


class Server:
    """A server for any method, and the thread that runs the tags of its calls; used on one event loop."""

    def __init__(self, options: Iterable[tuple[str, int]], on_call: Callable[[ServerCall], None]) -> None:
        """``on_call`` runs with each call on the server's thread."""
        self._on_call = on_call
        self._queue: CoreCompletionQueue = cygrpc.CompletionQueue()
        self._core: CoreServer = cygrpc.Server(tuple(options), False)  # noqa: FBT003 (no xDS)
        self._core.register_completion_queue(self._queue)
        self._shut_down = False  # set on the server's thread
        self._thread = threading.Thread(target=self._poll, name="relay", daemon=True)

    def bind(self, address: str, credentials: grpc.ServerCredentials | None) -> int:
        """Bind an address and return its port; 0 if that failed."""
        core_credentials = None if credentials is None else credentials._credentials  # type: ignore[attr-defined]  # noqa: SLF001 (see above)
        return self._core.add_http2_port(address.encode(), core_credentials)

    def start(self) -> None:
        """Accept calls."""
        self._core.start(backup_queue=False)
        self._thread.start()
        self._request_call()

    async def stop(
        self,
        grace: float,
        on_grace_expired: Callable[[], None] = lambda: None,
        calls_ended: Callable[[], Awaitable[bool]] | None = None,
    ) -> None:
        """Stop accepting calls and wait ``grace`` seconds; then run ``on_grace_expired`` and cancel open calls.

        ``calls_ended`` waits until no batch will be started on any :class:`ServerCall`: C-core aborts the process if
        one is started after the completion queue is shut down, and a server whose connections are gone is shut down
        although batches of its calls may still wait in that queue. If it returns False the queue and its thread stay.
        """
        loop = asyncio.get_running_loop()
        complete = asyncio.Event()

        def on_shutdown(_event: CoreEvent) -> None:
            self._shut_down = True
            with contextlib.suppress(RuntimeError):  # the loop is closed: a second signal has ended the wait
                loop.call_soon_threadsafe(complete.set)

        self._core.shutdown(self._queue, on_shutdown)
        if grace > 0:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(grace):
                    await complete.wait()
        if not complete.is_set():
            on_grace_expired()
            self._core.cancel_all_calls()
            await complete.wait()
        if calls_ended is not None and not await calls_ended():
            return
        self._queue.shutdown()
        await loop.run_in_executor(None, self._thread.join)
        self._core.destroy()

    def _request_call(self) -> None:
        with contextlib.suppress(ValueError):  # the server is shutting down
            self._core.request_call(self._queue, self._queue, self._on_call_event)

    def _on_call_event(self, event: CoreCallEvent) -> None:
        if event.success and not self._shut_down:
            self._request_call()
            self._on_call(ServerCall(event))

    def _poll(self) -> None:
        while True:
            event = self._queue.poll()
            if event.completion_type == cygrpc.CompletionType.queue_shutdown:
                return
            _run_tag(event)


def _run_tag(event: CoreEvent) -> None:
    """Run the tag of a completed batch, and log its errors: the thread must survive them."""
    try:
        if event.tag is not None:
            event.tag(event)
    except Exception:  # noqa: BLE001 (see above)
        _log.exception("the callback of a completed batch of gRPC operations failed")
