"""Items that are held, whatever comes first: a decision, a deadline, the end of the call, another item, nobody."""

import contextlib
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest

from loom.api.breakpoints import ReleasePolicy
from loom.api.holds import Continuation, FieldEdit, HoldAction
from loom.codec import ChainResolver
from loom.interception.breakpoints import Breakpoint
from loom.interception.call_holds import NO_DEADLINE
from loom.interception.call_rules import Types
from loom.interception.hold import Hold
from loom.interception.hold_decision import HoldError, HoldOverError, ItemEdit, decide
from loom.interception.holds import Holds
from loom.interception.matching import parse_match
from loom.interception.rule_interceptor import RuleInterceptor
from loom.interception.rule_set import RuleSet
from loom.model import Status, StatusCode
from loom.model.interception import (
    CallFacts,
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

from .conftest import ShopTypes
from .test_rule_interceptor import Clock, Control, Lookup

METHOD = "/acme.shop.Shop/Watch"
MESSAGES = frozenset({Point.REQUEST_MESSAGE, Point.RESPONSE_MESSAGE})
FINAL = FinalStatus(Status(StatusCode.OK))


@dataclass(eq=False)
class HeldCall:
    """One call, and what went on in it."""

    interceptor: CallInterceptor
    went: list[tuple[Point, Decision]] = field(default_factory=list)

    def offer(self, point: Point, item: Item, index: int = 0) -> Decision | None:
        def release(decision: Decision) -> None:
            self.went.append((point, decision))

        decision = self.interceptor.intercept(point, index, item, release)
        if decision is not None:
            self.went.append((point, decision))
        return decision

    def request(self, data: bytes, index: int = 0) -> Decision | None:
        return self.offer(Point.REQUEST_MESSAGE, MessageItem(data), index)

    def response(self, data: bytes, index: int = 0) -> Decision | None:
        return self.offer(Point.RESPONSE_MESSAGE, MessageItem(data), index)

    @property
    def items(self) -> list[Item]:
        return [item for _, decision in self.went for item in decision.items]

    @property
    def effects(self) -> list[str]:
        return [action.effect for _, decision in self.went for action in decision.actions]


class Desk:
    """Breakpoints on a clock that the test turns; somebody looks."""

    def __init__(self, **limits: Any) -> None:
        self.clock = Clock()
        self.holds = Holds(self.clock, clock=lambda: int(self.clock.time * 1e9), **limits)
        self.interceptor = RuleInterceptor(RuleSet(), self.clock, Lookup(), holds=self.holds)
        self.leave: Callable[[], None] = self.holds.watch()

    def set(self, name: str = "b", points: frozenset[Point] = MESSAGES, **options: Any) -> Breakpoint:
        made = Breakpoint(name, parse_match(options.pop("match", "method:Watch")), points, **options)
        self.holds.add_breakpoint(made)
        return made

    def call(self, timeout: float | None = None) -> HeldCall:
        opened = self.interceptor.open(CallFacts(METHOD, timeout=timeout))
        assert opened is not None
        opened.start(Control())
        return HeldCall(opened)

    def held(self) -> list[Hold]:
        return list(self.holds)

    def decide(
        self, hold: Hold, action: HoldAction = HoldAction.SEND, then: str = "stay", **edit: Any
    ) -> None:
        decide(self.holds, hold, action, ItemEdit(**edit), None, Continuation(then))


@pytest.fixture
def desk() -> Desk:
    return Desk()


def test_without_breakpoints_no_call_is_asked(desk: Desk) -> None:
    assert not desk.interceptor.may_act(METHOD, ())
    made = desk.set()
    assert desk.interceptor.may_act(METHOD, ())
    assert not desk.interceptor.may_act("/acme.shop.Shop/Other", ())
    assert not desk.interceptor.may_act("/grpc.health.v1.Health/Watch", ())
    desk.holds.remove_breakpoints(made)
    assert not desk.interceptor.may_act(METHOD, ())


def test_both_directions_are_held_at_once_and_go_on_one_by_one(desk: Desk) -> None:
    desk.set()
    call = desk.call()
    assert call.request(b"a") is None
    assert call.response(b"b") is None
    request, response = desk.held()
    desk.decide(response)
    assert call.items == [MessageItem(b"b")]
    desk.decide(request, data=b"z")
    assert call.items == [MessageItem(b"b"), MessageItem(b"z")]
    assert call.effects == ["sent", "edited and sent"]


def test_a_point_without_a_breakpoint_passes(desk: Desk) -> None:
    desk.set(points=frozenset({Point.STATUS}))
    call = desk.call()
    assert call.request(b"a") == Decision((MessageItem(b"a"),))
    assert call.offer(Point.STATUS, FINAL) is None


@pytest.mark.parametrize(
    ("action", "edit", "items", "effect"),
    [
        (HoldAction.DROP, {}, [], "dropped"),
        (HoldAction.DUPLICATE, {}, [b"\x0a\x01a", b"\x0a\x01a"], "sent twice"),
        (HoldAction.INSERT_BEFORE, {"data": b"n"}, [b"n", b"\x0a\x01a"], "a message inserted before"),
        (HoldAction.INSERT_AFTER, {"data": b"n"}, [b"\x0a\x01a", b"n"], "a message inserted after"),
        (HoldAction.SEND, {"fields": (FieldEdit("1", "b"),)}, [b"\x0a\x01b"], "edited and sent"),
        (HoldAction.SEND, {"fields": (FieldEdit("1", delete=True),)}, [b""], "edited and sent"),
    ],
)
def test_what_a_decision_lets_go_on(
    desk: Desk, action: HoldAction, edit: dict[str, Any], items: list[bytes], effect: str
) -> None:
    desk.set()
    call = desk.call()
    call.request(b"\x0a\x01a")
    desk.decide(desk.held()[0], action, **edit)
    assert call.items == list(map(MessageItem, items))
    assert call.effects == [effect]
    assert desk.held() == []
    assert desk.holds.bytes == 0


@pytest.mark.parametrize(
    ("action", "final"),
    [
        (HoldAction.ANSWER, FinalStatus(Status(StatusCode.NOT_FOUND, "no"))),
        (HoldAction.CANCEL, FinalStatus(Status(StatusCode.CANCELLED, "cancelled at a breakpoint"))),
    ],
)
def test_a_call_is_ended_and_what_else_is_held_of_it_is_forgotten(
    desk: Desk, action: HoldAction, final: FinalStatus
) -> None:
    desk.set()
    call = desk.call()
    call.request(b"a")
    call.response(b"b")
    desk.decide(desk.held()[0], action, final=final if action is HoldAction.ANSWER else None)
    assert [decision.end for _, decision in call.went] == [final]
    call.interceptor.close()
    assert desk.held() == []


def test_what_does_not_fit_leaves_the_item_held(desk: Desk, shop: ShopTypes) -> None:
    desk.set(points=frozenset(Point))
    call = desk.call()
    call.offer(Point.REQUEST_METADATA, HeaderBlock((("x-a", "1"),)))
    [hold] = desk.held()
    for action, edit in (
        (HoldAction.DROP, {}),
        (HoldAction.DUPLICATE, {}),
        (HoldAction.INSERT_BEFORE, {"data": b"n"}),
        (HoldAction.SEND, {"json": {}}),
        (HoldAction.SEND, {"final": FINAL}),
        (HoldAction.SEND, {"timeout": 1.0}),
        (HoldAction.ANSWER, {}),
    ):
        with pytest.raises(HoldError):
            desk.decide(hold, action, **edit)
    assert desk.held() == [hold]
    desk.decide(hold, metadata=(("x-a", "2"),))
    assert call.items == [HeaderBlock((("x-a", "2"),))]
    call.response(shop.item(name="a"))
    types = Types(shop, ChainResolver([shop.pool]))
    [hold] = desk.held()
    with pytest.raises(HoldError) as caught:
        decide(desk.holds, hold, HoldAction.SEND, ItemEdit(json={"name": 5}), types)
    assert caught.value.field == "json.name"
    decide(desk.holds, hold, HoldAction.SEND, ItemEdit(json={"name": "b"}), types)
    assert call.items[-1] == MessageItem(shop.item(name="b"))


def test_a_status_and_a_start_are_edited_and_a_message_comes_before_the_end(desk: Desk) -> None:
    desk.set(points=frozenset(Point))
    call = desk.call(timeout=100.0)
    call.offer(Point.START, CallStart(100.0))
    desk.decide(desk.held()[0], timeout=3.0)
    call.offer(Point.HALF_CLOSE, HalfClose())
    desk.decide(desk.held()[0], HoldAction.INSERT_BEFORE, data=b"last")
    call.offer(Point.STATUS, FinalStatus(Status(StatusCode.OK), (("x-a", "1"),)))
    desk.decide(desk.held()[0], final=FinalStatus(Status(StatusCode.ABORTED, "no")))
    assert call.items == [
        CallStart(3.0),
        MessageItem(b"last"),
        HalfClose(),
        FinalStatus(Status(StatusCode.ABORTED, "no"), (("x-a", "1"),)),
    ]


# Step, run, resume


def test_a_step_holds_the_next_item_of_the_call_alone_at_whatever_point(desk: Desk) -> None:
    desk.set(points=frozenset({Point.REQUEST_MESSAGE}))
    call, other = desk.call(), desk.call()
    call.request(b"a")
    desk.decide(desk.held()[0], then="step")
    assert other.response(b"x") is not None
    assert call.offer(Point.RESPONSE_METADATA, HeaderBlock(())) is None
    [hold] = desk.held()
    assert hold.names == ("b",)
    desk.decide(hold)
    assert call.response(b"b") is not None


def test_a_call_that_runs_is_held_no_more(desk: Desk) -> None:
    desk.set()
    call, other = desk.call(), desk.call()
    call.request(b"a")
    call.response(b"b")
    other.request(b"c")
    desk.decide(desk.held()[0], then="run")
    assert call.items == [MessageItem(b"a"), MessageItem(b"b")]
    assert call.effects == ["sent", "sent: the call runs"]
    assert call.request(b"d", 1) is not None
    assert [hold.item for hold in desk.held()] == [MessageItem(b"c")]


def test_everything_is_resumed_unedited(desk: Desk) -> None:
    desk.set()
    calls = [desk.call() for _ in range(3)]
    for call in calls:
        call.request(b"a")
    desk.decide(desk.held()[0], HoldAction.EDIT, data=b"z")
    assert [hold.item for hold in desk.held()] == [MessageItem(b"z"), MessageItem(b"a"), MessageItem(b"a")]
    assert desk.holds.resume("sent: resumed") == 3
    assert [call.items for call in calls] == [[MessageItem(b"a")]] * 3


# Several breakpoints


def test_an_item_is_held_once_by_two_breakpoints_until_both_are_gone(desk: Desk) -> None:
    first, second = desk.set("one"), desk.set("two", points=frozenset({Point.REQUEST_MESSAGE}))
    call = desk.call()
    call.request(b"a")
    [hold] = desk.held()
    assert hold.names == ("one", "two")
    first.enabled = False
    desk.holds.release_inactive()
    assert desk.held() == [hold]
    desk.holds.remove_breakpoints(second)
    assert call.items == [MessageItem(b"a")]
    assert [(action.name, action.effect) for _, went in call.went for action in went.actions] == [
        ("one", "sent: the breakpoint is gone"),
        ("two", "sent: the breakpoint is gone"),
    ]
    assert call.request(b"b", 1) is not None
    assert (first.calls, first.hits, second.hits) == (1, 1, 1)


def test_a_breakpoint_of_the_same_name_takes_the_place_of_the_other(desk: Desk) -> None:
    desk.set()
    call = desk.call()
    call.request(b"a")
    desk.set(points=frozenset({Point.STATUS}))
    assert call.items == [MessageItem(b"a")]
    assert desk.call().request(b"b") is not None


# Deadlines


def test_an_item_is_sent_unedited_shortly_before_the_deadline(desk: Desk) -> None:
    desk.set()
    call = desk.call(timeout=10.0)
    desk.clock.turn(1)
    call.request(b"a")
    [hold] = desk.held()
    assert (hold.deadline_ns, hold.release_ns) == (10_000_000_000, 9_500_000_000)
    desk.decide(hold, HoldAction.EDIT, data=b"z")
    desk.clock.turn(8.4)
    assert call.items == []
    desk.clock.turn(0.2)
    assert call.items == [MessageItem(b"a")]
    assert call.effects == ["sent shortly before the call's deadline"]
    with pytest.raises(HoldOverError):
        desk.decide(hold)
    # What comes later has no time left.
    assert call.response(b"b") == Decision((MessageItem(b"b"),))
    assert desk.holds.passed_deadline == 1


def test_the_margin_is_at_least_a_quarter_of_a_second(desk: Desk) -> None:
    desk.set()
    call = desk.call(timeout=1.0)
    call.request(b"a")
    desk.clock.turn(0.74)
    assert call.items == []
    desk.clock.turn(0.02)
    assert call.items == [MessageItem(b"a")]


def test_an_item_is_sent_never_or_after_a_time_of_its_own(desk: Desk) -> None:
    desk.set("b", release=ReleasePolicy.NEVER)
    never = desk.call(timeout=1.0)
    never.request(b"a")
    desk.clock.turn(5)
    assert never.items == []
    desk.set("b", release=ReleasePolicy.AFTER, release_after=3.0)
    assert never.items == [MessageItem(b"a")]
    after = desk.call(timeout=1.0)
    after.request(b"a")
    desk.clock.turn(2.9)
    assert after.items == []
    desk.clock.turn(0.2)
    assert after.effects == ["sent after 3 s"]


def test_the_targets_call_has_no_deadline_where_a_breakpoint_matches(desk: Desk) -> None:
    desk.set()
    call = desk.call(timeout=10.0)
    decision = call.offer(Point.START, CallStart(9.999))  # as measured a moment later
    assert decision is not None
    assert decision.items == (CallStart(None),)
    assert [action.effect for action in decision.actions] == [NO_DEADLINE]
    unlimited = desk.call().offer(Point.START, CallStart())
    assert unlimited == Decision((CallStart(),))


# The call's end


def test_an_item_whose_call_is_over_stays_with_its_edit(desk: Desk) -> None:
    desk.set()
    call = desk.call(timeout=10.0)
    call.request(b"a")
    [hold] = desk.held()
    desk.decide(hold, HoldAction.EDIT, data=b"edited")
    call.interceptor.close()
    assert (hold.over, hold.item, hold.release_ns) == (True, MessageItem(b"edited"), None)
    with pytest.raises(HoldOverError):
        desk.decide(hold)
    desk.clock.turn(60)
    desk.holds.resume("sent: resumed")
    assert call.items == []
    assert (desk.held(), desk.holds.count) == ([hold], 0)
    desk.decide(hold, HoldAction.DROP)
    assert desk.held() == []
    assert desk.holds.bytes == 0


def test_a_call_that_ends_says_what_held_it_until_then(desk: Desk) -> None:
    desk.set("first")
    desk.set("second")
    call = desk.call()
    call.request(b"one")
    call.response(b"two")
    [request] = [hold for hold in desk.held() if hold.point is Point.REQUEST_MESSAGE]
    desk.decide(request)
    held = call.interceptor.close()
    assert {point: [action.name for action in actions] for point, actions in held.items()} == {
        Point.RESPONSE_MESSAGE: ["first", "second"]
    }


def test_items_whose_call_is_over_make_room(desk: Desk) -> None:
    desk = Desk(max_holds=2)
    desk.set()
    first, second, third = (desk.call() for _ in range(3))
    first.request(b"a")
    second.request(b"b")
    assert third.request(b"c") is not None
    first.interceptor.close()
    assert third.request(b"d", 1) is None
    assert [hold.item for hold in desk.held()] == [MessageItem(b"b"), MessageItem(b"d")]


# Limits, and nobody who looks


def test_past_the_limits_items_pass_and_are_counted() -> None:
    desk = Desk(max_holds=100, max_bytes=1000)
    desk.set()
    calls = [desk.call() for _ in range(1000)]
    for call in calls:
        call.request(b"a")
    assert (len(desk.held()), desk.holds.passed_limit) == (100, 900)
    assert sum(bool(call.items) for call in calls) == 900
    desk.holds.resume("sent: resumed")
    assert all(call.items == [MessageItem(b"a")] for call in calls)
    large = desk.call()
    assert large.request(b"x" * 1001) is not None
    assert large.request(b"x" * 1000, 1) is None
    assert desk.call().request(b"y") is not None
    assert desk.holds.bytes == 1000


def test_everything_is_sent_when_nobody_has_looked_for_five_seconds(desk: Desk) -> None:
    desk.set()
    call = desk.call()
    call.request(b"a")
    again = desk.holds.watch()
    desk.leave()
    desk.leave()  # twice is once
    desk.clock.turn(60)
    assert desk.held()
    again()
    desk.clock.turn(4.9)
    assert desk.held()
    desk.clock.turn(0.2)
    assert call.effects == ["sent: nobody is looking"]
    assert not desk.holds.watched
    assert call.response(b"b") is not None
    assert desk.interceptor.open(CallFacts(METHOD)) is None
    assert desk.holds.passed_unwatched == 2
    desk.holds.touch()
    later = desk.call()
    assert later.request(b"c") is None
    desk.clock.turn(4)
    desk.holds.touch()
    desk.clock.turn(4)
    assert desk.held()
    desk.clock.turn(2)
    assert later.items == [MessageItem(b"c")]


def test_nothing_is_held_when_loom_stops(desk: Desk) -> None:
    desk.set()
    call = desk.call()
    call.request(b"a")
    desk.holds.close()
    assert call.effects == ["sent: Loom stops"]
    desk.holds.touch()
    assert call.request(b"b", 1) is not None


@pytest.mark.parametrize("seed", range(30))
def test_whatever_happens_each_item_goes_on_once_or_its_call_is_over(seed: int) -> None:
    chance = random.Random(seed)
    desk = Desk(max_holds=5, max_bytes=40)
    desk.set("one", points=frozenset({Point.REQUEST_MESSAGE}))
    desk.set("two", release=ReleasePolicy.AFTER, release_after=2.0)
    calls = [desk.call(timeout=chance.choice([None, 1.0, 20.0])) for _ in range(6)]
    offered: dict[HeldCall, dict[Point, int]] = {call: dict.fromkeys(MESSAGES, 0) for call in calls}
    closed: set[HeldCall] = set()
    looks = [desk.leave]
    for _ in range(200):
        call = chance.choice(calls)
        point = chance.choice(sorted(MESSAGES))
        went = sum(1 for at, _ in call.went if at is point)
        match chance.randrange(9):
            case 0 | 1 | 2 | 3 if call not in closed and went == offered[call][point]:
                offered[call][point] += 1
                call.offer(point, MessageItem(b"x" * chance.randrange(20)), went)
            case 4 | 5 if desk.held():
                hold = chance.choice(desk.held())
                with contextlib.suppress(HoldOverError):
                    desk.decide(
                        hold,
                        chance.choice([HoldAction.SEND, HoldAction.DROP, HoldAction.DUPLICATE]),
                        chance.choice(["stay", "step", "run"]),
                    )
            case 6:
                desk.clock.turn(chance.random() * 2)
            case 7 if chance.random() < 0.2:
                closed.add(call)
                call.interceptor.close()
            case 8:
                if looks and chance.random() < 0.5:
                    looks.pop()()
                else:
                    looks.append(desk.holds.watch())
            case _:
                pass
        assert desk.holds.bytes == sum(hold.size for hold in desk.held()) <= 40
        assert len(desk.held()) <= 5
    desk.holds.close()
    for call, points in offered.items():
        for point, count in points.items():
            went = sum(1 for at, _ in call.went if at is point)
            assert went == count or (call in closed and went == count - 1)
