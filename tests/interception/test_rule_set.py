"""What rules decide on the items of a call."""

from pathlib import Path
from typing import Any

import pytest

from loom.interception import RuleSet, load_rules
from loom.interception.call_rules import CallRules, Outcome, Types
from loom.interception.faults import parse_fault_flag
from loom.model import Status, StatusCode
from loom.model.interception import (
    CallFacts,
    CallStart,
    FinalStatus,
    HalfClose,
    HeaderBlock,
    Item,
    MessageItem,
    Point,
)

from .conftest import ShopTypes, write_rules

GET = CallFacts("/acme.shop.Shop/Get", metadata=(("x-tenant", "42"),))
OK = FinalStatus(Status(StatusCode.OK), (("served-by", "a"),))


class Bench:
    """Rules on one call of the shop."""

    def __init__(self, shop: ShopTypes, folder: Path) -> None:
        self.shop = shop
        self.folder = folder
        self.types = Types(shop, shop.pool)
        self.rules: RuleSet = RuleSet()
        self.call: CallRules | None = None

    def load(self, text: str, facts: CallFacts = GET) -> None:
        self.rules = RuleSet(load_rules([write_rules(self.folder, text)]), seed=7)
        self.call = self.rules.open(facts, 0.0)

    def fault(self, what: str) -> None:
        self.rules = RuleSet([parse_fault_flag(f"method:Get :: {what}", 1)], seed=7)
        self.call = self.rules.open(GET, 0.0)

    def decide(self, point: Point, item: Item, index: int = 0, now: float = 0.0) -> Outcome:
        assert self.call is not None
        return self.call.decide(point, index, item, self.types, now)

    def response(self, index: int = 0, now: float = 0.0, **fields: Any) -> Outcome:
        return self.decide(Point.RESPONSE_MESSAGE, MessageItem(self.shop.item(**fields)), index, now)

    def rule(self, point: str, *actions: str, more: str = "") -> None:
        when = f'when = {{ point = "{point}" }}\n' if point else ""
        do = ", ".join(f"{{ {action} }}" for action in actions)
        self.load(f'[[rule]]\nname = "r"\nmatch = "method:Get"\n{when}{more}\ndo = [{do}]')


@pytest.fixture
def bench(shop: ShopTypes, tmp_path: Path) -> Bench:
    return Bench(shop, tmp_path)


def effects(outcome: Outcome) -> list[str]:
    return [action.effect for action in outcome.decision.actions]


def test_edits_accumulate_in_the_order_of_the_file(bench: Bench) -> None:
    bench.load(
        """
[[rule]]
name = "first"
match = "method:Get"
when = { point = "response-message" }
do = [{ set = "name", to = "ab" }, { append = "parts", value = { name = "p" } }]
[[rule]]
name = "second"
match = "meta:x-tenant=42"
when = { point = "response-message" }
do = [{ replace = "name", regex = "b", with = "c" }]
"""
    )
    outcome = bench.response(name="z", count=3)
    assert outcome.decision.items == (
        MessageItem(bench.shop.item(name="ac", count=3, parts=[{"name": "p"}])),
    )
    assert [(action.name, action.effect) for action in outcome.decision.actions] == [
        ("first", "set name"),
        ("first", "append to parts"),
        ("second", "replace in name"),
    ]


def test_a_call_that_no_rule_matches_has_none(bench: Bench) -> None:
    bench.load('[[rule]]\nmatch = "method:Other"\ndo = [{ hold = true }]')
    assert bench.call is None
    assert not bench.rules.candidates(GET.method)
    bench.load('[[rule]]\nmatch = "meta:x-tenant=43"\ndo = [{ hold = true }]')
    assert bench.call is None
    assert len(bench.rules.candidates(GET.method)) == 1


def test_an_item_that_an_edit_leaves_alone_is_the_same_object_and_unnoted(bench: Bench) -> None:
    bench.rule("response-message", 'replace = "name", regex = "x", with = "y"')
    item = MessageItem(b"\x0a\x01a")
    outcome = bench.decide(Point.RESPONSE_MESSAGE, item)
    assert outcome.decision.items[0] is item
    assert outcome.decision.actions == ()


@pytest.mark.parametrize(
    ("actions", "expected"),
    [
        (["drop = true"], []),
        (["duplicate = 3"], ["a", "a", "a"]),
        (['insert-before = { name = "b" }'], ["b", "a"]),
        (['insert-after = { name = "b" }'], ["a", "b"]),
        (['message = { name = "m" }'], ["m"]),
        (['insert-after = { name = "b" }', 'set = "name", to = "z"'], ["z", "z"]),
        (['merge = { name = "m" }', "duplicate = 2"], ["m", "m"]),
    ],
)
def test_any_number_of_messages_goes_on(bench: Bench, actions: list[str], expected: list[str]) -> None:
    bench.rule("response-message", *actions)
    outcome = bench.response(name="a")
    assert outcome.decision.items == tuple(MessageItem(bench.shop.item(name=name)) for name in expected)


def test_when_narrows_by_index_and_body(bench: Bench) -> None:
    bench.load(
        """
[[rule]]
match = "method:Get"
when = { point = "response-message", index = "1..2", body = "name=a" }
do = [{ drop = true }]
"""
    )
    dropped = [
        (index, name)
        for index in range(4)
        for name in "ab"
        if not bench.response(index, name=name).decision.items
    ]
    assert dropped == [(1, "a"), (2, "a")]


def test_metadata_and_deadline(bench: Bench) -> None:
    bench.rule(
        "",
        'metadata = { set = { x-tenant = "7", x-new = "n" }, add = { a = ["1", "2"] }, delete = ["gone"] }',
    )
    block = HeaderBlock((("x-tenant", "42"), ("gone", "1"), ("x-tenant", "43"), ("kept", b"\x00")))
    outcome = bench.decide(Point.REQUEST_METADATA, block)
    assert outcome.decision.items == (
        HeaderBlock((("x-tenant", "7"), ("kept", b"\x00"), ("x-new", "n"), ("a", "1"), ("a", "2"))),
    )
    bench.rule("", 'deadline = "2s"')
    assert bench.decide(Point.START, CallStart(9.0)).decision.items == (CallStart(2.0),)
    bench.rule("", 'deadline = "none"')
    assert bench.decide(Point.START, CallStart(9.0)).decision.items == (CallStart(None),)


def test_a_status_at_the_start_ends_the_call(bench: Bench) -> None:
    bench.rule(
        "",
        'status = "NOT_FOUND", message = "m", details = [{ "@type" = "google.rpc.ErrorInfo", reason = "X" }]',
    )
    decision = bench.decide(Point.START, CallStart()).decision
    assert decision.items == ()
    assert decision.end is not None
    assert decision.end.status.code == StatusCode.NOT_FOUND
    [(key, value)] = decision.end.trailing
    assert (key, value) == ("grpc-status-details-bin", decision.end.status.details)
    assert isinstance(value, bytes)
    assert b"google.rpc.ErrorInfo" in value


def test_a_status_in_the_place_of_the_targets_keeps_its_other_trailers(bench: Bench) -> None:
    bench.rule("status", 'status = "ABORTED", message = "m"')
    decision = bench.decide(Point.STATUS, OK).decision
    assert decision.end is None
    assert decision.items == (FinalStatus(Status(StatusCode.ABORTED, "m"), OK.trailing),)


def test_of_two_that_end_a_call_the_first_wins_and_the_other_is_reported(bench: Bench) -> None:
    bench.load(
        """
[[rule]]
name = "a"
match = "method:Get"
do = [{ status = "ABORTED" }, { delay = "1s" }]
[[rule]]
name = "b"
match = "method:Get"
do = [{ status = "INTERNAL" }]
"""
    )
    outcome = bench.decide(Point.START, CallStart())
    assert outcome.decision.end is not None
    assert outcome.decision.end.status.code == StatusCode.ABORTED
    assert outcome.delay == 1.0
    assert effects(outcome) == ["status ABORTED", "status INTERNAL: not taken, as 'a' came first"]
    assert bench.rules.warnings == ["rule 'b' never ends a call: it is shadowed by 'a'"]


def test_whatever_the_order_of_a_file_edits_come_before_delays_and_holds_and_an_end_before_them_all(
    bench: Bench,
) -> None:
    bench.rule("response-message", "hold = true", 'delay = "1s"', 'tag = "seen"', 'set = "name", to = "z"')
    outcome = bench.response(name="a")
    assert outcome.decision.items == (MessageItem(bench.shop.item(name="z")),)
    assert (outcome.delay, [action.effect for action in outcome.hold]) == (1.0, ["hold"])
    bench.rule("response-message", 'set = "name", to = "z"', "hold = true", 'status = "ABORTED"')
    outcome = bench.response(name="a")
    assert (outcome.decision.items, outcome.hold) == ((), ())
    assert outcome.decision.end is not None
    assert effects(outcome) == ["status ABORTED"]


def test_delays_add_up_and_lie_in_their_range(bench: Bench) -> None:
    bench.rule("response-message", 'delay = "100ms..300ms"', 'delay = "1s"')
    delays = [bench.response(index).delay for index in range(20)]
    assert all(1.1 <= delay <= 1.3 for delay in delays)
    assert len(set(delays)) == 20
    assert delays == [bench.response(index).delay for index in range(20)]


def test_holds_and_tags_alter_nothing(bench: Bench) -> None:
    bench.rule("response-message", "hold = true", 'tag = "suspicious"')
    item = MessageItem(b"x")
    outcome = bench.decide(Point.RESPONSE_MESSAGE, item)
    assert outcome.decision.items == (item,)
    assert [action.effect for action in outcome.hold] == ["hold"]
    assert effects(outcome) == ["tag suspicious"]


def test_what_is_redacted_goes_on_and_is_not_recorded(bench: Bench) -> None:
    bench.rule("", 'redact = "name"')
    data = bench.shop.item(name="secret", count=1)
    [item] = bench.decide(Point.REQUEST_MESSAGE, MessageItem(data)).decision.items
    assert isinstance(item, MessageItem)
    assert item.data == data
    assert item.recorded == bench.shop.item(name="••••••", count=1)


@pytest.mark.parametrize("fails", [True, False])
def test_an_edit_that_does_not_fit(bench: Bench, fails: bool) -> None:
    bench.rule(
        "response-message", 'set = "count", to = "many"', more=f'on-error = "{"fail" if fails else "pass"}"'
    )
    item = MessageItem(bench.shop.item(name="a"))
    outcome = bench.decide(Point.RESPONSE_MESSAGE, item)
    [note] = effects(outcome)
    assert note.startswith("not applied: count: count: this should be a whole number")
    state = bench.rules.active[0].state
    assert (state.failures, state.last_error) == (1, note.removeprefix("not applied: "))
    if fails:
        assert outcome.decision.end is not None
        assert outcome.decision.end.status.code == StatusCode.INTERNAL
        assert outcome.decision.end.status.message.startswith("Loom's rule 'r' failed: count: ")
    else:
        assert outcome.decision.items == (item,)
        assert outcome.decision.end is None


def test_without_a_schema_named_fields_cannot_be_edited_and_numbers_can(bench: Bench) -> None:
    bench.types = Types(None, bench.shop.pool, "reflection is off")
    bench.rule("response-message", 'set = "name", to = "b"', 'set = "1", to = "c"')
    assert bench.call is not None
    assert bench.call.needs_schema(Point.RESPONSE_MESSAGE, 0)
    outcome = bench.response(name="a")
    assert outcome.decision.items == (MessageItem(bench.shop.item(name="c")),)
    assert effects(outcome) == ["not applied: reflection is off", "set 1"]
    bench.rule("response-message", 'set = "1", to = "c"')
    assert bench.call is not None
    assert not bench.call.needs_schema(Point.RESPONSE_MESSAGE, 0)


def test_messages_that_are_added_are_limited(bench: Bench) -> None:
    bench.rule("response-message", "duplicate = 600")
    assert len(bench.response().decision.items) == 600
    outcome = bench.response()
    assert len(outcome.decision.items) == 1
    assert effects(outcome) == ["not applied: rules add at most 1,000 messages to a call"]


def test_faults_on_messages(bench: Bench) -> None:
    data = bench.shop.item(name="abc", count=7)
    item = MessageItem(data)
    bench.fault("corrupt")
    [flipped] = bench.decide(Point.RESPONSE_MESSAGE, item).decision.items
    assert isinstance(flipped, MessageItem)
    difference = int.from_bytes(flipped.data, "big") ^ int.from_bytes(data, "big")
    assert difference.bit_count() == 1
    bench.fault("corrupt=truncate")
    assert bench.decide(Point.RESPONSE_MESSAGE, item).decision.items == (MessageItem(data[: len(data) // 2]),)
    bench.fault("oversize=1MiB")
    [large] = bench.decide(Point.RESPONSE_MESSAGE, item).decision.items
    assert isinstance(large, MessageItem)
    assert 1024 * 1024 <= len(large.data) <= 1024 * 1024 + 16
    assert large.data.startswith(data)
    bench.fault("responses=0")
    assert bench.decide(Point.RESPONSE_MESSAGE, item).decision.items == ()
    bench.fault("half-close=early; at=request 2")
    assert bench.decide(Point.REQUEST_MESSAGE, item, 0).decision.items == (item,)
    assert bench.decide(Point.REQUEST_MESSAGE, item, 1).decision.items == (item, HalfClose())


def test_faults_on_calls(bench: Bench) -> None:
    bench.fault("status=UNAVAILABLE; at=after 2 responses")
    assert bench.response(0).decision.end is None
    outcome = bench.response(1)
    assert len(outcome.decision.items) == 1
    assert outcome.decision.end is not None
    bench.fault("hang")
    assert bench.decide(Point.START, CallStart()).never
    bench.fault("cancel-target")
    assert bench.decide(Point.HALF_CLOSE, HalfClose()).decision.cancel_target


def test_a_call_hangs_behind_a_number_of_messages(bench: Bench) -> None:
    bench.fault("hang; at=after 2 responses")
    assert not bench.decide(Point.STATUS, OK).never  # a stream that has fewer ends as it did
    assert not bench.response(0).never
    assert not bench.response(1).never
    assert bench.decide(Point.STATUS, OK).never
    assert bench.response(2).never
    bench.fault("hang; at=after 1 request")
    assert not bench.decide(Point.HALF_CLOSE, HalfClose()).never
    assert not bench.decide(Point.REQUEST_MESSAGE, MessageItem(b"")).never
    assert bench.decide(Point.HALF_CLOSE, HalfClose()).never


@pytest.mark.parametrize("what", ["hang", "drop", "duplicate=2", "corrupt", "delay=1s", "oversize=1KiB"])
def test_a_fault_after_a_time_is_of_what_comes_later(bench: Bench, what: str) -> None:
    bench.fault(f"{what}; at=after 2s")
    item = MessageItem(bench.shop.item(name="a"))
    before = bench.decide(Point.RESPONSE_MESSAGE, item, 0, 1.9)
    assert (before.decision.items, before.delay, before.never) == ((item,), 0, False)
    later = bench.decide(Point.RESPONSE_MESSAGE, item, 1, 2.0)
    assert later.decision.items != (item,) or later.delay == 1 or later.never


def test_a_throttle_after_a_time_paces_what_comes_later(bench: Bench) -> None:
    bench.fault("throttle=1/s; at=after 2s")
    item = MessageItem(b"x")
    delays = [bench.decide(Point.RESPONSE_MESSAGE, item, 0, now).delay for now in (0, 0, 2, 2, 2)]
    assert delays == [0, 0, 0, 1, 2]


@pytest.mark.parametrize(("rate", "step"), [("10/s", 0.1), ("100B/s", 1.0)])
def test_a_throttle_paces_messages(bench: Bench, rate: str, step: float) -> None:
    bench.fault(f"throttle={rate}")
    item = MessageItem(bytes(100))
    delays = [bench.decide(Point.RESPONSE_MESSAGE, item, index, 0.0).delay for index in range(4)]
    assert delays == pytest.approx([0, step, 2 * step, 3 * step])
    assert bench.decide(Point.RESPONSE_MESSAGE, item, 4, 100.0).delay == 0


def test_max_active_counts_calls_until_they_are_released(bench: Bench) -> None:
    bench.fault("hang; max-active=1")
    assert bench.call is not None
    assert bench.rules.open(GET, 0.0) is None
    assert bench.rules.active[0].state.overflow == 1
    bench.call.close()
    bench.call.close()
    assert bench.rules.active[0].state.active == 0
    assert bench.rules.open(GET, 0.0) is not None


def test_one_switch_turns_everything_off_for_new_calls(bench: Bench) -> None:
    bench.rule("", "hold = true")
    assert bench.rules.count_acting(0.0) == 1
    bench.rules.enabled = False
    assert bench.rules.open(GET, 0.0) is None
    assert bench.rules.count_acting(0.0) == 0
    assert bench.call is not None  # a call keeps what it began with


def test_counters_are_carried_to_a_set_that_is_loaded_again(bench: Bench) -> None:
    bench.rule("", "hold = true")
    again = RuleSet([item.rule for item in bench.rules.active], previous=bench.rules, now=5.0)
    assert again.active[0].state.selected == 1
    other = RuleSet([parse_fault_flag("method:Get :: hang", 1)], previous=bench.rules, now=5.0)
    assert other.active[0].state.selected == 0


def counts(bench: Bench) -> tuple[int, int, int]:
    state = bench.rules.active[0].state
    return state.matched, state.selected, state.acted


@pytest.mark.parametrize(
    "action", ['set = "name", to = "new"', 'delay = "1ms"', "drop = true", 'status = "ABORTED"', 'tag = "x"']
)
def test_a_rule_is_counted_once_on_a_call_on_which_it_did_something(bench: Bench, action: str) -> None:
    bench.rule("response-message", action, more="times = 1")
    assert counts(bench) == (1, 1, 0)
    bench.response(0, name="a")
    bench.response(1, name="b")
    assert counts(bench) == (1, 1, 1)
    assert bench.rules.open(GET, 0.0) is None
    assert counts(bench) == (2, 1, 1)


def test_a_rule_that_does_nothing_is_not_counted_as_acting(bench: Bench) -> None:
    bench.rule("response-message", 'set = "name", to = "same"')
    bench.response(name="same")
    assert counts(bench) == (1, 1, 0)
    bench.rule("response-message", 'set = "name", to = 7')
    bench.response(name="a")
    assert (counts(bench), bench.rules.active[0].state.failures) == ((1, 1, 0), 1)
    bench.load(
        '[[rule]]\nname = "first"\nmatch = ""\ndo = [{ status = "ABORTED" }]\n'
        '[[rule]]\nname = "shadowed"\nmatch = ""\ndo = [{ status = "INTERNAL" }]'
    )
    bench.decide(Point.START, CallStart())
    assert [active.state.acted for active in bench.rules.active] == [1, 0]


def test_names_of_methods_do_not_fill_memory() -> None:
    rules = RuleSet([parse_fault_flag("method:Get :: hang", 1)])
    for number in range(25_000):
        rules.candidates(f"/s/m{number}")
    assert len(rules._candidates) <= 10_000
