"""Start planned calls, which are recorded like any other call."""

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import replace
from typing import Any

from loom.grpc_core.custom_metadata import filter_metadata
from loom.model import Address, Sink
from loom.model.authority import client_authority
from loom.model.interception import CallFacts, Interceptor
from loom.proxy.self_dial import is_self_dial
from loom.proxy.target import Target

from .call import ENGINE, PEER, ReplayCall
from .intercepted_call import InterceptedReplay
from .plan import Plan, ReplayError

Spawn = Callable[[Coroutine[Any, Any, Any], str], asyncio.Task[Any]]


class ReplayRunner:
    """Sends plans to ``target``, or to the address of a plan, with the same TLS settings.

    ``own_addresses`` returns the addresses that Loom listens on, which are refused. ``spawn`` starts a background task
    and owns it. ``target`` may be replaced, for the calls that start from then on. ``interceptor`` acts on what is sent
    through the rules; None: nothing can.
    """

    def __init__(
        self,
        target: Target,
        sink: Sink,
        allocate_id: Callable[[], int],
        spawn: Spawn,
        own_addresses: Callable[[], Sequence[Address]] = lambda: (),
        interceptor: Interceptor | None = None,
    ) -> None:
        self.target = target
        self._running: list[Target] = []
        self._sink = sink
        self._allocate_id = allocate_id
        self._spawn = spawn
        self._own_addresses = own_addresses
        self._interceptor = interceptor

    async def start(self, plan: Plan) -> int:
        """Start a call and return its id at once. Raises :class:`.plan.ReplayError` for one of Loom's own addresses."""
        return (await self._start(plan)).id

    async def run(self, plan: Plan) -> int:
        """Make a call and return its id when it has ended. Raises as :meth:`start` does."""
        call = await self._start(plan)
        await call.task
        return call.id

    async def _start(self, plan: Plan) -> ReplayCall:
        if plan.through_rules and self._interceptor is None:
            raise ReplayError(
                "the wire engine forwards bytes unchanged and has no rules: the relay engine has (--engine relay)",
                field="through_rules",
            )
        await self._refuse_self_dial(plan.target or self.target.address)
        own_target = self.target
        address = plan.target or own_target.address
        other_target = None if address == own_target.address else own_target.with_address(address)
        target = other_target or own_target
        call = self._create(plan, target)
        self._running.append(target)
        call.task = self._spawn(self._run(call, target, other_target), f"replay {call.id}")
        return call

    def _create(self, plan: Plan, target: Target) -> ReplayCall:
        """A call whose start is emitted, with what acts on it."""
        authority = self._authority(plan)
        if not plan.through_rules:
            call = ReplayCall(self._allocate_id(), plan, target, authority, self._sink)
            call.emit_start()
            return call
        assert self._interceptor is not None  # noqa: S101 (checked)
        metadata, _ = filter_metadata(plan.metadata)
        facts = CallFacts(
            plan.method,
            metadata,
            PEER,
            authority or target.authority or str(target.address),
            str(target.address),
            ENGINE,
            plan.timeout,
        )
        opened = self._interceptor.open(facts)
        if opened is None:
            unmatched = replace(plan, through_rules=False, notes=(*plan.notes, "no rule is for it"))
            return self._create(unmatched, target)
        intercepted = InterceptedReplay(self._allocate_id(), plan, target, authority, self._sink)
        intercepted.emit_start()
        intercepted.intercept(opened)
        return intercepted

    def _authority(self, plan: Plan) -> str:
        """The authority that the client has set itself, unless all calls have another; "" for the target's."""
        if self.target.authority:
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

    def is_using(self, target: Target) -> bool:
        """Whether a call to this target has not ended."""
        return any(used is target for used in self._running)

    async def _run(self, call: ReplayCall, target: Target, other_target: Target | None) -> None:
        try:
            await call.run()
        finally:
            self._running.remove(target)
            if other_target is not None:
                await other_target.close()
