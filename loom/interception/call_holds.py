"""Which items of one call are held, and until when."""

from collections.abc import Sequence

from loom.api.breakpoints import ReleasePolicy
from loom.api.holds import Continuation
from loom.model.interception import (
    HELD,
    Action,
    ActionKind,
    CallControl,
    CallFacts,
    CallStart,
    Decision,
    Item,
    Point,
    Release,
)

from .breakpoints import Breakpoint
from .hold import Expiry
from .holds import Holds
from .matching import CallView

_ALL_POINTS = frozenset(Point)
_MIN_MARGIN = 0.25  # seconds before the deadline at which an item is sent …
_MARGIN = 0.05  # … or this part of the whole time, if it is more

NO_DEADLINE = "the target's call has no deadline"
"""The effect of a breakpoint on a call with a deadline."""


class CallHolds:
    """The breakpoints of one call, and whether it is stepped or run. See :class:`.holds.HoldingCall`.

    ``has_rules``: rules may hold its items, too.
    """

    def __init__(
        self, holds: Holds, facts: CallFacts, breakpoints: Sequence[Breakpoint], *, has_rules: bool
    ) -> None:
        self.facts = facts
        self.control: CallControl | None = None
        self.points = _ALL_POINTS if breakpoints or has_rules else frozenset[Point]()
        self._holds = holds
        self._breakpoints = tuple(breakpoints)
        self._opened = holds.scheduler.now()
        self._step: tuple[tuple[str, ...], tuple[Breakpoint, ...]] | None = None
        self._is_run = False
        self._is_ended = False

    @classmethod
    def open(cls, holds: Holds, facts: CallFacts, *, has_rules: bool) -> "CallHolds | None":
        """The holds of a call that starts; None if nothing can hold its items."""
        breakpoints: list[Breakpoint] = []
        if not holds.breakpoints.is_empty:
            call = CallView(facts)
            breakpoints = [
                item
                for item in holds.breakpoints.candidates(facts.method)
                if item.is_active and item.match.matches(call)
            ]
            if breakpoints and not holds.watched:
                holds.count_unwatched()
                breakpoints = []
            for item in breakpoints:
                item.calls += 1
        return cls(holds, facts, breakpoints, has_rules=has_rules) if breakpoints or has_rules else None

    def start(self, item: Item, decision: Decision) -> Decision:
        """The decision at the start of a call: while it may be held, the target's clock does not run.

        A deadline that a rule has chosen stays.
        """
        if not self._breakpoints or item == CallStart() or item not in decision.items:
            return decision
        items = tuple(CallStart() if other == item else other for other in decision.items)
        action = Action(ActionKind.BREAKPOINT, self._breakpoints[0].name, NO_DEADLINE)
        return Decision(items, decision.end, decision.cancel_target, (*decision.actions, action))

    def hold(
        self, point: Point, index: int, decision: Decision, rules: tuple[str, ...], release: Release
    ) -> tuple[str, ...]:
        """Hold what a decision would send, if a breakpoint, one of the ``rules`` or a step wants that.

        Returns the names of what holds it: none if it is not held.
        """
        if self._is_run or not decision.items or decision.end is not None or decision.cancel_target:
            return ()
        breakpoints = tuple(item for item in self._breakpoints if item.is_active and point in item.points)
        names = (*(item.name for item in breakpoints), *rules)
        step = self._step
        if not names:
            if step is None or (step[1] and not any(item.is_active for item in step[1])):
                return ()
            names, breakpoints = step
        self._step = None
        first = breakpoints[0] if breakpoints else None
        is_held = self._holds.add(
            self,
            point,
            index,
            decision,
            names,
            () if rules else breakpoints,
            self._expiry(first),
            self._remaining(),
            release,
        )
        if is_held and self.control is not None:
            self.control.note(
                point, index, tuple(Action(ActionKind.BREAKPOINT, name, HELD) for name in names)
            )
        self._holds.notify()  # once the call is marked, so that who sees the item finds the call
        if is_held:
            return names
        self._step = step
        return ()

    def go_on(self, then: Continuation, names: tuple[str, ...], breakpoints: tuple[Breakpoint, ...]) -> None:
        """How the call goes on behind an item that these held; call it before that is released."""
        if then is Continuation.STEP:
            self._step = names, breakpoints
        elif then is Continuation.RUN:
            self._is_run = True
            self._step = None

    def end(self) -> None:
        """A person ends the call: what is held of it is not kept."""
        self._is_ended = True

    def close(self) -> None:
        """The call is over."""
        self._holds.end(self, discard=self._is_ended)

    def _remaining(self) -> float | None:
        """Seconds until the client's deadline."""
        timeout = self.facts.timeout
        return None if timeout is None else timeout - (self._holds.scheduler.now() - self._opened)

    def _expiry(self, first: Breakpoint | None) -> Expiry:
        """When an item is sent automatically: as the first of its breakpoints says."""
        policy = ReleasePolicy.DEADLINE if first is None else first.release
        if first is not None and policy is ReleasePolicy.AFTER:
            return Expiry(first.release_after, f"after {first.release_after:g} s")
        remaining, timeout = self._remaining(), self.facts.timeout
        if policy is ReleasePolicy.NEVER or remaining is None or timeout is None:
            return Expiry()
        return Expiry(remaining - max(_MIN_MARGIN, _MARGIN * timeout), "shortly before the call's deadline")
