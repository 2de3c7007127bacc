"""Make planned calls, and emit their events as an engine does, so that they are recorded like any other call."""

import asyncio
import contextlib
import time
from collections.abc import Callable, Coroutine, Sequence
from typing import TYPE_CHECKING, Any

from loom.api.replay import ReplayTiming
from loom.grpc_core.custom_metadata import filter_metadata
from loom.grpc_core.deadlines import MAX_TIMEOUT, deadline_passed
from loom.model import (
    Address,
    CallEnded,
    CallStarted,
    Direction,
    EndedBy,
    HalfClosed,
    MessageSeen,
    MetadataSeen,
    Section,
    Sink,
    Status,
    StatusCode,
)
from loom.model.authority import client_authority
from loom.proxy import local_status
from loom.proxy.self_dial import is_self_dial
from loom.proxy.target import Target

from .plan import Plan, PlannedMessage, ReplayError

if TYPE_CHECKING:
    from loom.grpc_core.client_call import ClientCall

ENGINE = "replay"
PEER = "loom replay"

_COMPRESS = "grpc-internal-encoding-request"
"""The metadata key that makes C-core compress the messages of a call. It is not sent."""

Spawn = Callable[[Coroutine[Any, Any, Any], str], asyncio.Task[Any]]


class ReplayRunner:
    """Sends plans to ``target``, or to the address of a plan, with the same TLS settings.

    ``own_addresses`` returns the addresses that Loom listens on, which are refused. ``spawn`` starts a background task
    and owns it.
    """

    def __init__(
        self,
        target: Target,
        sink: Sink,
        allocate_id: Callable[[], int],
        spawn: Spawn,
        own_addresses: Callable[[], Sequence[Address]] = lambda: (),
    ) -> None:
        self._target = target
        self._sink = sink
        self._allocate_id = allocate_id
        self._spawn = spawn
        self._own_addresses = own_addresses

    async def start(self, plan: Plan) -> int:
        """Start a call and return its id at once. Raises :class:`.plan.ReplayError` for one of Loom's own addresses."""
        return (await self._start(plan)).id

    async def run(self, plan: Plan) -> int:
        """Make a call and return its id when it has ended. Raises as :meth:`start` does."""
        call = await self._start(plan)
        await call.task
        return call.id

    async def _start(self, plan: Plan) -> "_ReplayCall":
        address = plan.target or self._target.address
        await self._refuse_self_dial(address)
        other_target = None if address == self._target.address else self._target.with_address(address)
        target = other_target or self._target
        call = _ReplayCall(self._allocate_id(), plan, target, self._authority(plan), self._sink)
        call.emit_start()
        call.task = self._spawn(self._run(call, other_target), f"replay {call.id}")
        return call

    def _authority(self, plan: Plan) -> str:
        """The authority that the client has set itself, unless all calls have another; "" for the target's."""
        if self._target.authority:
            return ""
        return client_authority(plan.authority, {address.port for address in self._own_addresses()})

    async def _refuse_self_dial(self, address: Address) -> None:
        """Raise :class:`.plan.ReplayError` for one of Loom's own addresses, or a name that cannot be resolved."""
        try:
            is_own = await is_self_dial(address, self._own_addresses())
        except OSError as error:
            reason = error.strerror or error
            raise ReplayError(
                f"the host of {address} cannot be resolved: {reason}", field="target"
            ) from error
        if is_own:
            raise ReplayError(f"{address} is Loom's own address: give a backend's", field="target")

    async def _run(self, call: "_ReplayCall", other_target: Target | None) -> None:
        try:
            await call.run()
        finally:
            if other_target is not None:
                await other_target.close()


class _ReplayCall:
    """One call in flight."""

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
            from loom.grpc_core.client_call import ClientCall  # noqa: PLC0415 (the wire engine starts without C-core)

            channel = self._target.channel(self._plan.user_agent)
            upstream = ClientCall(channel, self._plan.method, self._timeout, self._authority)
            try:
                await self._exchange(upstream)
            finally:
                upstream.cancel()
        except asyncio.CancelledError:
            self._end(Status(StatusCode.CANCELLED, "Loom was stopped"), EndedBy.LOOM, "Loom was stopped")
            raise
        except Exception as error:  # noqa: BLE001 (a call that was started must end, with the reason)
            cause = error.exceptions[0] if isinstance(error, ExceptionGroup) else error
            reason = " ".join(str(cause).split()) or type(cause).__name__
            self._end(Status(StatusCode.INTERNAL, reason), EndedBy.LOOM, f"the replay failed: {reason}")

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
        for message in plan.messages:
            await self._wait_until_due(message)
            self._emit(MessageSeen(self.id, time.time_ns(), Direction.REQUEST, message.data))
            if not await upstream.send(message.data):
                return
        if plan.half_close_offset is None:
            return
        if plan.timing is ReplayTiming.RECORDED:
            await self._sleep_until(plan.half_close_offset)
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
        initial = await upstream.initial_metadata()
        if initial:
            self._emit(MetadataSeen(self.id, time.time_ns(), Section.INITIAL, initial))
        while (message := await upstream.receive()) is not None:
            self._emit(MessageSeen(self.id, time.time_ns(), Direction.RESPONSE, message))
            self._responses += 1
            self._progress.set()
        self._received_all = True
        self._progress.set()
        status = await upstream.status()
        if self._cancel_note:
            self._end(Status(StatusCode.CANCELLED, "the client cancelled"), EndedBy.CLIENT, self._cancel_note)
        elif upstream.reached is False and status.code == StatusCode.UNAVAILABLE:
            unreachable = local_status.target_unreachable(
                self._target.address, self._target.failure_reason(status.message)
            )
            self._end(unreachable, EndedBy.LOOM, unreachable.message)
        else:
            if status.trailing:
                self._emit(MetadataSeen(self.id, time.time_ns(), Section.TRAILING, status.trailing))
            elapsed = asyncio.get_running_loop().time() - self._started
            remaining = None if self._timeout is None else self._timeout - elapsed
            late = deadline_passed(remaining, self._timeout)
            self._end(
                status.status,
                status.ended_by(deadline_passed=late),
                status.note,
            )

    def _end(self, status: Status, by: EndedBy, note: str) -> None:
        notes = [item for item in (note, self._metadata_note, *self._plan.notes) if item]
        self._emit(CallEnded(self.id, time.time_ns(), status, by, "; ".join(notes)))
