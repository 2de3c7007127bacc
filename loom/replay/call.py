"""One replay in flight: makes a planned call, and emits its events as an engine does."""

import asyncio
import contextlib
import time
from typing import TYPE_CHECKING

from loom.api.replay import ReplayTiming
from loom.grpc_core.custom_metadata import filter_metadata
from loom.grpc_core.deadlines import MAX_TIMEOUT, deadline_passed
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
from loom.proxy import local_status
from loom.proxy.target import Target

from .plan import Plan, PlannedMessage

if TYPE_CHECKING:
    from loom.grpc_core.client_call import ClientCall

ENGINE = "replay"
PEER = "loom replay"

_COMPRESS = "grpc-internal-encoding-request"
"""The metadata key that makes C-core compress the messages of a call. It is not sent."""


class ReplayCall:
    """One call in flight. Its steps can be overridden by what puts something between it and its target."""

    task: asyncio.Task[None]

    def __init__(self, call_id: int, plan: Plan, target: Target, authority: str, sink: Sink) -> None:
        self.id = call_id
        self._plan = plan
        self._target = target
        self._authority = authority
        self._emit = sink.emit
        self._timeout = None if plan.timeout is None else min(plan.timeout, MAX_TIMEOUT)
        self._responses = 0
        self._progress = asyncio.Event()
        self._received_all = False
        self._cancel_note = ""
        self._metadata_note = ""

    def emit_start(self) -> None:
        """Emit the events of the call's start."""
        plan = self._plan
        now = time.time_ns()
        self._started = asyncio.get_running_loop().time()
        self._emit(
            CallStarted(
                self.id, now, plan.method,
                peer=PEER, authority=self._authority or self._target.authority or str(self._target.address),
                target=str(self._target.address), engine=ENGINE, replay_of=plan.parent,
                deadline_ns=None if self._timeout is None else now + int(self._timeout * 1e9),
                wire={"edited": ", ".join(plan.edited)} if plan.edited else {},
            )
        )  # fmt: skip
        self._metadata, self._metadata_note = filter_metadata(plan.metadata)
        self._emit(MetadataSeen(self.id, now, Section.REQUEST, self._metadata))

    async def run(self) -> None:
        """Send and receive until the call has ended. Its end is emitted whatever happens."""
        try:
            await self._make_call()
        except asyncio.CancelledError:
            self._end(Status(StatusCode.CANCELLED, "Loom was stopped"), EndedBy.LOOM, "Loom was stopped")
            raise
        except Exception as error:  # noqa: BLE001 (a call that was started must end, with the reason)
            cause = error.exceptions[0] if isinstance(error, ExceptionGroup) else error
            reason = " ".join(str(cause).split()) or type(cause).__name__
            self._end(Status(StatusCode.INTERNAL, reason), EndedBy.LOOM, f"the replay failed: {reason}")

    async def _make_call(self) -> None:
        await self._call_target(self._timeout)

    async def _call_target(self, seconds: float | None) -> None:
        """Call the target, with a deadline in ``seconds``, or without one."""
        from loom.grpc_core.client_call import ClientCall  # noqa: PLC0415 (the wire engine starts without C-core)

        channel = self._target.channel(self._plan.user_agent)
        upstream = ClientCall(channel, self._plan.method, seconds, self._authority)
        try:
            await self._exchange(upstream)
        finally:
            upstream.cancel()

    async def _exchange(self, upstream: "ClientCall") -> None:
        async with asyncio.TaskGroup() as group:
            sender = group.create_task(self._send(upstream))
            canceller = group.create_task(self._cancel_when_due(upstream))
            await self._receive(upstream)
            sender.cancel()
            canceller.cancel()

    async def _send(self, upstream: "ClientCall") -> None:
        plan = self._plan
        compression = ((_COMPRESS, plan.encoding),) if plan.encoding else ()
        if not await upstream.open((*self._metadata, *compression)):
            return
        for index, message in enumerate(plan.messages):
            await self._wait_until_due(message)
            if not await self._send_message(upstream, index, message.data):
                return
        if plan.half_close_offset is None:
            return
        if plan.timing is ReplayTiming.RECORDED:
            await self._sleep_until(plan.half_close_offset)
        await self._half_close(upstream)

    async def _send_message(self, upstream: "ClientCall", index: int, data: bytes) -> bool:  # noqa: ARG002
        """Send a request message; False if no more of them can be sent."""
        self._emit(MessageSeen(self.id, time.time_ns(), Direction.REQUEST, data))
        return await upstream.send(data)

    async def _half_close(self, upstream: "ClientCall") -> None:
        self._emit(HalfClosed(self.id, time.time_ns()))
        await upstream.half_close()

    async def _wait_until_due(self, message: PlannedMessage) -> None:
        """Wait until a message is to be sent."""
        if self._plan.timing is ReplayTiming.RECORDED:
            await self._sleep_until(message.offset)
        elif self._plan.timing is ReplayTiming.TURNS:
            while self._responses < message.responses and not self._received_all:
                self._progress.clear()
                await self._progress.wait()

    async def _sleep_until(self, seconds: float) -> None:
        await asyncio.sleep(max(self._started + seconds - asyncio.get_running_loop().time(), 0))

    async def _cancel_when_due(self, upstream: "ClientCall") -> None:
        """Cancel the call where the client had cancelled the recorded one."""
        plan = self._plan
        if plan.cancel_offset is None:
            return
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout_at(self._started + plan.cancel_offset):
                while plan.cancel_responses is None or self._responses < plan.cancel_responses:
                    self._progress.clear()
                    await self._progress.wait()
        self._cancel_note = "cancelled by Loom, where the client had cancelled the recorded call"
        upstream.cancel()

    async def _receive(self, upstream: "ClientCall") -> None:
        await self._take_initial(await upstream.initial_metadata())
        while (message := await upstream.receive()) is not None:
            await self._take_response(self._responses, message)
            self._responses += 1
            self._progress.set()
        self._received_all = True
        self._progress.set()
        status = await upstream.status()
        if self._cancel_note:
            cancelled = Status(StatusCode.CANCELLED, "the client cancelled")
            await self._take_status(cancelled, (), EndedBy.CLIENT, self._cancel_note)
        elif upstream.reached is False and status.code == StatusCode.UNAVAILABLE:
            unreachable = local_status.target_unreachable(
                self._target.address, self._target.failure_reason(status.message)
            )
            await self._take_status(unreachable, (), EndedBy.LOOM, unreachable.message)
        else:
            elapsed = asyncio.get_running_loop().time() - self._started
            remaining = None if self._timeout is None else self._timeout - elapsed
            late = deadline_passed(remaining, self._timeout)
            by = status.ended_by(deadline_passed=late)
            await self._take_status(status.status, status.trailing, by, status.note)

    async def _take_initial(self, initial: Metadata) -> None:
        if initial:
            self._emit(MetadataSeen(self.id, time.time_ns(), Section.INITIAL, initial))

    async def _take_response(self, index: int, data: bytes) -> None:  # noqa: ARG002 (an override's)
        self._emit(MessageSeen(self.id, time.time_ns(), Direction.RESPONSE, data))

    async def _take_status(self, status: Status, trailing: Metadata, by: EndedBy, note: str) -> None:
        if trailing:
            self._emit(MetadataSeen(self.id, time.time_ns(), Section.TRAILING, trailing))
        self._end(status, by, note)

    def _end(self, status: Status, by: EndedBy, note: str) -> None:
        notes = [item for item in (note, self._metadata_note, *self._plan.notes) if item]
        self._emit(CallEnded(self.id, time.time_ns(), status, by, "; ".join(notes)))
