"""Offers the items of a replay to what acts on traffic, as an engine offers those of a call."""

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from loom.model import Event, Intercepted
from loom.model.decisions import describe_decision
from loom.model.interception import (
    Action,
    ActionKind,
    CallInterceptor,
    CallStart,
    Decision,
    FinalStatus,
    Item,
    Point,
)

_log = logging.getLogger(__name__)


class EndByRuleError(Exception):
    """Something that acts on the call ends it with a status."""

    def __init__(self, final: FinalStatus) -> None:
        super().__init__(final.status.message)
        self.final = final


@dataclass(slots=True, eq=False)
class _Offer:
    point: Point
    index: int
    item: Item
    came_ns: int


class RuleGate:
    """The items of one call and their decisions; it is the interceptor's :class:`CallControl`, too.

    On the running event loop, but for the methods of that interface. ``notes`` are what the end of the call is to say.
    """

    def __init__(self, opened: CallInterceptor, call_id: int, emit: Callable[[Event], None]) -> None:
        self.id = call_id
        self.notes: list[str] = []
        self.target_cancelled = asyncio.Event()
        """The target's call is to be cancelled, and the client is to wait."""
        self._opened = opened
        self._emit = emit
        self._loop = asyncio.get_running_loop()
        self._offers: set[_Offer] = set()
        self._end: asyncio.Future[FinalStatus] = self._loop.create_future()
        self._is_closed = False

    def start(self) -> None:
        """The call starts."""
        self._opened.start(self)

    async def wait_for_end(self) -> None:
        """Wait until the call is to end whatever is under way; raises :class:`EndByRuleError`."""
        raise EndByRuleError(await self._end)

    async def decide(self, point: Point, item: Item, index: int = 0) -> Decision:
        """What goes on in the place of an item, once that is decided. It is recorded."""
        if point not in self._opened.points:
            return Decision((item,))
        offer = _Offer(point, index, item, time.time_ns())
        self._offers.add(offer)
        released: asyncio.Future[Decision] = self._loop.create_future()
        try:
            decision = self._opened.intercept(point, index, item, partial(self._release, released))
        except Exception as error:  # noqa: BLE001 (an interceptor must not break the call)
            _log.error("an interceptor failed on call %d", self.id, exc_info=error)
            self.notes.append(f"not intercepted at {point}: {type(error).__name__}: {error}")
            decision = Decision((item,))
        if decision is None:
            decision = await released
        self._offers.discard(offer)
        self._record(offer, decision)
        if decision.cancel_target:
            self.target_cancelled.set()
        if decision.end is not None:
            self._note_actions(decision.actions)
        return decision

    def close(self) -> None:
        """The call is over: what is still held is recorded."""
        if self._is_closed:
            return
        self._is_closed = True
        try:
            held = self._opened.close()
        except Exception as error:  # noqa: BLE001 (as above)
            _log.error("an interceptor failed to close call %d", self.id, exc_info=error)
            return
        for offer in self._offers:
            if held.get(offer.point):
                self._record(offer, Decision((), actions=held[offer.point]))

    # CallControl, on any thread

    def end(self, final: FinalStatus, actions: tuple[Action, ...]) -> None:
        """See :class:`loom.model.interception.CallControl`."""
        self._run(partial(self._end_call, final, actions))

    def cancel_target(self, actions: tuple[Action, ...]) -> None:
        """See :class:`loom.model.interception.CallControl`."""
        self._run(partial(self._cancel_target, actions))

    def note(self, point: Point, index: int, actions: tuple[Action, ...]) -> None:
        """See :class:`loom.model.interception.CallControl`."""
        self._run(partial(self._note_hold, point, index, actions))

    def _run(self, callback: Callable[[], None]) -> None:
        with contextlib.suppress(RuntimeError):  # the loop is closed
            self._loop.call_soon_threadsafe(callback)

    def _release(self, released: "asyncio.Future[Decision]", decision: Decision) -> None:
        self._run(lambda: None if released.done() else released.set_result(decision))

    def _end_call(self, final: FinalStatus, actions: tuple[Action, ...]) -> None:
        if not (self._is_closed or self._end.done()):
            self._record(_Offer(Point.STATUS, 0, final, time.time_ns()), Decision((), final, actions=actions))
            self._note_actions(actions)
            self._end.set_result(final)

    def _cancel_target(self, actions: tuple[Action, ...]) -> None:
        if not self._is_closed:
            start = CallStart()
            offer = _Offer(Point.START, 0, start, time.time_ns())
            self._record(offer, Decision((start,), cancel_target=True, actions=actions))
            self.target_cancelled.set()

    def _note_hold(self, point: Point, index: int, actions: tuple[Action, ...]) -> None:
        for offer in self._offers:
            if (offer.point, offer.index) == (point, index) and not self._is_closed:
                is_decided = any(action.kind is not ActionKind.BREAKPOINT for action in actions)
                items = () if is_decided else (offer.item,)
                self._record(offer, Decision(items, actions=actions))

    def _note_actions(self, actions: tuple[Action, ...]) -> None:
        self.notes += [f"{action.kind} {action.name!r}: {action.effect}" for action in actions]

    def _record(self, offer: _Offer, decision: Decision) -> None:
        fields = describe_decision(offer.item, decision.items, decision)
        if fields is not None:
            self._emit(
                Intercepted(
                    self.id,
                    time.time_ns(),
                    offer.point,
                    offer.index,
                    offer.came_ns,
                    decision.actions,
                    **fields,
                )
            )
