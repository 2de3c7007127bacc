"""What the rules that were selected for one call decide on its items. Pure: no I/O, and no clock of its own."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Protocol

from google.protobuf.descriptor import Descriptor

from loom.codec import TypeResolver
from loom.model import Status, StatusCode
from loom.model.interception import Action, Decision, FinalStatus, Item, MessageItem, Point

from . import actions as act
from .errors import EditError
from .final_status import with_details
from .matching import message_matches
from .rules import Rule, Timer
from .selection import RuleState, release

_MESSAGES_BEFORE: dict[Point, Point] = {
    Point.HALF_CLOSE: Point.REQUEST_MESSAGE,
    Point.STATUS: Point.RESPONSE_MESSAGE,
}

DEFAULT_MAX_INJECTED = 1000
"""How many messages rules may add to one call, by default."""


class MethodTypes(Protocol):
    """The message types of a method."""

    @property
    def request(self) -> Descriptor: ...
    @property
    def response(self) -> Descriptor: ...


@dataclass(frozen=True, slots=True)
class Types:
    """The schema of a call's messages: None where it is not known, and ``problem`` says why."""

    method: MethodTypes | None
    resolver: TypeResolver
    problem: str = ""

    def of(self, point: Point) -> Descriptor | None:
        """The type of the messages that can be at a point."""
        if self.method is None:
            return None
        is_request = point in act.REQUEST_POINTS or point is Point.REQUEST_METADATA
        return self.method.request if is_request else self.method.response


@dataclass(frozen=True, slots=True)
class ActiveRule:
    """A rule and its counters."""

    rule: Rule
    state: RuleState


@dataclass(slots=True)
class SelectedRule:
    """A rule that was selected for a call. ``ordinal`` counts the calls that matched it."""

    active: ActiveRule
    ordinal: int
    seed: int
    released: bool = False
    has_acted: bool = False

    @property
    def rule(self) -> Rule:
        return self.active.rule

    def draw(self, point: Point, index: int) -> float:
        return act.draw(self.seed, self.rule.name, str(self.ordinal), point, index)

    def action(self, effect: str, *, applied: bool = True) -> Action:
        """What is recorded of an effect."""
        return Action(self.rule.kind, self.rule.name, effect, applied)

    def count(self) -> None:
        """Count that it did something to the call: once."""
        state = self.active.state
        with state.lock:
            if not self.has_acted:
                self.has_acted = True
                state.acted += 1

    def effective(self, effect: str) -> Action:
        """What is recorded of an effect that it has now; counted."""
        self.count()
        return self.action(effect)

    def fail(self, error: Exception) -> None:
        """Count that the rule could not be applied."""
        state = self.active.state
        with state.lock:
            state.failures += 1
            state.last_error = str(error)

    def release(self) -> None:
        """End its action on the call, for ``max_active``."""
        if not self.released:
            self.released = True
            release(self.active.state)


@dataclass(slots=True)
class Outcome:
    """What rules decided on an item: the decision, and when it is to take effect.

    ``delay`` is in seconds. ``hold`` are the rules that want a person to decide, and ``holding`` their counters;
    ``never``: the item is not released. ``delayed`` are the rules whose delays these are.
    """

    decision: Decision
    delay: float = 0.0
    hold: tuple[Action, ...] = ()
    holding: tuple[SelectedRule, ...] = ()
    never: bool = False
    delayed: tuple[SelectedRule, ...] = ()


@dataclass(slots=True)
class CallRules:
    """What the rules that were selected for a call do with its items. For one thread at a time.

    ``max_injected`` limits the messages that they add to the call, which ``started`` at that time in seconds.
    """

    selected: list[SelectedRule]
    max_injected: int = DEFAULT_MAX_INJECTED
    started: float = 0.0
    points: frozenset[Point] = field(init=False)
    injected: int = 0
    _paced: dict[tuple[str, Point], float] = field(default_factory=dict)
    _counts: dict[Point, int] = field(default_factory=dict)  # messages that came at the points of messages

    def __post_init__(self) -> None:
        self.points = frozenset[Point]().union(*(item.rule.points for item in self.selected))

    @property
    def holds(self) -> bool:
        """Whether one of them holds items."""
        return any(action.stage is act.Stage.HOLD for item in self.selected for action in item.rule.actions)

    @property
    def timers(self) -> list[tuple[Timer, Callable[[], Action]]]:
        """What happens at a time after the call's start, and what is recorded of each then."""
        return [
            (item.rule.timer, partial(item.effective, item.rule.timer.effect))
            for item in self.selected
            if item.rule.timer is not None
        ]

    def needs_schema(self, point: Point, index: int) -> bool:
        """Whether an item's decision needs the types of the call's messages."""
        return any(
            item.rule.needs_schema(point) and item.rule.applies_to(point, index)
            for item in self.selected
            if point in item.rule.points
        )

    def decide(self, point: Point, index: int, item: Item, types: Types, now: float) -> Outcome:
        """What goes on in the place of an item; what cannot be applied is noted, and counted for its rule."""
        notes: list[Action] = []
        if point in act.MESSAGE_POINTS:
            self._counts[point] = index + 1
        try:
            actions = [
                (selected, action)
                for selected in self._applying(point, index, item, types, now, notes)
                for action in selected.rule.actions
                if point in action.points and self._is_reached(action, point, index)
            ]
            ends = [pair for pair in actions if pair[1].stage is act.Stage.END]
            if ends:
                return self._end(ends, item, types, notes)
            items = self._edit(actions, point, index, item, types, notes)
        except _RuleFailedError as failure:
            return Outcome(failure.decision)
        delay, delayed = self._delay(actions, point, index, items, now, notes)
        hold, holding = [], []
        for selected, action in actions:
            if action.stage is act.Stage.HOLD:
                hold.append(selected.action(action.effect))
                holding.append(selected)
            elif isinstance(action, act.NoteItem):
                if action.applied:
                    selected.count()
                notes.append(selected.action(action.effect, applied=action.applied))
        decision = Decision(tuple(items), actions=tuple(notes))
        return Outcome(decision, delay, tuple(hold), tuple(holding), delayed=delayed)

    def close(self) -> None:
        """The call is over."""
        for selected in self.selected:
            selected.release()

    def _applying(
        self, point: Point, index: int, item: Item, types: Types, now: float, notes: list[Action]
    ) -> list[SelectedRule]:
        """The rules that act on this item."""
        applying = []
        for selected in self.selected:
            rule = selected.rule
            if point not in rule.points or not rule.applies_to(point, index):
                continue
            if rule.from_seconds is not None and now - self.started < rule.from_seconds:
                continue
            if rule.body is not None and isinstance(item, MessageItem):
                try:
                    if not message_matches(rule.body, item.data, types.of(point), types.resolver):
                        continue
                except ValueError as error:
                    self._fail(selected, error, notes)
                    continue
            applying.append(selected)
        return applying

    def _is_reached(self, action: act.ItemAction, point: Point, index: int) -> bool:
        """Whether as many messages went before an item as a fault lets go on."""
        if not isinstance(action, act.NeverAnswer) or not action.after:
            return True
        before = index if point in act.MESSAGE_POINTS else self._counts.get(_MESSAGES_BEFORE[point], 0)
        return before >= action.after

    def _end(
        self,
        ends: "list[tuple[SelectedRule, act.ItemAction]]",
        item: Item,
        types: Types,
        notes: list[Action],
    ) -> Outcome:
        (selected, action), *shadowed = ends
        notes.append(selected.effective(action.effect))
        notes += [
            other.action(f"{later.effect}: not taken, as {selected.rule.name!r} came first", applied=False)
            for other, later in shadowed
        ]
        # a delay of the same fault comes ahead of its status
        delay = sum(
            own.seconds(selected.draw(min(action.points), 0))
            for own in selected.rule.actions
            if isinstance(own, act.DelayItem) and own.points & action.points
        )
        if isinstance(action, act.EndCall):
            final = action.final
            try:
                final = with_details(final, action.details, types.resolver)
            except ValueError as error:
                reason = f"{error}; {types.problem}" if types.problem else error
                self._fail(selected, EditError(f"{reason}: the status has no details"), notes)
            decision = Decision((item,) if action.after else (), end=final, actions=tuple(notes))
            return Outcome(decision, delay, delayed=(selected,))
        if isinstance(action, act.CancelTarget):
            return Outcome(Decision((item,), cancel_target=True, actions=tuple(notes)), delay)
        return Outcome(Decision(actions=tuple(notes)), never=True)

    def _edit(
        self,
        actions: "list[tuple[SelectedRule, act.ItemAction]]",
        point: Point,
        index: int,
        item: Item,
        types: Types,
        notes: list[Action],
    ) -> list[Item]:
        items: list[Item] = [item]
        for selected, action in actions:
            if not isinstance(action, act.EditItems):
                continue
            try:
                context = _context(action, point, index, types, selected)
                edited = action.edit(items, context)
                self._check_count(items, edited)
            except (EditError, ValueError, RecursionError) as error:
                self._fail(selected, error, notes)
                continue
            if edited != items:
                notes.append(selected.effective(action.effect))
            items = edited
        return items

    def _check_count(self, before: Sequence[Item], after: Sequence[Item]) -> None:
        added = len(after) - len(before)
        if added <= 0:
            return
        if self.injected + added > self.max_injected:
            raise EditError(f"rules add at most {self.max_injected:,} messages to a call")
        self.injected += added

    def _delay(
        self,
        actions: "list[tuple[SelectedRule, act.ItemAction]]",
        point: Point,
        index: int,
        items: Sequence[Item],
        now: float,
        notes: list[Action],
    ) -> tuple[float, tuple[SelectedRule, ...]]:
        delay = 0.0
        delayed = []
        for selected, action in actions:
            if isinstance(action, act.DelayItem):
                delay += action.seconds(selected.draw(point, index))
                delayed.append(selected)
                notes.append(selected.effective(action.effect))
            elif isinstance(action, act.Throttle):
                # An item may go when those before it have had their time.
                place = (selected.rule.name, point)
                begins = max(self._paced.get(place, now), now)
                self._paced[place] = begins + action.seconds(items)
                if begins > now:
                    delay += begins - now
                    notes.append(selected.effective(action.effect))
        return delay, tuple(delayed)

    def _fail(self, selected: SelectedRule, error: Exception, notes: list[Action]) -> None:
        """Note a rule that cannot be applied; raises where it is to fail the call."""
        selected.fail(error)
        notes.append(selected.action(f"not applied: {error}", applied=False))
        if selected.rule.fails_on_error:
            text = f"Loom's rule {selected.rule.name!r} failed: {error}"
            final = FinalStatus(Status(StatusCode.INTERNAL, text))
            raise _RuleFailedError(Decision(end=final, actions=tuple(notes)))


def _context(
    action: act.EditItems, point: Point, index: int, types: Types, selected: SelectedRule
) -> act.ItemContext:
    if action.needs_schema and types.of(point) is None:
        raise EditError(types.problem or "the schema of its messages is not known")
    return act.ItemContext(point, index, types.of(point), types.resolver, selected.draw(point, index))


class _RuleFailedError(Exception):
    def __init__(self, decision: Decision) -> None:
        super().__init__()
        self.decision = decision
