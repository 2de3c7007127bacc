"""The interceptor that applies a set of rules: the edge between the pure core and time, threads and schemas.

A call keeps the rules it began with. Only an item that a selected rule needs the schema for waits for it, and only as
long as the lookup allows; what waits, for a schema or a delay, blocks no thread.
"""

import logging
import threading
from collections.abc import Callable
from functools import partial
from typing import Protocol

from loom.codec import ChainResolver
from loom.model.interception import (
    Action,
    CallControl,
    CallFacts,
    CallInterceptor,
    Decision,
    Item,
    MessageItem,
    Point,
    Release,
)

from .call_rules import CallRules, Types
from .rule_set import RuleSet

_log = logging.getLogger(__name__)

DEFAULT_INLINE_BYTES = 256 * 1024
"""The largest message that is edited on the engine's own thread, by default; larger ones are, on another one."""

PASSED = "nobody is looking: passed"
"""The effect of a hold that nobody can release."""

_UNKNOWN = Types(None, ChainResolver(()), "its schema was not looked up")


class Scheduler(Protocol):
    """Time and threads. Thread-safe."""

    def now(self) -> float:
        """Seconds on a monotonic clock."""

    def call_later(self, seconds: float, callback: Callable[[], None]) -> Callable[[], None]:
        """Run ``callback`` after that time; what is returned cancels it."""

    def run_in_thread(self, callback: Callable[[], None]) -> None:
        """Run ``callback`` on a thread that may be busy with it for a while."""


class TypeLookup(Protocol):
    """The types of a method's messages. Thread-safe."""

    def peek(self, method: str) -> Types | None:
        """The types if they are known already, without I/O."""

    def fetch(self, method: str, callback: Callable[[Types], None]) -> None:
        """Call back with the types, or after a bounded time with why they are not known; on any thread."""


class RuleInterceptor:
    """Applies :attr:`rules`, which can be replaced at any time, to the calls that start from then on."""

    def __init__(
        self,
        rules: RuleSet,
        scheduler: Scheduler,
        types: TypeLookup,
        *,
        inline_bytes: int = DEFAULT_INLINE_BYTES,
    ) -> None:
        self.rules = rules
        self._scheduler = scheduler
        self._types = types
        self._inline_bytes = inline_bytes

    def may_act(self, method: str) -> bool:
        """See :class:`loom.model.interception.Interceptor`."""
        rules = self.rules
        return rules.enabled and bool(rules.candidates(method))

    def open(self, call: CallFacts) -> CallInterceptor | None:
        """See :class:`loom.model.interception.Interceptor`."""
        selected = self.rules.open(call, self._scheduler.now())
        if selected is None:
            return None
        return _RuleCall(call.method, selected, self._scheduler, self._types, self._inline_bytes)


class _RuleCall:
    """The rules of one call. The two directions decide one at a time."""

    def __init__(
        self, method: str, rules: CallRules, scheduler: Scheduler, lookup: TypeLookup, inline_bytes: int
    ) -> None:
        self.points = rules.points
        self._method = method
        self._rules = rules
        self._scheduler = scheduler
        self._lookup = lookup
        self._inline_bytes = inline_bytes
        self._types: Types | None = None
        self._lock = threading.Lock()
        self._control: CallControl | None = None
        self._timers: list[Callable[[], None]] = []
        self._delays: dict[Point, Callable[[], None]] = {}

    def start(self, control: CallControl) -> None:
        self._control = control
        for seconds, final, action in self._rules.timers:
            self._timers.append(self._scheduler.call_later(seconds, partial(control.end, final, (action,))))

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

    def close(self) -> None:
        for cancel in (*self._timers, *self._delays.values()):
            cancel()
        self._rules.close()

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
                self._control.note(point, decision.actions)
            return None
        if outcome.hold:
            holds = tuple(Action(hold.kind, hold.name, f"{hold.effect} ({PASSED})") for hold in outcome.hold)
            decision = Decision(
                decision.items, decision.end, decision.cancel_target, (*decision.actions, *holds)
            )
        if not outcome.delay:
            return decision

        def go_on() -> None:
            for selected in outcome.delayed:
                selected.release()
            release(decision)

        self._delays[point] = self._scheduler.call_later(outcome.delay, go_on)
        return None
