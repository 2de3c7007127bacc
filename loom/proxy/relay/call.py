"""Forwarding of one call: two pumps, one for each direction, that read a message and write it.

Nothing is queued between reading and writing, so a slow reader slows the sender through HTTP/2 flow control on both
connections. A method that starts with ``_on_`` is the tag of a batch: it runs on the thread of the server or a channel.
"""

import logging
import time
from collections.abc import Callable
from urllib.parse import unquote

from loom.grpc_core.core_types import (
    Batch,
    CloseOperation,
    InitialMetadataOperation,
    MessageOperation,
    Operation,
    OperationT,
    StatusOperation,
    Tag,
)
from loom.grpc_core.custom_metadata import filter_metadata, from_core
from loom.grpc_core.deadlines import deadline_passed, timeout_of, upstream_deadline
from loom.grpc_core.facade import (
    ChannelCall,
    ReceiveClose,
    ReceiveInitialMetadata,
    ReceiveMessage,
    ReceiveStatus,
    SendClose,
    SendInitialMetadata,
    SendMessage,
    SendStatus,
    ServerCall,
    ignore_completion,
)
from loom.grpc_core.upstream_status import UpstreamStatus
from loom.model import Direction, EndedBy, Kind, Metadata, Section, Status, StatusCode
from loom.model.metadata import USER_AGENT, first_text
from loom.proxy import local_status
from loom.proxy.breaker import Permit

from .call_context import CallContext
from .serialized_callbacks import SerializedCallbacks, serialized

_log = logging.getLogger(__name__)

TRAILERS_ONLY_GRACE = 0.01
"""Seconds to wait, after an empty initial metadata, for a status or a message.

A backend that sends only a status sends no initial metadata at all (gRPC calls it Trailers-Only), but C-core
reports an empty one. The client must receive the same shape.
"""

_SINGLE_REQUEST = frozenset({Kind.UNARY, Kind.SERVER})
_SINGLE_RESPONSE = frozenset({Kind.UNARY, Kind.CLIENT})
_LAST_CODE = 16


class RelayedCall(SerializedCallbacks):
    """One forwarded call. :meth:`start` it once."""

    __slots__ = (
        "_client_call",
        "_ended",
        "_has_request",
        "_has_response",
        "_initial_sent",
        "_notes",
        "_on_end",
        "_permit",
        "_reached",
        "_reading_first_request",
        "_responses_complete",
        "_single_request",
        "_single_response",
        "_started_at",
        "_timeout",
        "_upstream",
        "_upstream_status",
        "context",
        "id",
        "method",
        "stopping",
    )

    def __init__(
        self, client_call: ServerCall, context: CallContext, on_end: Callable[["RelayedCall"], None]
    ) -> None:
        """``on_end`` runs once the call has ended, and starts no more batches on ``client_call``."""
        super().__init__()
        self.id = 0
        self.method = client_call.method.decode("utf-8", "replace")
        self.stopping = False
        """Set by the engine before Loom itself cancels the call."""
        self._client_call = client_call
        self.context = context
        self._on_end = on_end
        self._upstream: ChannelCall | None = None
        self._permit: Permit | None = None
        self._timeout: float | None = None
        self._started_at = 0.0
        self._single_request = False
        self._single_response = False
        self._has_request = False
        self._has_response = False
        self._reading_first_request = False
        self._reached: bool | None = None  # whether a connection carried the call; None: not yet certain
        self._initial_sent = False
        self._responses_complete = False
        self._upstream_status: UpstreamStatus | None = None
        self._ended = False
        self._notes: list[str] = []

    @serialized
    def start(self) -> None:
        """Record the start of the call, and forward it."""
        client_call, context = self._client_call, self.context
        now = time.time_ns()
        self._started_at = time.monotonic()
        metadata = from_core(client_call.metadata)
        self._timeout = timeout_of(client_call.deadline, now / 1e9)
        deadline_ns = None if self._timeout is None else now + int(self._timeout * 1e9)
        context.events.put_started(
            self,
            now,
            method=self.method,
            peer=unquote(client_call.peer()),  # C-core escapes the brackets of IPv6
            authority=client_call.authority,
            target=str(context.target.address),
            deadline_ns=deadline_ns,
        )
        context.events.put_metadata(self, now, Section.REQUEST, metadata)
        self._acquire_permit()
        kind = context.kind_of(self.method)
        self._single_request, self._single_response = kind in _SINGLE_REQUEST, kind in _SINGLE_RESPONSE
        client_call.start((ReceiveClose(),), self._on_client_close)
        self._open(metadata)

    def _open(self, metadata: Metadata) -> None:
        """Read the first request, and start the call to the target."""
        if self._check_admission(metadata):
            # Right behind ReceiveClose: the order of their completions distinguishes a refusal (see _on_client_close).
            self.context.events.call_when_not_full(self._read_request)
            self._connect(metadata, self._timeout)

    def _acquire_permit(self) -> None:
        if self.context.breaker is not None:
            self._permit = self.context.breaker.admit()

    def _check_admission(self, metadata: Metadata) -> bool:
        """Whether the target may be called; else end the call."""
        refusal = self.context.refusal(metadata, self._permit)
        if refusal is None:
            return True
        self._forward_status(refusal.status, (), EndedBy.LOOM, refusal.note or refusal.status.message)
        return False

    def _connect(self, metadata: Metadata, timeout: float | None) -> None:
        """Start the call to the target."""
        self._upstream = self.context.target.channel(first_text(metadata, USER_AGENT)).call(
            self._client_call.method,
            upstream_deadline(timeout),
            (
                ((SendInitialMetadata(self._filter(metadata)),), self._on_request_metadata_sent),
                ((ReceiveInitialMetadata(),), self._on_initial_metadata),
                ((ReceiveStatus(),), self._on_status),
            ),
            self.context.authority_of(self._client_call.authority),
        )

    def on_error(self, error: Exception) -> None:
        """End the call with INTERNAL after a bug in Loom."""
        _log.error("forwarding %s failed", self.method, exc_info=error)
        self._cancel_upstream()
        if not self._ended:
            reason = f"Loom failed to forward the call: {type(error).__name__}: {error}"
            self._send_status(Status(StatusCode.INTERNAL, reason), EndedBy.LOOM, reason)

    # From the client to the target

    @serialized
    def _read_request(self) -> None:
        if not self._ended:
            self._reading_first_request = not self._has_request
            self._client_call.start((ReceiveMessage(),), self._on_request)

    @serialized
    def _on_request(self, batch: Batch[MessageOperation]) -> None:
        first, self._reading_first_request = self._reading_first_request, False
        if self._ended:
            return
        if first:
            self.context.accepted_connections.add(self._client_call.peer())
        if not batch.success:
            # The end of the client's messages, even by a reset, completes a read successfully.
            self._cancel_upstream()
            self._end(local_status.request_refused(), EndedBy.LOOM, local_status.UNDECOMPRESSED_NOTE)
            return
        message = batch.batch_operations[0].message()
        if message is not None:
            self._has_request = True
            self._forward_request(message)
        elif self._has_request and self._single_request:
            self._half_close()
        else:
            # C-core reports a cancellation to readers as the end of the messages, possibly before it reports the
            # cancellation itself. Forwarded as a half-close, that would make an interrupted upload look complete. A
            # second read completes only after everything that C-core has queued by now.
            self._client_call.start((ReceiveMessage(),), self._on_requests_complete)

    @serialized
    def _on_requests_complete(self, _batch: Batch[MessageOperation]) -> None:
        remaining = self._remaining()
        if not self._ended and (remaining is None or remaining > 0):  # past it, C-core cancels the call
            self._half_close()

    def _forward_request(self, message: bytes) -> None:
        self.context.events.put_message(self, time.time_ns(), Direction.REQUEST, message)
        self._send((SendMessage(message),), self._on_request_sent)

    def _half_close(self) -> None:
        if self._single_request and not self._has_request:
            self._notes.append(local_status.MISSING_REQUEST_NOTE)
        self.context.events.put_half_closed(self, time.time_ns())
        self._send((SendClose(),), ignore_completion)

    @serialized
    def _on_request_sent(self, batch: Batch[Operation]) -> None:
        if batch.success:
            self.context.events.call_when_not_full(self._read_request)

    @serialized
    def _on_client_close(self, batch: Batch[CloseOperation]) -> None:
        """The client's side is over: it has received its status, or has gone away."""
        if batch.batch_operations[0].cancelled():
            if not self._ended:
                self._end_cancelled()
            self._cancel_upstream()

    def _end_cancelled(self) -> None:
        if self.stopping:
            self._end(local_status.stopped(), EndedBy.LOOM, local_status.STOPPED_NOTE)
        elif self._deadline_passed():
            self._end(local_status.deadline_exceeded(), EndedBy.DEADLINE, "")
        elif self._reading_first_request:
            # A reset or disconnect completes the read first. A call that C-core has refused for its metadata was
            # cancelled before this batch started, so that this completes before the read behind it.
            accepted = self._client_call.peer() in self.context.accepted_connections
            self._end(*local_status.unread_end(from_core(self._client_call.metadata), accepted=accepted))
        else:
            self._end(local_status.client_cancelled(), EndedBy.CLIENT, "")

    # From the target to the client

    @serialized
    def _on_request_metadata_sent(self, batch: Batch[Operation]) -> None:
        """The request's metadata is on a connection, or never will be: exact even if the backend answers early."""
        self._reached = batch.success
        if batch.success:
            self.context.target.record_success()
            if self._permit is not None:
                self._permit.record_success()
        self._finish_if_complete()

    @serialized
    def _on_initial_metadata(self, batch: Batch[InitialMetadataOperation]) -> None:
        events = self.context.events
        initial = from_core(batch.batch_operations[0].initial_metadata()) if batch.success else ()
        if initial and not self._ended:
            self._forward_initial_metadata(initial)
        elif not self._ended:
            events.call_later(TRAILERS_ONLY_GRACE, self._end_trailers_only_grace)
        events.call_when_not_full(self._read_response)

    @serialized
    def _end_trailers_only_grace(self) -> None:
        """Send the empty initial metadata: neither a message nor a status came with it."""
        if not (self._initial_sent or self._ended):
            self._send_initial_metadata(())

    def _forward_initial_metadata(self, metadata: Metadata) -> None:
        self.context.events.put_metadata(self, time.time_ns(), Section.INITIAL, metadata)
        self._send_initial_metadata(self._filter(metadata))

    def _send_initial_metadata(self, metadata: Metadata) -> None:
        self._initial_sent = True
        self._client_call.start((SendInitialMetadata(metadata),), ignore_completion)

    @serialized
    def _read_response(self) -> None:
        if not self._send((ReceiveMessage(),), self._on_response):
            # The call is over there: C-core completes the status only after the last message was read.
            self._responses_complete = True
            self._finish_if_complete()

    @serialized
    def _on_response(self, batch: Batch[MessageOperation]) -> None:
        message = batch.batch_operations[0].message()
        if message is None:
            self._responses_complete = True
            self._finish_if_complete()
        elif not self._ended:
            self._has_response = True
            self._forward_response(message)

    def _forward_response(self, message: bytes) -> None:
        self.context.events.put_message(self, time.time_ns(), Direction.RESPONSE, message)
        self._send_response(message)

    def _send_response(self, message: bytes) -> None:
        operations = self._behind_initial_metadata(SendMessage(message))
        self._client_call.start(operations, self._on_response_sent)

    @serialized
    def _on_response_sent(self, batch: Batch[Operation]) -> None:
        if batch.success:  # else the client has gone away, which the server reports separately
            self.context.events.call_when_not_full(self._read_response)

    @serialized
    def _on_status(self, batch: Batch[StatusOperation]) -> None:
        self._upstream_status = UpstreamStatus.received(batch.batch_operations[0])
        self._finish_if_complete()

    def _send(self, operations: tuple[OperationT, ...], tag: Tag[OperationT]) -> bool:
        """Start a batch towards the target; False if the call is over there."""
        return self._upstream is not None and self._upstream.start(operations, tag)

    def _cancel_upstream(self) -> None:
        if self._upstream is not None:
            self._upstream.cancel()

    # The end of the call

    def _finish_if_complete(self) -> None:
        """Forward the target's status to the client once everything before it has been forwarded."""
        upstream = self._upstream_status
        if upstream is None or self._reached is None or not self._responses_complete or self._ended:
            return
        failure = None
        if not self._reached:
            failure = self.context.connection_failure(upstream, self._client_call.authority, self._permit)
        if failure is not None:
            self._forward_status(failure, (), EndedBy.LOOM, failure.message)
            return
        ended_by = upstream.ended_by(deadline_passed=self._deadline_passed())
        status = upstream.status
        if ended_by is EndedBy.DEADLINE and upstream.is_cancellation:
            status = local_status.deadline_exceeded()  # as the client's own library concludes at its deadline
        if status.code == StatusCode.OK and self._single_response and not self._has_response:
            self._notes.append(local_status.MISSING_RESPONSE_NOTE)
        self._forward_status(status, upstream.trailing, ended_by, upstream.note)

    def _forward_status(self, status: Status, trailing: Metadata, by: EndedBy, note: str) -> None:
        if trailing:
            self.context.events.put_metadata(self, time.time_ns(), Section.TRAILING, trailing)
        self._send_status(status, by, note, self._filter(trailing))

    def _send_status(self, status: Status, by: EndedBy, note: str, trailing: Metadata = ()) -> None:
        """End the call, and send the status to the client."""
        self._record_end(status, by, note)
        code = status.code if status.code <= _LAST_CODE else StatusCode.UNKNOWN
        operations = self._behind_initial_metadata(SendStatus(trailing, int(code), status.message))
        try:
            self._client_call.start(operations, ignore_completion)
        finally:
            self._on_end(self)

    def _behind_initial_metadata(self, operation: Operation) -> tuple[Operation, ...]:
        if self._initial_sent:
            return (operation,)
        self._initial_sent = True
        return (SendInitialMetadata(()), operation)

    def _end(self, status: Status, by: EndedBy, note: str) -> None:
        """End the call, whose client is gone."""
        self._record_end(status, by, note)
        self._on_end(self)

    def _record_end(self, status: Status, by: EndedBy, note: str) -> None:
        self._ended = True
        notes = [note, *self._notes] if note else self._notes
        self.context.events.put_ended(self, time.time_ns(), status, by, "; ".join(notes))
        if self._permit is not None:
            self._permit.cancel()  # does nothing after a result

    def _deadline_passed(self) -> bool:
        return deadline_passed(self._remaining(), self._timeout, self.context.events.lag)

    def _remaining(self) -> float | None:
        """Seconds until the deadline, on the monotonic clock that C-core's timers use; None without a deadline."""
        return None if self._timeout is None else self._timeout - (time.monotonic() - self._started_at)

    def _filter(self, metadata: Metadata) -> Metadata:
        """The items that can be forwarded; those that cannot are named in the call's note."""
        items, note = filter_metadata(metadata)
        if note:
            self._notes.append(note)
        return items
