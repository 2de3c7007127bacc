"""Forwarding one call: whatever its stream type, two pumps that read one message and write one.

Nothing is queued between reading and writing, so a slow reader slows the sender through HTTP/2 flow
control on both connections. What happens is told to the sink as it happens.
"""

import asyncio
import contextlib
import logging
import time
from typing import Any
from urllib.parse import unquote

import grpc
import grpc.aio

from loom.model import (
    CallEnded,
    CallStarted,
    Direction,
    EndedBy,
    HalfClosed,
    MessageSeen,
    Metadata,
    MetadataSeen,
    Section,
    Sink,
    Status,
    StatusCode,
)
from loom.proxy.breaker import Breaker, Ticket
from loom.proxy.target import Target

from . import outcome
from .metadata import forwarded, seen, user_agent
from .upstream import UpstreamCall

_log = logging.getLogger(__name__)

_CODES = {code.value[0]: code for code in grpc.StatusCode}
"""grpcio's handlers take the enumeration: given the plain number they turn 16 into UNKNOWN."""

MAX_TIMEOUT = 10 * 365 * 24 * 3600.0
"""Seconds. gRPC allows a deadline in eleven thousand years, which grpcio's clock takes for the past."""

TRAILERS_ONLY_GRACE = 0.01
"""Seconds to wait, after an empty initial metadata, for a status or a message to come with it.

A backend that only sends a status sends no initial metadata at all (gRPC calls it Trailers-Only), but grpcio
reports an empty one. The client shall get the same shape.
"""

_CLOSING = 5.0
"""Seconds within which grpcio tells that the client is gone, once a write to it has failed."""

_TURNS = 3


class RelayedCall:
    """One call on its way through; made by the engine, run once."""

    def __init__(
        self,
        call_id: int,
        method: str,
        context: Any,
        *,
        target: Target,
        breaker: Breaker | None,
        sink: Sink,
        one_request: bool,
    ) -> None:
        """``one_request`` says that the method is known to take a single message."""
        self.id = call_id
        self.method = method
        self.stopping = False
        """Set by the engine when it is Loom that cancels the call."""
        self._context = context
        self._target = target
        self._breaker = breaker
        self._one_request = one_request
        self._emit = sink.emit
        self._upstream: UpstreamCall
        self._ticket: Ticket | None = None
        self._reached: bool | None = None
        self._ended = False
        self._notes: list[str] = []
        self._flushing: asyncio.Task[None] | None = None

    async def run(self) -> None:
        """Forward the call; returns when its status is set, raises CancelledError when the client is gone."""
        context = self._context
        now = time.time_ns()
        metadata = seen(context.invocation_metadata())
        self._began = time.monotonic()
        remaining = context.time_remaining()
        self._timeout = None if remaining is None else min(remaining, MAX_TIMEOUT)
        self._emit(
            CallStarted(
                self.id,
                now,
                self.method,
                peer=unquote(context.peer()),  # grpcio escapes the brackets of IPv6
                target=str(self._target.address),
                deadline_ns=None if self._timeout is None else now + int(self._timeout * 1e9),
            )
        )
        self._emit(MetadataSeen(self.id, now, Section.REQUEST, metadata))
        if self._breaker is not None:
            self._ticket = self._breaker.admit()
            if self._ticket is None:
                self._refuse(self._breaker)
                return
        try:
            await self._forward(metadata)
        except asyncio.CancelledError:
            self._client_gone()
            raise
        except Exception as error:  # noqa: BLE001 (a fault of Loom's own must not look like the backend's)
            _log.exception("forwarding %s failed", self.method)
            told = Status(
                StatusCode.INTERNAL, f"Loom failed to forward the call: {type(error).__name__}: {error}"
            )
            self._tell(time.time_ns(), told, EndedBy.LOOM, told.message)
        finally:
            if self._ticket is not None:
                self._ticket.abandoned()

    async def _forward(self, metadata: Metadata) -> None:
        """Run both pumps; the one of the responses ends the call."""
        channel = self._target.channel(user_agent(metadata))
        self._upstream = UpstreamCall(channel, self.method, outcome.passed_on(self._timeout))
        requests = asyncio.get_running_loop().create_task(
            self._pump_requests(self._forwarded(metadata)), name=f"relay-requests {self.id}"
        )
        requests.add_done_callback(self._requests_ended)
        try:
            await self._pump_responses()
        finally:
            requests.cancel()
            self._upstream.cancel()
            if self._flushing is not None:
                self._flushing.cancel()

    def _requests_ended(self, requests: asyncio.Task[None]) -> None:
        """A pump that failed would leave the backend waiting: end the call, and say why in the log."""
        if requests.cancelled() or (error := requests.exception()) is None:
            return
        self._upstream.cancel()
        if not isinstance(error, grpc.aio.BaseError):  # those come of calls that are over
            _log.error("forwarding the requests of %s failed", self.method, exc_info=error)

    async def _pump_requests(self, metadata: Any) -> None:
        upstream, read = self._upstream, self._context.read
        self._reached = await upstream.open(metadata)
        if not self._reached:
            return
        if self._ticket is not None:
            self._ticket.reached()
        received = False
        while (message := await read()) is not grpc.aio.EOF:
            received = True
            self._emit(MessageSeen(self.id, time.time_ns(), Direction.REQUEST, message))
            if not await upstream.send(message):
                return
        if not (received and self._one_request):
            await self._outlive_cancellation()
        self._emit(HalfClosed(self.id, time.time_ns()))
        await upstream.half_close()

    async def _outlive_cancellation(self) -> None:
        """Return only if the client has half-closed; if it is gone, this task is cancelled in here.

        grpcio reports a cancellation to readers as an end of the messages, and may do so before it
        cancels the handler. Passed on as a half-close, that would make an interrupted upload look complete.
        Another read is answered only behind what grpcio has already queued, and the cancellation
        queued there needs three turns of the loop to come through to this task.
        """
        await self._context.read()
        for _ in range(_TURNS):
            await asyncio.sleep(0)
        remaining = self._remaining()
        if remaining is not None and remaining <= 0:
            await asyncio.sleep(_CLOSING)

    async def _pump_responses(self) -> None:
        upstream, context = self._upstream, self._context
        initial = await upstream.initial_metadata()
        if initial:
            self._emit(MetadataSeen(self.id, time.time_ns(), Section.INITIAL, initial))
            await self._to_client(context.send_initial_metadata(self._forwarded(initial)))
            flush = None
        else:
            loop = asyncio.get_running_loop()
            flush = loop.call_later(TRAILERS_ONLY_GRACE, self._flush)
        first = True
        while (message := await upstream.receive()) is not None:
            if first:
                first = False
                if flush is not None:
                    flush.cancel()
                    if self._flushing is not None:
                        await self._flushing
            self._emit(MessageSeen(self.id, time.time_ns(), Direction.RESPONSE, message))
            await self._to_client(context.write(message))
        if first and flush is not None:
            flush.cancel()
            if self._flushing is not None:
                await self._flushing
        await self._finish()

    def _flush(self) -> None:
        self._flushing = asyncio.get_running_loop().create_task(self._send_empty_metadata())

    async def _send_empty_metadata(self) -> None:
        """Whoever writes next meets the client's absence too, and says so."""
        with contextlib.suppress(grpc.aio.InternalError):
            await self._context.send_initial_metadata(())

    async def _finish(self) -> None:
        """Give the client the status that the target's side ended with."""
        status = await self._upstream.status()
        context = self._context
        now = time.time_ns()
        late = outcome.deadline_passed(self._remaining(), self._timeout)
        if self._reached is False and status.code == StatusCode.UNAVAILABLE:
            told = outcome.unreachable(self._target.address, status.message)
            self._target.unreached(told.message)
            if self._ticket is not None:
                self._ticket.unreached()
            self._tell(now, told, EndedBy.LOOM, told.message)
        else:
            told = outcome.status_of(status)
            if status.trailing:
                self._emit(MetadataSeen(self.id, now, Section.TRAILING, status.trailing))
                context.set_trailing_metadata(self._forwarded(status.trailing))
            self._tell(now, told, outcome.ended_by(status.code, deadline=late), outcome.note_on(status))

    def _remaining(self) -> float | None:
        """Seconds until the deadline, below 0 once it has passed; None without one.

        grpcio tells the same, but by the system's clock, which may be set while the call runs. Its core does not
        end calls by that one.
        """
        return None if self._timeout is None else self._timeout - (time.monotonic() - self._began)

    def _refuse(self, breaker: Breaker) -> None:
        """Tell the client that the breaker is open."""
        retry_in = (breaker.snapshot()["retry_in_ms"] or 0) / 1000
        told = outcome.shed(self._target.address, self._target.error, retry_in)
        self._tell(time.time_ns(), told, EndedBy.LOOM, told.message)

    def _tell(self, now: int, status: Status, by: EndedBy, note: str) -> None:
        """Set the status that the client gets when :meth:`run` returns."""
        self._end(now, status, by, note)
        self._context.set_code(_CODES.get(status.code, grpc.StatusCode.UNKNOWN))
        self._context.set_details(status.message)

    def _forwarded(self, metadata: Metadata) -> Metadata:
        """What can be sent on of a block; what cannot is named in the call's note."""
        items, complaint = forwarded(metadata)
        if complaint:
            self._notes.append(complaint)
        return items

    async def _to_client(self, writing: Any) -> None:
        """Await a write to the client; if it fails the client is gone, and that ends the call."""
        try:
            await writing
        except grpc.aio.InternalError:
            # grpcio's own cancellation of this task is on its way.
            await asyncio.sleep(_CLOSING)
            raise asyncio.CancelledError from None

    def _client_gone(self) -> None:
        now = time.time_ns()
        if self.stopping:
            status = Status(StatusCode.UNAVAILABLE, "Loom was stopped")
            self._end(now, status, EndedBy.LOOM, "Loom was stopped while the call was under way")
        elif outcome.deadline_passed(self._remaining(), self._timeout):
            status = Status(StatusCode.DEADLINE_EXCEEDED, "Deadline Exceeded")
            self._end(now, status, EndedBy.DEADLINE, "")
        else:
            self._end(now, Status(StatusCode.CANCELLED, "the client cancelled"), EndedBy.CLIENT, "")

    def _end(self, now: int, status: Status, by: EndedBy, note: str) -> None:
        if not self._ended:
            self._ended = True
            notes = [note, *self._notes] if note else self._notes
            self._emit(CallEnded(self.id, now, status, by, "; ".join(notes)))
