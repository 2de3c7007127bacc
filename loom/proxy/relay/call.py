"""Forwarding one call: whatever its stream type, two pumps that read one message and write one.

Nothing is queued between reading and writing, so a slow reader slows the sender through HTTP/2 flow
control on both connections. What happens is told to the courier as it happens.

Each step of a call is the answer to a batch of operations, on the thread of the listener or of a channel.
"""

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

from loom.grpc_core import status_mapping as outcome
from loom.grpc_core.facade import (
    Batch,
    IncomingCall,
    OutgoingCall,
    ReceiveClose,
    ReceiveInitialMetadata,
    ReceiveMessage,
    ReceiveStatus,
    SendClose,
    SendInitialMetadata,
    SendMessage,
    SendStatus,
    Tag,
    ignore,
)
from loom.grpc_core.metadata import forwarded, seen, user_agent
from loom.model import (
    CallEnded,
    CallStarted,
    Direction,
    EndedBy,
    HalfClosed,
    Kind,
    MessageSeen,
    Metadata,
    MetadataSeen,
    Section,
    Status,
    StatusCode,
)
from loom.proxy.breaker import Breaker, Ticket
from loom.proxy.target import Target

from .event_buffer import Courier
from .serialized import Stepped, step

_log = logging.getLogger(__name__)

MAX_TIMEOUT = 10 * 365 * 24 * 3600.0
"""Seconds. gRPC allows a deadline in eleven thousand years, which grpcio's clock takes for the past."""

_NO_DEADLINE = 1e12
"""Seconds: a deadline so far ahead is how C-core says that there is none."""

TRAILERS_ONLY_GRACE = 0.01
"""Seconds to wait, after an empty initial metadata, for a status or a message to come with it.

A backend that only sends a status sends no initial metadata at all (gRPC calls it Trailers-Only), but C-core
reports an empty one. The client shall get the same shape.
"""

_ONE_REQUEST = frozenset({Kind.UNARY, Kind.SERVER})
_LAST_CODE = 16


@dataclass(frozen=True, slots=True)
class Way:
    """What the calls of one engine have in common."""

    target: Target
    courier: Courier
    breaker: Breaker | None
    kind_of: Callable[[str], Kind | None]
    """How a method streams, where that is known."""


class RelayedCall(Stepped):
    """One call on its way through; made by the engine, begun once."""

    __slots__ = (
        "_began",
        "_client",
        "_ended",
        "_initial_sent",
        "_no_more_responses",
        "_notes",
        "_on_end",
        "_one_request",
        "_reached",
        "_received",
        "_status",
        "_ticket",
        "_timeout",
        "_upstream",
        "_way",
        "id",
        "method",
        "stopping",
    )

    def __init__(self, incoming: IncomingCall, way: Way, on_end: Callable[["RelayedCall"], None]) -> None:
        """``on_end`` is called once it is settled how the call ends."""
        super().__init__()
        self.id = 0
        self.method = incoming.method.decode("utf-8", "replace")
        self.stopping = False
        """Set by the engine when it is Loom that cancels the call."""
        self._client = incoming
        self._way = way
        self._on_end = on_end
        self._upstream: OutgoingCall | None = None
        self._ticket: Ticket | None = None
        self._timeout: float | None = None
        self._began = 0.0
        self._one_request = False
        self._received = False  # a request message
        self._reached: bool | None = None  # whether a connection to the target carried the call
        self._initial_sent = False
        self._no_more_responses = False
        self._status: outcome.UpstreamStatus | None = None
        self._ended = False
        self._notes: list[str] = []

    @step
    def begin(self, _batch: Batch) -> None:
        """Tell of the call, and forward it."""
        client, way = self._client, self._way
        now = time.time_ns()
        self._began = time.monotonic()
        metadata = seen(client.metadata)
        remaining = client.deadline - now / 1e9
        if remaining < _NO_DEADLINE:
            self._timeout = min(max(remaining, 0.0), MAX_TIMEOUT)
        deadline_ns = None if self._timeout is None else now + int(self._timeout * 1e9)
        peer = unquote(client.peer())  # C-core escapes the brackets of IPv6
        way.courier.tell(self, _started, now, self.method, peer, str(way.target.address), deadline_ns)
        way.courier.tell(self, MetadataSeen, now, Section.REQUEST, metadata)
        client.start((ReceiveClose(),), self._closed)
        if way.breaker is not None:
            self._ticket = way.breaker.admit()
            if self._ticket is None:
                self._refuse(way.breaker)
                return
        self._one_request = way.kind_of(self.method) in _ONE_REQUEST
        self._upstream = way.target.channel(user_agent(metadata)).call(
            client.method,
            outcome.deadline(self._timeout),
            (
                ((SendInitialMetadata(self._forwarded(metadata)),), self._opened),
                ((ReceiveInitialMetadata(),), self._initial),
                ((ReceiveStatus(),), self._status_came),
            ),
        )
        way.courier.when_there_is_room(self._next_request)

    def failed(self, error: Exception) -> None:
        """Tell the client of a fault of Loom's own."""
        _log.error("forwarding %s failed", self.method, exc_info=error)
        self._cancel_upstream()
        if not self._ended:
            reason = f"Loom failed to forward the call: {type(error).__name__}: {error}"
            self._answer(Status(StatusCode.INTERNAL, reason), EndedBy.LOOM, reason)

    # The client's side

    @step
    def _next_request(self, _batch: Batch) -> None:
        if not self._ended:
            self._client.start((ReceiveMessage(),), self._request)

    @step
    def _request(self, batch: Batch) -> None:
        if self._ended:
            return
        message = batch.batch_operations[0].message()
        if message is not None:
            self._received = True
            self._saw(Direction.REQUEST, message)
            self._send((SendMessage(message),), self._request_sent)
        elif self._received and self._one_request:
            self._half_close()
        else:
            # C-core reports a cancellation to readers as an end of the messages, and may do so before it reports the
            # cancellation. Passed on as a half-close, that would make an interrupted upload look complete. Another
            # read is answered only behind what C-core has already queued.
            self._client.start((ReceiveMessage(),), self._end_of_requests)

    @step
    def _end_of_requests(self, _batch: Batch) -> None:
        remaining = self._remaining()
        if not self._ended and (remaining is None or remaining > 0):  # C-core cancels what is out of time
            self._half_close()

    def _half_close(self) -> None:
        self._way.courier.tell(self, HalfClosed, time.time_ns())
        self._send((SendClose(),), ignore)

    @step
    def _request_sent(self, batch: Batch) -> None:
        if batch.success:
            self._way.courier.when_there_is_room(self._next_request)

    @step
    def _closed(self, batch: Batch) -> None:
        """The client's side is over: it has its status, or it is gone."""
        if batch.batch_operations[0].cancelled():
            if not self._ended:
                late = outcome.deadline_passed(self._remaining(), self._timeout)
                self._end(*outcome.cut_short(stopped=self.stopping, late=late))
            self._cancel_upstream()

    # The target's side

    @step
    def _opened(self, batch: Batch) -> None:
        """The request's metadata is on a connection, or will never be.

        A backend that answers early has been reached, so this is exact.
        """
        self._reached = batch.success
        if batch.success:
            self._way.target.reached()
            if self._ticket is not None:
                self._ticket.reached()
        self._finish()

    @step
    def _initial(self, batch: Batch) -> None:
        initial = seen(batch.batch_operations[0].initial_metadata()) if batch.success else ()
        if initial and not self._ended:
            self._way.courier.tell(self, MetadataSeen, time.time_ns(), Section.INITIAL, initial)
            self._send_initial(self._forwarded(initial))
        elif not self._ended:
            self._way.courier.later(TRAILERS_ONLY_GRACE, self._flush)
        self._way.courier.when_there_is_room(self._next_response)

    @step
    def _flush(self, _batch: Batch) -> None:
        """Neither a message nor a status has come with the empty initial metadata."""
        if not (self._initial_sent or self._ended):
            self._send_initial(())

    def _send_initial(self, metadata: Metadata) -> None:
        self._initial_sent = True
        self._client.start((SendInitialMetadata(metadata),), ignore)

    @step
    def _next_response(self, _batch: Batch) -> None:
        if not self._send((ReceiveMessage(),), self._response):
            # The status has come, which C-core only gives once all messages have been read.
            self._no_more_responses = True
            self._finish()

    @step
    def _response(self, batch: Batch) -> None:
        message = batch.batch_operations[0].message()
        if message is None:
            self._no_more_responses = True
            self._finish()
        elif not self._ended:
            self._saw(Direction.RESPONSE, message)
            operations: tuple[Any, ...] = (SendMessage(message),)
            if not self._initial_sent:
                self._initial_sent = True
                operations = (SendInitialMetadata(()), *operations)
            self._client.start(operations, self._response_sent)

    @step
    def _response_sent(self, batch: Batch) -> None:
        if batch.success:  # else the client is gone, and the listener will say so
            self._way.courier.when_there_is_room(self._next_response)

    @step
    def _status_came(self, batch: Batch) -> None:
        self._status = outcome.upstream_status(batch.batch_operations[0])
        self._finish()

    def _send(self, operations: tuple[Any, ...], tag: Tag) -> bool:
        """Start a batch towards the target; False if the call is over there."""
        return self._upstream is not None and self._upstream.start(operations, tag)

    def _cancel_upstream(self) -> None:
        if self._upstream is not None:
            self._upstream.cancel()

    # Its end

    def _finish(self) -> None:
        """Give the client the status that the target's side ended with, once all that came before it has passed."""
        status = self._status
        if status is None or self._reached is None or not self._no_more_responses or self._ended:
            return
        now = time.time_ns()
        if not self._reached and status.code == StatusCode.UNAVAILABLE:
            target = self._way.target
            told = outcome.unreachable(target.address, status.message)
            target.unreached(told.message)
            if self._ticket is not None:
                self._ticket.unreached()
            self._answer(told, EndedBy.LOOM, told.message)
            return
        told = outcome.status_of(status)
        if status.trailing:
            self._way.courier.tell(self, MetadataSeen, now, Section.TRAILING, status.trailing)
        late = outcome.deadline_passed(self._remaining(), self._timeout)
        trailing = self._forwarded(status.trailing)
        self._answer(told, outcome.ended_by(status.code, deadline=late), outcome.note_on(status), trailing)

    def _refuse(self, breaker: Breaker) -> None:
        """Tell the client that the breaker is open."""
        retry_in = (breaker.snapshot()["retry_in_ms"] or 0) / 1000
        target = self._way.target
        told = outcome.shed(target.address, target.error, retry_in)
        self._answer(told, EndedBy.LOOM, told.message)

    def _answer(self, status: Status, by: EndedBy, note: str, trailing: Metadata = ()) -> None:
        """End the call, telling the client."""
        self._end(status, by, note)
        code = status.code if status.code <= _LAST_CODE else StatusCode.UNKNOWN
        operations: tuple[Any, ...] = (SendStatus(trailing, int(code), status.message),)
        if not self._initial_sent:
            self._initial_sent = True
            operations = (SendInitialMetadata(()), *operations)
        self._client.start(operations, ignore)

    def _end(self, status: Status, by: EndedBy, note: str) -> None:
        self._ended = True
        notes = [note, *self._notes] if note else self._notes
        self._way.courier.tell(self, CallEnded, time.time_ns(), status, by, "; ".join(notes))
        if self._ticket is not None:
            self._ticket.abandoned()  # of no effect once it has reported
        self._on_end(self)

    def _remaining(self) -> float | None:
        """Seconds until the deadline, below 0 once it has passed; None without one.

        By a clock that nobody sets while the call runs, as C-core ends calls by such a one.
        """
        return None if self._timeout is None else self._timeout - (time.monotonic() - self._began)

    def _saw(self, direction: Direction, message: bytes) -> None:
        courier = self._way.courier
        courier.tell(self, MessageSeen, time.time_ns(), direction, message, size=len(message))

    def _forwarded(self, metadata: Metadata) -> Metadata:
        """What can be sent on of a block; what cannot is named in the call's note."""
        items, complaint = forwarded(metadata)
        if complaint:
            self._notes.append(complaint)
        return items


def _started(
    call_id: int, now: int, method: str, peer: str, target: str, deadline: int | None
) -> CallStarted:
    return CallStarted(call_id, now, method, peer=peer, target=target, deadline_ns=deadline)
