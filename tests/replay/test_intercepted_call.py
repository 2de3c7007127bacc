"""Replays that are sent through the rules: what each side gets, and what is recorded."""

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest

from loom.api.holds import Continuation, HoldAction
from loom.api.replay import ReplaySource
from loom.interception import RuleSet, load_rules
from loom.interception.breakpoints import Breakpoint
from loom.interception.faults import parse_fault_flag
from loom.interception.hold_decision import ItemEdit, decide
from loom.interception.loop_scheduler import LoopScheduler, SchemaTypes
from loom.interception.matching import parse_match
from loom.interception.rule_interceptor import RuleInterceptor
from loom.model import Call, Direction, EndedBy, Status, StatusCode
from loom.model.interception import ActionKind, Point
from loom.replay.plan import THROUGH_RULES, Edits, ReplayError, plan_replay
from loom.replay.runner import ReplayRunner
from tests.support.bench import Bench
from tests.support.mirror import thing

UP, DOWN = Direction.REQUEST, Direction.RESPONSE
THROUGH = Edits(source=ReplaySource.CAME, through_rules=True)


def interceptor(bench: Bench, *faults: str, rules: str = "", folder: Path | None = None) -> RuleInterceptor:
    loaded = [parse_fault_flag(text, number) for number, text in enumerate(faults, 1)]
    if folder is not None:
        path = folder / "rules.toml"
        path.write_text(rules, encoding="utf-8")
        loaded += load_rules([path])
    return RuleInterceptor(RuleSet(loaded, seed=7), LoopScheduler(), SchemaTypes(bench.schema))


def runner(bench: Bench, acting: RuleInterceptor | None) -> ReplayRunner:
    loop = asyncio.get_running_loop()
    return ReplayRunner(
        bench.target,
        bench.recorder,
        bench.allocate_id,
        lambda work, name: loop.create_task(work, name=name),
        interceptor=acting,
    )


async def again(bench: Bench, acting: RuleInterceptor, call: Call, edits: Edits = THROUGH) -> Call:
    return await bench.recorded(await runner(bench, acting).start(plan_replay(call, edits)))


def payloads(call: Call, direction: Direction) -> list[bytes | None]:
    return [item.data for item in call.messages if item.direction is direction]


RULES = """
[[rule]]
name = "louder"
match = "method:Chat"
when = { point = "request-message", index = 1 }
do = [{ set = "text", to = "TWO" }]

[[rule]]
name = "marked"
match = ""
do = [{ metadata = { set = { x-env = "dev" } } }]

[[rule]]
name = "more"
match = "method:Chat"
when = { point = "response-message", index = 0 }
do = [{ insert-after = { text = "extra" } }]

[[rule]]
name = "another end"
match = ""
when = { point = "status" }
do = [{ status = "ABORTED", message = "said the rule", trailers = { x-by = "rule" } }]
"""


async def test_rules_act_on_each_item_and_what_came_is_recorded(bench: Bench, tmp_path: Path) -> None:
    call = await bench.call("Chat", [thing(text="one"), thing(text="two")])
    acting = interceptor(bench, rules=RULES, folder=tmp_path)
    replay = await again(bench, acting, call)
    _, received = bench.mirror.received
    assert received.messages == [thing(text="one"), thing(text="TWO")]
    assert ("x-env", "dev") in received.metadata
    assert payloads(replay, UP) == [thing(text="one"), thing(text="TWO")]
    assert payloads(replay, DOWN) == [thing(text="one"), thing(text="extra"), thing(text="TWO")]
    assert replay.status is not None
    assert (replay.status.code, replay.status.message) == (StatusCode.ABORTED, "said the rule")
    assert ("x-by", "rule") in (replay.trailing_metadata or ())
    assert replay.replay_of == call.id
    assert replay.modified
    assert {name for _, name in replay.acted} == {"louder", "marked", "more", "another end"}
    came = {item.point: item for item in replay.interceptions}
    assert came[Point.REQUEST_MESSAGE].data == thing(text="two")
    status = came[Point.STATUS].status
    assert status is not None
    assert status.code == StatusCode.OK
    assert THROUGH_RULES in replay.note
    assert [active.state.acted for active in acting.rules.active] == [1, 1, 1, 1]


async def test_a_replay_is_untouched_by_default_and_where_no_rule_is_for_it(bench: Bench) -> None:
    call = await bench.call("Say", [thing(text="a")])
    acting = interceptor(bench, "method:Say :: status=ABORTED")
    untouched = await again(bench, acting, call, replace(THROUGH, through_rules=False))
    assert (untouched.acted, untouched.note) == ((), "")
    other = interceptor(bench, "method:Chat :: status=ABORTED")
    unmatched = await again(bench, other, call)
    assert unmatched.note == f"{THROUGH_RULES}; no rule is for it"
    assert untouched.status == unmatched.status == call.status
    with pytest.raises(ReplayError, match="the relay engine has"):
        await runner(bench, None).start(plan_replay(call, THROUGH))


@pytest.mark.parametrize(
    ("fault", "code", "by", "responses"),
    [
        ("status=UNAVAILABLE; message=gone", StatusCode.UNAVAILABLE, EndedBy.LOOM, 0),
        ("status=ABORTED; at=after 2 responses", StatusCode.ABORTED, EndedBy.LOOM, 2),
        ("status=ABORTED; at=half-close", StatusCode.ABORTED, EndedBy.LOOM, None),
        ("status=DATA_LOSS; at=trailers", StatusCode.DATA_LOSS, EndedBy.LOOM, 3),
        ("drop; at=response 2", StatusCode.OK, EndedBy.BACKEND, 2),
        ("duplicate=2", StatusCode.OK, EndedBy.BACKEND, 6),
        ("delay=5ms..10ms; at=responses", StatusCode.OK, EndedBy.BACKEND, 3),
        ("half-close=early; at=request 2", StatusCode.OK, EndedBy.BACKEND, 2),
        ("hang; at=response 2", StatusCode.DEADLINE_EXCEEDED, EndedBy.DEADLINE, 1),
        ("half-close=withhold", StatusCode.DEADLINE_EXCEEDED, EndedBy.DEADLINE, 3),
        ("cancel-target; at=after 1 response", StatusCode.DEADLINE_EXCEEDED, EndedBy.DEADLINE, 1),
        ("cancel-target", StatusCode.DEADLINE_EXCEEDED, EndedBy.DEADLINE, None),
        ("status=ABORTED; at=after 50ms", StatusCode.ABORTED, EndedBy.LOOM, None),
    ],
)
async def test_a_fault_is_what_the_replay_gets(
    bench: Bench, fault: str, code: StatusCode, by: EndedBy, responses: int | None
) -> None:
    call = await bench.call("Chat", [thing(text=text) for text in ("one", "two", "three")])
    faults = [f"method:Chat :: {fault}"]
    if "after 50ms" in fault:  # the call is held open until then
        faults = ["method:Chat :: half-close=withhold", "method:Chat :: status=ABORTED; at=after 50ms"]
    waits = code == StatusCode.DEADLINE_EXCEEDED
    edits = replace(THROUGH, deadline=0.5 if waits else 30.0)
    replay = await again(bench, interceptor(bench, *faults), call, edits)
    assert replay.status is not None
    assert (replay.status.code, replay.ended_by) == (code, by)
    if responses is not None:
        assert replay.response_messages == responses
    assert replay.acted
    assert all(kind is ActionKind.FAULT for kind, _ in replay.acted)


async def test_a_person_decides_on_a_held_item(bench: Bench) -> None:
    call = await bench.call("Say", [thing(text="a")])
    acting = interceptor(bench)
    acting.holds.add_breakpoint(
        Breakpoint("b", parse_match("method:Say"), frozenset({Point.REQUEST_MESSAGE}))
    )
    changed = asyncio.Event()
    acting.holds.on_change(changed.set)
    leave = acting.holds.watch()
    running = asyncio.create_task(again(bench, acting, call))
    while not (held := list(acting.holds)):
        changed.clear()
        await changed.wait()
    decide(acting.holds, held[0], HoldAction.SEND, ItemEdit(data=thing(text="b")), None, Continuation.STAY)
    replay = await running
    leave()
    assert payloads(replay, UP) == [thing(text="b")]
    assert replay.acted == ((ActionKind.BREAKPOINT, "b"),)


async def test_a_replay_is_cancelled_where_the_client_had_cancelled_although_it_is_held(bench: Bench) -> None:
    call = await bench.call("Chat", [thing(text="a")], timeout=30)
    call.ended_by, call.status = EndedBy.CLIENT, Status(StatusCode.CANCELLED)
    acting = interceptor(bench, "method:Chat :: hang; at=trailers")
    replay = await again(bench, acting, call)
    assert (replay.ended_by, replay.status) == (
        EndedBy.CLIENT,
        Status(StatusCode.CANCELLED, "the client cancelled"),
    )
