"""Rules tried on recorded calls: what would have matched and changed. Nothing is sent."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from loom.model import Call, Direction, Status, StatusCode
from loom.model.interception import (
    Action,
    CallFacts,
    CallStart,
    FinalStatus,
    HalfClose,
    HeaderBlock,
    Item,
    MessageItem,
    Point,
)
from loom.model.originals import original_messages, original_metadata, original_status

from .call_rules import Outcome, Types
from .rule_set import RuleSet
from .rules import Timer

_POINTS = {Direction.REQUEST: Point.REQUEST_MESSAGE, Direction.RESPONSE: Point.RESPONSE_MESSAGE}


@dataclass(frozen=True, slots=True)
class TriedItem:
    """What rules would have done at one point of a call: ``went`` instead of ``came``.

    ``end`` is the status that would have ended the call there, ``delay`` in seconds.
    """

    point: Point
    index: int
    came: Item
    went: tuple[Item, ...]
    actions: tuple[Action, ...]
    end: FinalStatus | None = None
    delay: float = 0.0
    never: bool = False
    cancels_target: bool = False

    @property
    def altered(self) -> bool:
        """Whether something else would have gone on."""
        return self.went != (self.came,) or self.end is not None or self.never or self.cancels_target


@dataclass(frozen=True, slots=True)
class TriedCall:
    """A recorded call for which rules were selected."""

    call: Call
    types: Types
    items: list[TriedItem] = field(default_factory=list)

    @property
    def is_acted_on(self) -> bool:
        """Whether a rule would have done something: it may find nothing to change, or fail."""
        return any(action.applied for item in self.items for action in item.actions)


@dataclass(slots=True)
class DryRun:
    """Tries a set of rules on calls, in their order, so that ``times`` and ``percent`` count as they would live.

    ``types_of`` is the schema of a method. A recording has what was forwarded; where something had acted on a call,
    the rules get what came.
    """

    rules: RuleSet
    types_of: Callable[[str], Types]
    tried: int = 0

    def run(self, call: Call) -> TriedCall | None:
        """What the rules would have done to a call; None if none was selected for it."""
        result = None
        for result in self.steps(call):  # noqa: B007 (the last one is complete)
            pass
        return result

    def steps(self, call: Call) -> Iterator[TriedCall]:
        """Like :meth:`run`, item by item: the same result each time, to which an item may have been added."""
        self.tried += 1
        facts = CallFacts(
            call.method,
            original_metadata(call, Point.REQUEST_METADATA) or call.request_metadata,
            call.peer,
            call.authority,
            call.target,
            call.engine,
            _timeout(call),
        )
        active = self.rules.open(facts, 0.0)
        if active is None:
            return
        active.started = call.started_ns / 1e9
        types = self.types_of(call.method)
        result = TriedCall(call, types)
        try:
            yield result
            for timer, act in active.timers:
                if call.duration_ns is None or call.duration_ns > timer.seconds * 1e9:
                    result.items.append(_tried_timer(timer, act()))
            for point, index, item, time_ns in recorded_items(call, facts):
                yield result
                if point not in active.points:
                    continue
                outcome = active.decide(point, index, item, types, time_ns / 1e9)
                for selected in outcome.holding:
                    selected.count()
                tried = _tried(point, index, item, outcome)
                if tried.actions or tried.altered:
                    result.items.append(tried)
                if tried.end is not None or tried.never:
                    break
        finally:
            active.close()


def _tried_timer(timer: Timer, action: Action) -> TriedItem:
    start = CallStart()
    if timer.final is None:
        return TriedItem(Point.START, 0, start, (start,), (action,), cancels_target=True)
    return TriedItem(Point.START, 0, start, (), (action,), end=timer.final)


def _tried(point: Point, index: int, item: Item, outcome: Outcome) -> TriedItem:
    decision = outcome.decision
    return TriedItem(
        point,
        index,
        item,
        decision.items,
        (*decision.actions, *outcome.hold),
        decision.end,
        outcome.delay,
        outcome.never,
        decision.cancel_target,
    )


def recorded_items(call: Call, facts: CallFacts) -> Iterator[tuple[Point, int, Item, int]]:
    """The items that came in a call, with their points, indices and times, as an interceptor would get them."""
    yield Point.START, 0, CallStart(facts.timeout), call.started_ns
    yield Point.REQUEST_METADATA, 0, HeaderBlock(facts.metadata), call.started_ns
    indices = dict.fromkeys(Direction, 0)
    initial = original_metadata(call, Point.RESPONSE_METADATA) or call.initial_metadata
    half_closed = call.half_closed_ns
    for original in original_messages(call):
        position, direction, time_ns = original.index, original.direction, original.time_ns
        if (
            half_closed is not None
            and call.half_closed_after is not None
            and position >= call.half_closed_after
        ):
            yield Point.HALF_CLOSE, 0, HalfClose(), half_closed
            half_closed = None
        if direction is Direction.RESPONSE and not indices[direction]:
            yield Point.RESPONSE_METADATA, 0, HeaderBlock(initial or ()), call.initial_ns or time_ns
            initial = None
        index = indices[direction]
        indices[direction] = index + 1
        if original.data is not None:
            message = MessageItem(original.data, original.compressed, original.encoding)
            yield _POINTS[direction], index, message, time_ns
    if half_closed is not None:
        yield Point.HALF_CLOSE, 0, HalfClose(), half_closed
    if initial:
        yield Point.RESPONSE_METADATA, 0, HeaderBlock(initial), call.initial_ns or call.started_ns
    if call.status is not None and call.ended_ns is not None:
        status, trailing = original_status(call)
        final = FinalStatus(status or Status(StatusCode.UNKNOWN), trailing or ())
        yield Point.STATUS, 0, final, call.ended_ns


def _timeout(call: Call) -> float | None:
    return None if call.deadline_ns is None else (call.deadline_ns - call.started_ns) / 1e9
