"""Protocols for C-core's calls, channels, servers and batches of operations (``grpc._cython.cygrpc``).

A batch of operations is started with a tag, a callback. C-core completes the batch as a whole and hands it to the tag;
the operations that receive something then have its value.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Any, Protocol, TypeVar

CoreMetadata = Iterable[tuple[str, str | bytes]]


class Operation(Protocol):
    """An operation that only sends."""

    def type(self) -> int:
        """The kind of operation, as C-core numbers it."""


class InitialMetadataOperation(Operation, Protocol):
    """An operation that receives the initial metadata."""

    def initial_metadata(self) -> CoreMetadata | None: ...


class MessageOperation(Operation, Protocol):
    """An operation that receives one message."""

    def message(self) -> bytes | None:
        """The message; None after the last one."""


class StatusOperation(Operation, Protocol):
    """An operation that receives the status of a call to the target."""

    def code(self) -> int: ...
    def details(self) -> str | None: ...
    def trailing_metadata(self) -> CoreMetadata | None: ...


class CloseOperation(Operation, Protocol):
    """An operation that completes when a client's call is over."""

    def cancelled(self) -> bool:
        """Whether the call ended before the client received a status."""


OperationT = TypeVar("OperationT", bound=Operation)
OperationT_co = TypeVar("OperationT_co", bound=Operation, covariant=True)


class Batch(Protocol[OperationT_co]):
    """A completed batch. ``success`` is False if an operation failed, as they do on a call that is over."""

    @property
    def success(self) -> bool: ...
    @property
    def batch_operations(self) -> Sequence[OperationT_co]: ...


Tag = Callable[[Batch[OperationT]], None]
"""The callback of a batch. It runs on the thread of the channel or server, and must not block."""

BatchStart = tuple[tuple[Operation, ...], Tag[Any]]
"""The operations of a batch and its tag, of any kind: batches that start a call differ in kind."""


class CoreEvent(Protocol):
    """What a completion queue returns: a completed batch, a call or a shutdown."""

    @property
    def completion_type(self) -> int: ...
    @property
    def tag(self) -> "Callable[[CoreEvent], None] | None": ...


class CoreCallDetails(Protocol):
    @property
    def method(self) -> bytes: ...
    @property
    def host(self) -> bytes: ...
    @property
    def deadline(self) -> float: ...


class CoreServerCall(Protocol):
    def peer(self) -> bytes: ...
    def start_server_batch(self, operations: tuple[Operation, ...], tag: Tag[Any], /) -> int: ...


class CoreCallEvent(CoreEvent, Protocol):
    """A call that a server has accepted, or (without ``success``) its shutdown."""

    @property
    def success(self) -> bool: ...
    @property
    def call(self) -> CoreServerCall: ...
    @property
    def call_details(self) -> CoreCallDetails: ...
    @property
    def invocation_metadata(self) -> tuple[tuple[str, str | bytes], ...]: ...


class CoreChannelCall(Protocol):
    def operate(self, operations: tuple[Operation, ...], tag: Tag[Any], /) -> bool: ...
    def cancel(self, code: int, details: str, /) -> None: ...


class CoreChannel(Protocol):
    def integrated_call(
        self,
        flags: int,
        method: bytes,
        host: bytes | None,
        deadline: float | None,
        metadata: None,
        credentials: None,
        batches: Sequence[BatchStart],
        /,
    ) -> CoreChannelCall: ...
    def next_call_event(self) -> CoreEvent: ...
    def check_connectivity_state(self, try_to_connect: bool, /) -> int: ...
    def close_on_fork(self, code: int, details: str, /) -> None: ...


class CoreCompletionQueue(Protocol):
    def poll(self) -> CoreEvent: ...
    def shutdown(self) -> None: ...


class CoreServer(Protocol):
    def register_completion_queue(self, queue: CoreCompletionQueue, /) -> None: ...
    def add_http2_port(self, address: bytes, credentials: object, /) -> int: ...
    def start(self, *, backup_queue: bool) -> None: ...
    def request_call(
        self,
        call_queue: CoreCompletionQueue,
        server_queue: CoreCompletionQueue,
        tag: Callable[[CoreCallEvent], None],
        /,
    ) -> None: ...
    def shutdown(self, queue: CoreCompletionQueue, tag: Callable[[CoreEvent], object], /) -> None: ...
    def cancel_all_calls(self) -> None: ...
    def destroy(self) -> None: ...
