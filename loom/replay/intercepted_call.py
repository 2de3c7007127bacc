"""A replay through the rules: each item is offered to what acts on traffic, and what that decides goes on."""

import asyncio
import time
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from loom.model import Direction, EndedBy, HalfClosed, MessageSeen, Metadata, MetadataSeen, Section, Status
from loom.model.interception import (
    CallInterceptor,
    CallStart,
    Decision,
    FinalStatus,
    HalfClose,
    HeaderBlock,
    Item,
    MessageItem,
    Point,
)
from loom.proxy import local_status

from .call import ReplayCall
from .rule_gate import EndByRuleError, RuleGate

if TYPE_CHECKING:
    from loom.grpc_core.client_call import ClientCall


class _CancelledByClientError(Exception):
    """The replay is cancelled where the client had cancelled the recorded call."""


class InterceptedReplay(ReplayCall):
    """A replay on which ``interceptor`` acts: use it once the call's start has been emitted."""

    _gate: RuleGate
    _requests_closed = False
    _initial_offered = False

    def intercept(self, interceptor: CallInterceptor) -> None:
        """Have this act on the call; before :meth:`run`."""
        self._gate = RuleGate(interceptor, self.id, self._emit)

    async def _make_call(self) -> None:
        self._gate.start()
        try:
            async with asyncio.timeout(self._timeout), asyncio.TaskGroup() as group:
                end = group.create_task(self._gate.wait_for_end())
                await self._go_through()
                end.cancel()
        except* EndByRuleError as errors:
            final = next(_leaves(errors)).final
            await super()._take_status(final.status, final.trailing, EndedBy.LOOM, "")
        except* _CancelledByClientError:
            self._end(local_status.client_cancelled(), EndedBy.CLIENT, self._cancel_note)
        except* TimeoutError:
            self._end(local_status.deadline_exceeded(), EndedBy.DEADLINE, "")

    async def _go_through(self) -> None:
        start = await self._gate.decide(Point.START, CallStart(self._timeout))
        _raise_end(start)
        timeout = next((item.timeout for item in start.items if isinstance(item, CallStart)), self._timeout)
        decision = await self._gate.decide(Point.REQUEST_METADATA, HeaderBlock(self._metadata))
        for item in decision.items:
            if isinstance(item, HeaderBlock) and item.metadata != self._metadata:
                self._metadata = item.metadata
                self._emit(MetadataSeen(self.id, time.time_ns(), Section.REQUEST, self._metadata))
        _raise_end(decision)
        if self._gate.target_cancelled.is_set():
            await _wait_for_the_deadline()
        if timeout is not None and timeout == self._timeout:  # the time for which it was held has passed
            timeout = max(self._started + timeout - asyncio.get_running_loop().time(), 0)
        await self._call_target(timeout)

    async def _exchange(self, upstream: "ClientCall") -> None:
        async with asyncio.TaskGroup() as group:
            canceller = group.create_task(self._cancel_target(upstream))
            await super()._exchange(upstream)
            canceller.cancel()

    async def _cancel_when_due(self, upstream: "ClientCall") -> None:
        await super()._cancel_when_due(upstream)
        if self._cancel_note:  # it ends the call whatever is held
            raise _CancelledByClientError

    async def _cancel_target(self, upstream: "ClientCall") -> None:
        await self._gate.target_cancelled.wait()
        upstream.cancel()

    async def _send_message(self, upstream: "ClientCall", index: int, data: bytes) -> bool:
        decision = await self._gate.decide(Point.REQUEST_MESSAGE, MessageItem(data), index)
        return await self._send_items(upstream, decision)

    async def _half_close(self, upstream: "ClientCall") -> None:
        if not self._requests_closed:
            await self._send_items(upstream, await self._gate.decide(Point.HALF_CLOSE, HalfClose()))

    async def _send_items(self, upstream: "ClientCall", decision: Decision) -> bool:
        for item in decision.items:
            if isinstance(item, MessageItem):
                self._emit_message(Direction.REQUEST, item)
                if not self._gate.target_cancelled.is_set() and not await upstream.send(item.data):
                    return False
            elif isinstance(item, HalfClose):
                self._requests_closed = True
                self._emit(HalfClosed(self.id, time.time_ns()))
                await upstream.half_close()
                break  # what comes behind it is not sent
        _raise_end(decision)
        return not self._requests_closed

    async def _take_initial(self, initial: Metadata) -> None:
        if initial:
            await self._offer_initial(initial)

    async def _offer_initial(self, initial: Metadata) -> None:
        self._initial_offered = True
        decision = await self._gate.decide(Point.RESPONSE_METADATA, HeaderBlock(initial))
        for item in decision.items:
            if isinstance(item, HeaderBlock):
                await super()._take_initial(item.metadata)
        _raise_end(decision)

    async def _take_response(self, index: int, data: bytes) -> None:
        if self._gate.target_cancelled.is_set():
            return
        if not self._initial_offered:
            await self._offer_initial(())
        decision = await self._gate.decide(Point.RESPONSE_MESSAGE, MessageItem(data), index)
        self._emit_messages(decision.items)
        _raise_end(decision)

    async def _take_status(self, status: Status, trailing: Metadata, by: EndedBy, note: str) -> None:
        if self._gate.target_cancelled.is_set():
            await _wait_for_the_deadline()
        decision = await self._gate.decide(Point.STATUS, FinalStatus(status, trailing))
        self._emit_messages(decision.items)
        _raise_end(decision)
        for item in decision.items:
            if isinstance(item, FinalStatus):
                by = by if item.status == status else EndedBy.LOOM
                await super()._take_status(item.status, item.trailing, by, note)

    def _emit_messages(self, items: Iterable[Item]) -> None:
        for item in items:
            if isinstance(item, MessageItem):
                self._emit_message(Direction.RESPONSE, item)

    def _emit_message(self, direction: Direction, item: MessageItem) -> None:
        data = item.data if item.recorded is None else item.recorded
        self._emit(MessageSeen(self.id, time.time_ns(), direction, data))

    def _end(self, status: Status, by: EndedBy, note: str) -> None:
        self._gate.close()
        super()._end(status, by, "; ".join(filter(None, [note, *self._gate.notes])))


def _raise_end(decision: Decision) -> None:
    """Raise :class:`EndByRuleError` where a decision ends the call."""
    if decision.end is not None:
        raise EndByRuleError(decision.end)


async def _wait_for_the_deadline() -> None:
    """Wait as the client does whose target's call was cancelled."""
    await asyncio.Event().wait()


def _leaves(errors: BaseExceptionGroup[EndByRuleError]) -> Iterator[EndByRuleError]:
    for error in errors.exceptions:
        if isinstance(error, EndByRuleError):
            yield error
        else:
            yield from _leaves(error)
