"""Rules applied to the items of a call, on a clock that the test turns."""

from collections.abc import Callable
from pathlib import Path

import pytest

from loom.interception import RuleSet, load_rules
from loom.interception.call_rules import Types
from loom.interception.rule_interceptor import RuleInterceptor
from loom.model import StatusCode
from loom.model.interception import (
    Action,
    ActionKind,
    CallFacts,
    CallInterceptor,
    CallStart,
    Decision,
    FinalStatus,
    MessageItem,
    Point,
)

from .conftest import ShopTypes, write_rules

GET = CallFacts("/acme.shop.Shop/Get")


class Clock:
    """A scheduler whose time is the test's: what is due runs when the test says so."""

    def __init__(self) -> None:
        self.time = 0.0
        self.timers: list[tuple[float, Callable[[], None]]] = []
        self.threads: list[Callable[[], None]] = []

    def now(self) -> float:
        return self.time

    def call_later(self, seconds: float, callback: Callable[[], None]) -> Callable[[], None]:
        timer = (self.time + seconds, callback)
        self.timers.append(timer)
        return lambda: self.timers.remove(timer) if timer in self.timers else None

    def run_in_thread(self, callback: Callable[[], None]) -> None:
        self.threads.append(callback)

    def turn(self, seconds: float) -> None:
        self.time += seconds
        due = [timer for timer in self.timers if timer[0] <= self.time]
        for timer in due:
            self.timers.remove(timer)
            timer[1]()


class Lookup:
    """Types that arrive when the test says so."""

    def __init__(self) -> None:
        self.known: Types | None = None
        self.callbacks: list[Callable[[Types], None]] = []

    def peek(self, _method: str) -> Types | None:
        return self.known

    def fetch(self, _method: str, callback: Callable[[Types], None]) -> None:
        self.callbacks.append(callback)


class Control:
    id = 1

    def __init__(self) -> None:
        self.ended: list[FinalStatus] = []
        self.notes: list[tuple[Point, str]] = []

    def end(self, final: FinalStatus, _actions: tuple[Action, ...]) -> None:
        self.ended.append(final)

    def cancel_target(self, actions: tuple[Action, ...]) -> None:
        self.note(Point.START, 0, actions)

    def note(self, point: Point, _index: int, actions: tuple[Action, ...]) -> None:
        self.notes += [(point, action.effect) for action in actions]


class Bench:
    def __init__(self, shop: ShopTypes, folder: Path) -> None:
        self.shop = shop
        self.folder = folder
        self.clock = Clock()
        self.lookup = Lookup()
        self.control = Control()
        self.released: list[Decision] = []
        self.interceptor = RuleInterceptor(RuleSet(), self.clock, self.lookup)

    def open(self, text: str) -> CallInterceptor:
        self.interceptor.rules = RuleSet(load_rules([write_rules(self.folder, text)]))
        assert self.interceptor.may_act(GET.method, GET.metadata)
        call = self.interceptor.open(GET)
        assert call is not None
        call.start(self.control)
        return call

    def response(self, call: CallInterceptor, data: bytes) -> Decision | None:
        return call.intercept(Point.RESPONSE_MESSAGE, 0, MessageItem(data), self.released.append)


@pytest.fixture
def bench(shop: ShopTypes, tmp_path: Path) -> Bench:
    return Bench(shop, tmp_path)


EDIT = '[[rule]]\nmatch = "method:Get"\nwhen = { point = "response-message" }\ndo = [{ set = "name", to = "z" }]\n'


def test_a_method_that_no_rule_matches_is_not_acted_on(bench: Bench) -> None:
    bench.open(EDIT)
    assert not bench.interceptor.may_act("/acme.shop.Shop/Watch", ())
    bench.interceptor.rules.enabled = False
    assert not bench.interceptor.may_act(GET.method, GET.metadata)


def test_an_item_waits_for_the_schema_that_a_rule_needs(bench: Bench) -> None:
    call = bench.open(EDIT)
    assert bench.response(call, bench.shop.item(name="a")) is None
    [arrive] = bench.lookup.callbacks
    arrive(Types(bench.shop, bench.shop.pool))
    [decision] = bench.released
    assert decision.items == (MessageItem(bench.shop.item(name="z")),)
    # The next one has it.
    again = bench.response(call, bench.shop.item(name="b"))
    assert again is not None
    assert again.items == decision.items


@pytest.mark.parametrize("fails", [True, False])
def test_without_a_schema_the_rule_passes_or_fails_as_it_says(bench: Bench, fails: bool) -> None:
    call = bench.open(EDIT + ('on-error = "fail"' if fails else ""))
    bench.response(call, b"\x0a\x01a")
    bench.lookup.callbacks[0](Types(None, bench.shop.pool, "its schema was not known within 1 s"))
    [decision] = bench.released
    if fails:
        assert decision.end is not None
        assert decision.end.status.code == StatusCode.INTERNAL
    else:
        assert decision.items == (MessageItem(b"\x0a\x01a"),)
        assert decision.actions[0].effect == "not applied: its schema was not known within 1 s"


def test_a_large_message_is_edited_on_another_thread(bench: Bench) -> None:
    bench.lookup.known = Types(bench.shop, bench.shop.pool)
    call = bench.open(EDIT)
    data = bench.shop.item(name="x" * 300_000)
    assert bench.response(call, data) is None
    assert bench.released == []
    [work] = bench.clock.threads
    work()
    assert bench.released[0].items == (MessageItem(bench.shop.item(name="z")),)


def test_a_delay_is_a_later_release(bench: Bench) -> None:
    call = bench.open('[[fault]]\nmatch = "method:Get"\ndelay = "2s"\nmax-active = 1')
    assert call.intercept(Point.START, 0, CallStart(), bench.released.append) is None
    assert bench.interceptor.open(GET) is None  # one is active
    bench.clock.turn(1.9)
    assert bench.released == []
    bench.clock.turn(0.2)
    assert [decision.items for decision in bench.released] == [(CallStart(),)]
    assert bench.interceptor.open(GET) is not None  # it ended with its delay, not with the call


def test_what_never_answers_is_noted_and_not_released(bench: Bench) -> None:
    call = bench.open('[[fault]]\nmatch = "method:Get"\nhang = true')
    assert call.intercept(Point.START, 0, CallStart(), bench.released.append) is None
    assert bench.control.notes == [(Point.START, "never answer")]
    bench.clock.turn(10_000)
    assert bench.released == []


def test_a_timer_ends_the_call_and_is_cancelled_with_it(bench: Bench) -> None:
    text = '[[fault]]\nmatch = "method:Get"\nstatus = "ABORTED"\nat = "after 2s"'
    bench.open(text)
    bench.clock.turn(2.1)
    [final] = bench.control.ended
    assert final.status.code == StatusCode.ABORTED
    bench.open(text).close()
    assert bench.clock.timers == []


def test_closing_cancels_delays_and_counts_the_call_as_over(bench: Bench) -> None:
    call = bench.open('[[fault]]\nmatch = "method:Get"\ndelay = "2s"\nmax-active = 1')
    call.intercept(Point.START, 0, CallStart(), bench.released.append)
    call.close()
    bench.clock.turn(3)
    assert bench.released == []
    assert bench.interceptor.open(GET) is not None


def test_a_rules_hold_comes_behind_its_edits_and_delays_and_is_decided_on(bench: Bench) -> None:
    bench.lookup.known = Types(bench.shop, bench.shop.pool)
    holds = bench.interceptor.holds
    holds.watch()
    actions = 'do = [{ hold = true }, { set = "name", to = "z" }, { delay = "1s" }]'
    call = bench.open(f'[[rule]]\nname = "r"\nmatch = ""\nwhen = {{ point = "response-message" }}\n{actions}')
    assert bench.response(call, bench.shop.item(name="a")) is None
    assert list(holds) == []
    bench.clock.turn(1.1)
    [hold] = holds
    assert (hold.names, hold.item) == (("r",), MessageItem(bench.shop.item(name="z")))
    assert bench.control.notes == [(Point.RESPONSE_MESSAGE, "held")]
    holds.release_inactive()
    assert bench.released == []
    holds.decide(hold, hold.decision(hold.items, "sent"))
    [decision] = bench.released
    assert [(action.kind, action.name, action.effect) for action in decision.actions] == [
        (ActionKind.RULE, "r", "set name"),
        (ActionKind.RULE, "r", "delay 1s"),
        (ActionKind.BREAKPOINT, "r", "sent"),
    ]


def test_a_hold_passes_where_nobody_is_looking(bench: Bench) -> None:
    call = bench.open('[[rule]]\nmatch = "method:Get"\ndo = [{ hold = true }]')
    decision = call.intercept(Point.START, 0, CallStart(), bench.released.append)
    assert decision is not None
    assert decision.items == (CallStart(),)
    assert [action.effect for action in decision.actions] == [
        "hold (passed: nobody is looking, or too much is held)"
    ]


def test_a_call_keeps_the_rules_it_began_with(bench: Bench) -> None:
    call = bench.open('[[fault]]\nmatch = "method:Get"\nresponses = 0')
    bench.interceptor.rules = RuleSet()
    decision = bench.response(call, b"")
    assert decision is not None
    assert decision.items == ()
    assert bench.interceptor.open(GET) is None
