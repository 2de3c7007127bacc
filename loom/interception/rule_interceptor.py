"""The interceptor that applies rules and breakpoints: the edge between the pure core and time, threads and schemas.

A call keeps the rules it began with. Only an item that a selected rule needs the schema for waits for it, and only as
long as the lookup allows; what waits, for a schema or a delay, blocks no thread.
"""

import logging
import threading
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Protocol

from loom.codec import ChainResolver
from loom.model import MetadataItem
from loom.model.interception import (
    Action,
    ActionKind,
    CallControl,
    CallFacts,
    CallInterceptor,
    Decision,
    Item,
    MessageItem,
    Point,
    Release,
)

from .call_holds import CallHolds
from .call_rules import CallRules, Outcome, Types
from .holds import Holds
from .rule_set import RuleSet
from .rules import Timer
from .scheduler import Scheduler

_log = logging.getLogger(__name__)

DEFAULT_INLINE_BYTES = 256 * 1024
"""The largest message that is edited on the engine's own thread, by default; larger ones are, on another one."""

PASSED = "passed: nobody is looking, or too much is held"
"""The effect of a rule's hold that nobody can decide on."""

HELD = "held until the call ended"
"""The effect of a hold that nobody decided on before the call was over."""

_UNKNOWN = Types(None, ChainResolver(()), "its schema was not looked up")


class TypeLookup(Protocol):
    """The types of a method's messages. Thread-safe."""

    def peek(self, method: str) -> Types | None:
        """The types if they are known already, without I/O."""

    def fetch(self, method: str, callback: Callable[[Types], None]) -> None:
        """Call back with the types, or after a bounded time with why they are not known; on any thread."""


class RuleInterceptor:
    """Applies :attr:`rules`, which can be replaced at any time, to the calls that start from then on.

    What they let go on is held where a breakpoint of :attr:`holds`, or a rule, asks for it.
    """

    def __init__(
        self,
        rules: RuleSet,
        scheduler: Scheduler,
        types: TypeLookup,
        *,
        inline_bytes: int = DEFAULT_INLINE_BYTES,
        holds: Holds | None = None,
    ) -> None:
        self.rules = rules
        self.holds = Holds(scheduler) if holds is None else holds
        self._scheduler = scheduler
        self._types = types
        self._inline_bytes = inline_bytes

    def may_act(self, method: str, metadata: Iterable[MetadataItem]) -> bool:
        """See :class:`loom.model.interception.Interceptor`."""
        rules, breakpoints = self.rules, self.holds.breakpoints
        if rules.enabled and rules.candidates(method).may_match(metadata):
            return True
        return not breakpoints.is_empty and bool(breakpoints.candidates(method))

    def open(self, call: CallFacts) -> CallInterceptor | None:
        """See :class:`loom.model.interception.Interceptor`."""
        selected = self.rules.open(call, self._scheduler.now())
        has_rules = selected is not None and selected.holds
        holds = CallHolds.open(self.holds, call, has_rules=has_rules)
        if selected is None and holds is None:
            return None
        rules = CallRules([]) if selected is None else selected
        return _RuleCall(call.method, rules, holds, self._scheduler, self._types, self._inline_bytes)


class _RuleCall:
    """The rules and breakpoints of one call. The two directions decide one at a time."""

    def __init__(
        self,
        method: str,
        rules: CallRules,
        holds: CallHolds | None,
        scheduler: Scheduler,
        lookup: TypeLookup,
        inline_bytes: int,
    ) -> None:
        self.points = rules.points if holds is None else rules.points | holds.points
        self._method = method
        self._rules = rules
        self._holds = holds
        self._scheduler = scheduler
        self._lookup = lookup
        self._inline_bytes = inline_bytes
        self._types: Types | None = None
        self._lock = threading.Lock()
        self._control: CallControl | None = None
        self._timers: list[Callable[[], None]] = []
        self._delays: dict[Point, Callable[[], None]] = {}
        self._held: dict[Point, list[Action]] = {}  # what holds or delays the item at a point now

    def start(self, control: CallControl) -> None:
        self._control = control
        if self._holds is not None:
            self._holds.control = control
        for timer, act in self._rules.timers:
            self._timers.append(
                self._scheduler.call_later(timer.seconds, partial(_on_timer, control, timer, act))
            )

    def intercept(self, point: Point, index: int, item: Item, release: Release) -> Decision | None:
        if not self._rules.needs_schema(point, index):
            types = self._types or _UNKNOWN
        else:
            if self._types is None:
                self._types = self._lookup.peek(self._method)
            if self._types is None:
                self._lookup.fetch(self._method, partial(self._decide_with, point, index, item, release))
                return None
            types = self._types
        if isinstance(item, MessageItem) and len(item.data) > self._inline_bytes:
            self._scheduler.run_in_thread(partial(self._decide_later, point, index, item, release, types))
            return None
        return self._decide(point, index, item, release, types)

    def close(self) -> Mapping[Point, tuple[Action, ...]]:
        for cancel in (*self._timers, *self._delays.values()):
            cancel()
        self._rules.close()
        if self._holds is not None:
            self._holds.close()
        return {point: tuple(actions) for point, actions in self._held.items()}

    def _decide_with(self, point: Point, index: int, item: Item, release: Release, types: Types) -> None:
        self._types = types
        if isinstance(item, MessageItem) and len(item.data) > self._inline_bytes:
            self._scheduler.run_in_thread(partial(self._decide_later, point, index, item, release, types))
        else:
            self._decide_later(point, index, item, release, types)

    def _decide_later(self, point: Point, index: int, item: Item, release: Release, types: Types) -> None:
        """Decide, and release the item even if that fails."""
        try:
            decision = self._decide(point, index, item, release, types)
        except Exception:  # noqa: BLE001 (a bug must not hold the item for ever)
            _log.exception("rules failed on %s", self._method)
            decision = Decision((item,))
        if decision is not None:
            release(decision)

    def _decide(
        self, point: Point, index: int, item: Item, release: Release, types: Types
    ) -> Decision | None:
        with self._lock:
            outcome = self._rules.decide(point, index, item, types, self._scheduler.now())
        decision = outcome.decision
        if outcome.never:
            if self._control is not None:
                self._control.note(point, index, decision.actions)
            return None
        if self._holds is not None and point is Point.START:
            decision = self._holds.start(item, decision)
        if not outcome.delay:
            return self._hold(point, index, outcome, decision, release)

        def go_on() -> None:
            self._held.pop(point, None)
            for selected in outcome.delayed:
                selected.release()
            later = self._hold(point, index, outcome, decision, release)
            if later is not None:
                release(later)

        self._held[point] = list(decision.actions)
        self._delays[point] = self._scheduler.call_later(outcome.delay, go_on)
        return None

    def _hold(
        self, point: Point, index: int, outcome: Outcome, decision: Decision, release: Release
    ) -> Decision | None:
        """Hold what a decision would send, where a breakpoint or a rule asks for it; else the decision."""
        names = tuple(action.name for action in outcome.hold)
        if self._holds is None:
            return decision

        def end_hold(decided: Decision) -> None:
            self._held.pop(point, None)
            release(decided)

        held = self._held[point] = list(decision.actions)  # ahead of the hold, which another thread may end
        holding = self._holds.hold(point, index, decision, names, end_hold)
        if holding:
            for selected in outcome.holding:
                selected.count()
            held += (Action(ActionKind.BREAKPOINT, name, HELD) for name in holding)
            return None
        del self._held[point]
        if not names:
            return decision
        passed = tuple(
            Action(hold.kind, hold.name, f"{hold.effect} ({PASSED})", applied=False) for hold in outcome.hold
        )
        return Decision(decision.items, decision.end, decision.cancel_target, (*decision.actions, *passed))


def _on_timer(control: CallControl, timer: Timer, act: Callable[[], Action]) -> None:
    if timer.final is None:
        control.cancel_target((act(),))
    else:
        control.end(timer.final, (act(),))
