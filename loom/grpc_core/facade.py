"""gRPC's C-core as the relay needs it: batches of operations, answered on threads that wait for nothing else.

grpcio's public objects cannot relay. When a write fails because the backend has answered already, they
overwrite the backend's status with INTERNAL "Internal error from Core"; initial metadata that comes together with the
status can be lost; metadata comes regrouped by key; and nothing tells a status that the backend sent from one
that grpcio made up because it never got through. Under asyncio each operation also costs a future, turns of the
loop, and switches between threads: four fifths of what a call takes.

The batches underneath do none of that. This file is the one place that reaches for them (``grpc._cython.cygrpc``): the
names used here have been the base of grpcio's own synchronous client and server since their start, and are used
as ``grpc._channel`` and ``grpc._server`` use them. Whoever starts a batch gives it a tag, a function that is called
with the finished batch on the thread of that listener or channel: it must not wait.
"""

import asyncio
import contextlib
import logging
import os
import threading
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Any

import grpc
from grpc._cython import cygrpc  # type: ignore[attr-defined]

_log = logging.getLogger(__name__)

_NO_FLAGS = 0
_CANCELLED = 1

Batch = Any
"""A finished batch (``cygrpc.BatchOperationEvent``): ``success``, and ``batch_operations``, which hold what came."""

Tag = Callable[[Batch], None]

SendInitialMetadata = partial(cygrpc.SendInitialMetadataOperation, flags=_NO_FLAGS)
SendMessage = partial(cygrpc.SendMessageOperation, flags=_NO_FLAGS)
SendClose = partial(cygrpc.SendCloseFromClientOperation, flags=_NO_FLAGS)
SendStatus = partial(cygrpc.SendStatusFromServerOperation, flags=_NO_FLAGS)
ReceiveInitialMetadata = partial(cygrpc.ReceiveInitialMetadataOperation, flags=_NO_FLAGS)
ReceiveMessage = partial(cygrpc.ReceiveMessageOperation, flags=_NO_FLAGS)
ReceiveStatus = partial(cygrpc.ReceiveStatusOnClientOperation, flags=_NO_FLAGS)
ReceiveClose = partial(cygrpc.ReceiveCloseOnServerOperation, flags=_NO_FLAGS)


def ignore(_batch: Batch) -> None:
    """The tag of a batch whose end nobody waits for."""


class Channel:
    """Connections to one target, and the thread that answers for the calls on them. For any thread."""

    def __init__(
        self,
        target: str,
        options: Iterable[tuple[str, int | str]],
        credentials: grpc.ChannelCredentials | None,
    ) -> None:
        inner = None if credentials is None else credentials._credentials  # type: ignore[attr-defined]  # noqa: SLF001 (see above)
        self._core = cygrpc.Channel(target.encode(), tuple(options), inner)
        self._closing = False
        self._thread = threading.Thread(target=self._answer, name=f"channel to {target}", daemon=True)
        self._thread.start()

    def call(
        self, method: bytes, deadline: float | None, batches: Sequence[tuple[tuple[Any, ...], Tag]]
    ) -> "OutgoingCall":
        """Start a call with at least one batch that lasts until its end; ``deadline`` is in seconds since the epoch."""
        return OutgoingCall(
            self._core.integrated_call(_NO_FLAGS, method, None, deadline, None, None, batches)
        )

    def connectivity(self) -> int:
        """The state as C-core numbers it, the ``value[0]`` of a :class:`grpc.ChannelConnectivity`."""
        state: int = self._core.check_connectivity_state(False)  # noqa: FBT003 (C-core's own order)
        return state

    def close(self) -> None:
        """Cancel the calls still under way and close the connections. Not from the channel's own thread."""
        if not self._closing:
            # A call that is over before it begins, as nothing else makes the thread look up.
            bell = self.call(b"/", None, [((ReceiveStatus(),), self._ring)])
            bell.cancel()
        self._thread.join()

    def _ring(self, _batch: Batch) -> None:
        self._closing = True

    def _answer(self) -> None:
        # This thread and the listener's wake each other all the time. Where they share a core, that pushes the other
        # aside in the middle of each step: half of what calls cost then. Elsewhere it makes no difference.
        with contextlib.suppress(AttributeError, OSError):
            os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0))
        while not self._closing:
            _answer(self._core.next_call_event())
        # Closes as after a fork: answering, on this thread, for the calls that are cut off.
        self._core.close_on_fork(_CANCELLED, "the channel was closed")


class OutgoingCall:
    """A call to a target. Batches can be started until the call is over and all of its batches are answered."""

    __slots__ = ("_core",)

    def __init__(self, core: Any) -> None:
        self._core = core

    def start(self, operations: tuple[Any, ...], tag: Tag) -> bool:
        """Start a batch; False, and no answer, if the call is over."""
        started: bool = self._core.operate(operations, tag)
        return started

    def cancel(self) -> None:
        """End the call from this side; nothing happens if it is over."""
        self._core.cancel(_CANCELLED, "cancelled")


class IncomingCall:
    """A call of a client's, as it came in."""

    __slots__ = ("_core", "deadline", "metadata", "method")

    def __init__(self, event: Any) -> None:
        self._core = event.call
        self.method: bytes = event.call_details.method
        self.deadline: float = event.call_details.deadline
        """In seconds since the epoch; far beyond any calendar if there is none."""
        self.metadata: tuple[tuple[str, str | bytes], ...] = event.invocation_metadata

    def peer(self) -> str:
        """The client's address as C-core writes it."""
        peer: bytes = self._core.peer()
        return peer.decode()

    def start(self, operations: tuple[Any, ...], tag: Tag) -> None:
        """Start a batch; :class:`RuntimeError` if C-core refuses it. On a call that is over, it fails."""
        error: int = self._core.start_server_batch(operations, tag)
        if error:
            raise RuntimeError(
                f"C-core refused {[type(each).__name__ for each in operations]}: error {error}"
            )


class Listener:
    """A server for any method, and the thread that answers for its calls; made, started and stopped on one loop."""

    def __init__(self, options: Iterable[tuple[str, int]], on_call: Callable[[IncomingCall], None]) -> None:
        """``on_call`` is called with each call on the listener's thread."""
        self._on_call = on_call
        self._queue = cygrpc.CompletionQueue()
        self._server = cygrpc.Server(tuple(options), False)  # noqa: FBT003 (no xDS)
        self._server.register_completion_queue(self._queue)
        self._thread = threading.Thread(target=self._answer, name="relay", daemon=True)

    def bind(self, address: str, credentials: grpc.ServerCredentials | None) -> int:
        """The port that it got; 0 if that is not possible."""
        inner = None if credentials is None else credentials._credentials  # type: ignore[attr-defined]  # noqa: SLF001 (see above)
        port: int = self._server.add_http2_port(address.encode(), inner)
        return port

    def start(self) -> None:
        """Take calls."""
        self._server.start(backup_queue=False)
        self._thread.start()
        self._next_call()

    async def stop(self, grace: float, cut_off: Callable[[], None]) -> None:
        """Take no new calls, give those under way ``grace`` seconds, call ``cut_off``, then cancel them."""
        loop = asyncio.get_running_loop()
        over = asyncio.Event()
        self._server.shutdown(self._queue, lambda _event: loop.call_soon_threadsafe(over.set))
        if grace > 0:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(grace):
                    await over.wait()
        if not over.is_set():
            cut_off()
            self._server.cancel_all_calls()
            await over.wait()
        self._queue.shutdown()
        await loop.run_in_executor(None, self._thread.join)
        self._server.destroy()

    def _next_call(self) -> None:
        with contextlib.suppress(ValueError):  # the server is being shut down
            self._server.request_call(self._queue, self._queue, self._called)

    def _called(self, event: Any) -> None:
        if event.success:
            self._next_call()
            self._on_call(IncomingCall(event))

    def _answer(self) -> None:
        while True:
            event = self._queue.poll()
            if event.completion_type == cygrpc.CompletionType.queue_shutdown:
                return
            _answer(event)


def _answer(event: Any) -> None:
    """Call the tag of a finished batch; whatever goes wrong there, the thread goes on."""
    try:
        if event.tag is not None:
            event.tag(event)
    except Exception:  # noqa: BLE001
        _log.exception("a finished batch of gRPC operations could not be handled")
