"""A whole Loom with rules and faults: what each side gets, and what is recorded."""

import asyncio
import contextlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import grpc.aio
import pytest

from loom.errors import ConfigError, LoomError
from loom.interception import RuleSet
from loom.model import Call, StatusCode
from loom.model.interception import ActionKind, Point
from loom.runtime.config_loading import load
from loom.sessions import SessionReader, session_path, sessions_directory
from tests.support.loom_instance import LoomInstance, running_instance
from tests.support.mirror import SERVICE, running_mirror, thing

RULES = """
[[rule]]
name = "louder"
match = "method:Chat meta:x-tenant=42"
when = { point = "request-message", index = 1 }
do = [{ set = "text", to = "TWO" }]

[[rule]]
name = "marked"
match = "service:mirror.*"
do = [{ metadata = { set = { x-env = "dev" } } }]
"""


async def chat(loom: LoomInstance, *texts: str, **options: Any) -> tuple[grpc.StatusCode, list[bytes]]:
    """Chat through Loom; the status and the answers."""
    method: Any = loom.channel.stream_stream(f"/{SERVICE}/Chat")
    call = method(iter([thing(text=text) for text in texts]), **options)
    answers: list[bytes] = []
    with contextlib.suppress(grpc.aio.AioRpcError):
        async for answer in call:
            answers.append(answer)  # noqa: PERF401 (what came before an error counts)
    return await call.code(), answers


async def recorded(loom: LoomInstance, number: int = 1) -> Call:
    await loom.ended.wait(number)
    call = loom.loom.history.get(number)
    assert call is not None
    return call


async def test_a_rule_edits_one_message_of_a_stream_with_the_schema_from_reflection(tmp_path: Path) -> None:
    path = tmp_path / "rules.toml"
    path.write_text(RULES)
    async with running_mirror() as mirror, running_instance(mirror, rules=(path,)) as loom:
        code, answers = await chat(loom, "one", "two", "three", metadata=(("x-tenant", "42"),))
        call = await recorded(loom)
        assert loom.loom.interceptor is not None
        assert [active.state.acted for active in loom.loom.interceptor.rules.active] == [1, 1]
    expected = [thing(text=text) for text in ("one", "TWO", "three")]
    assert code is grpc.StatusCode.OK
    assert answers == expected
    [received] = [item for item in mirror.received if item.method.endswith("/Chat")]
    assert received.messages == expected
    assert ("x-env", "dev") in received.metadata
    assert call.acted == ((ActionKind.RULE, "marked"), (ActionKind.RULE, "louder"))
    assert call.modified
    came = {item.point: item for item in call.interceptions}
    assert came[Point.REQUEST_MESSAGE].data == thing(text="two")
    block = came[Point.REQUEST_METADATA].metadata
    assert block is not None
    assert ("x-env", "dev") not in block
    assert call.request_metadata is not None
    assert ("x-env", "dev") in call.request_metadata


@pytest.mark.parametrize(
    ("fault", "code", "count"),
    [
        ("status=UNAVAILABLE; message=injected", grpc.StatusCode.UNAVAILABLE, 0),
        ("status=ABORTED; at=message 2", grpc.StatusCode.ABORTED, 1),
        ("status=ABORTED; at=after 2 responses", grpc.StatusCode.ABORTED, 2),
        ("status=DATA_LOSS; at=trailers", grpc.StatusCode.DATA_LOSS, 3),
        ("drop; at=message 2", grpc.StatusCode.OK, 2),
        ("duplicate=2", grpc.StatusCode.OK, 6),
        ("throttle=10/s", grpc.StatusCode.OK, 3),
        ("delay=10ms..20ms", grpc.StatusCode.OK, 3),
        ("hang", grpc.StatusCode.DEADLINE_EXCEEDED, 0),
        ("hang; at=message 2", grpc.StatusCode.DEADLINE_EXCEEDED, 1),
        ("half-close=withhold", grpc.StatusCode.DEADLINE_EXCEEDED, 3),
        ("half-close=early; at=request 2", grpc.StatusCode.OK, 2),
        ("hang; at=after 2 responses", grpc.StatusCode.DEADLINE_EXCEEDED, 2),
        ("hang; at=after 3 responses", grpc.StatusCode.DEADLINE_EXCEEDED, 3),
        ("drop; at=responses", grpc.StatusCode.OK, 0),
        ("cancel-target; at=after 1 response", grpc.StatusCode.DEADLINE_EXCEEDED, 1),
        ("status=ABORTED; at=after 60s", grpc.StatusCode.OK, 3),
    ],
)
async def test_a_fault_is_what_the_client_sees(fault: str, code: grpc.StatusCode, count: int) -> None:
    flags = (f"method:Chat :: {fault}",)
    async with running_mirror() as mirror, running_instance(mirror, fault=flags, fault_seed=1) as loom:
        waits = code is grpc.StatusCode.DEADLINE_EXCEEDED
        # A grpcio call loses the status when a write fails: none is made that the status could overtake.
        texts = () if fault.endswith("injected") else ("one", "two", "three")
        seen, answers = await chat(loom, *texts, timeout=1 if waits else 30)
        call = await recorded(loom)
    assert seen is code
    assert len(answers) == count
    if "after 60s" not in fault:  # the call is over by then
        assert call.acted == ((ActionKind.FAULT, "--fault 1"),)
    assert call.status is not None
    assert call.status.name == code.name


async def test_a_status_after_a_time_ends_a_stream_that_is_idle() -> None:
    flags = ("method:Chat :: status=ABORTED; at=after 1s",)
    async with running_mirror() as mirror, running_instance(mirror, fault=flags) as loom:
        call: Any = loom.channel.stream_stream(f"/{SERVICE}/Chat")()
        await call.write(thing(text="one"))
        assert await call.read() == thing(text="one")
        assert await call.code() is grpc.StatusCode.ABORTED


async def test_after_a_time_only_the_target_sees_a_cancellation() -> None:
    flags = ("method:Chat :: cancel-target; at=after 500ms",)
    async with running_mirror() as mirror, running_instance(mirror, fault=flags) as loom:
        call: Any = loom.channel.stream_stream(f"/{SERVICE}/Chat")(timeout=3)
        await call.write(thing(text="one"))
        assert await call.read() == thing(text="one")
        await (await mirror.call(0)).ended.wait()
        assert not call.done()
        assert await call.code() is grpc.StatusCode.DEADLINE_EXCEEDED
        recorded_call = await recorded(loom)
        assert loom.loom.interceptor is not None
        assert loom.loom.interceptor.rules.active[0].state.acted == 1
    assert recorded_call.acted == ((ActionKind.FAULT, "--fault 1"),)
    assert recorded_call.modified


async def test_injected_failures_do_not_open_the_breaker() -> None:
    flags = ("method:Chat :: status=UNAVAILABLE",)
    async with running_mirror() as mirror, running_instance(mirror, fault=flags, breaker=2) as loom:
        for _ in range(5):
            code, _ = await chat(loom)
            assert code is grpc.StatusCode.UNAVAILABLE
        assert loom.loom.breaker is not None
        assert loom.loom.breaker.snapshot()["state"] == "closed"


async def test_a_named_field_without_a_schema_passes_and_is_noted(tmp_path: Path) -> None:
    path = tmp_path / "rules.toml"
    path.write_text(RULES)
    async with running_mirror(described=False) as mirror, running_instance(mirror, rules=(path,)) as loom:
        _, answers = await chat(loom, "one", "two", metadata=(("x-tenant", "42"),))
        call = await recorded(loom)
    assert answers == [thing(text="one"), thing(text="two")]
    [note] = [
        action.effect for item in call.interceptions for action in item.actions if action.name == "louder"
    ]
    assert note.startswith("not applied: ")


async def test_what_came_is_in_the_session(tmp_path: Path) -> None:
    flags = ("method:Chat :: drop; at=message 2",)
    log = tmp_path / "calls.ndjson"
    options: dict[str, Any] = {"fault": flags, "session": "acted", "data_dir": tmp_path, "log": log}
    async with running_mirror() as mirror:
        async with running_instance(mirror, fault_seed=5, **options) as loom:
            await chat(loom, "one", "two")
            await recorded(loom)
        async with running_instance(mirror, fault_seed=6, **options | {"fault": ()}) as loom:
            await chat(loom, "three")
            await recorded(loom, 2)
    headers = [json.loads(line) for line in log.read_text().splitlines() if '"type":"header"' in line]
    assert [header["fault_seed"] for header in headers] == [5, 6]
    with SessionReader(session_path("acted", sessions_directory(tmp_path))) as reader:
        call, _ = sorted(reader.calls(), key=lambda call: call.id)
        assert reader.fault_seeds() == {1: 5, 2: 6}
    [item] = call.interceptions
    assert (item.data, item.count, item.point) == (thing(text="two"), 0, Point.RESPONSE_MESSAGE)
    assert call.response_messages == 1


async def test_rules_change_while_loom_runs(tmp_path: Path) -> None:
    path = tmp_path / "rules.toml"
    path.write_text('[[fault]]\nmatch = "method:Chat"\nstatus = "ABORTED"\n')
    async with running_mirror() as mirror, running_instance(mirror, rules=(path,)) as loom:
        assert (await chat(loom))[0] is grpc.StatusCode.ABORTED
        interceptor = loom.loom.interceptor
        assert interceptor is not None
        replaced: Callable[[RuleSet], None] = lambda rules: setattr(interceptor, "rules", rules)  # noqa: E731
        path.write_text("[[fault]")
        await loom.loom.rule_sources.reload(lambda: interceptor.rules, replaced)
        assert (await chat(loom))[0] is grpc.StatusCode.ABORTED
        assert "not valid TOML" in loom.loom.rule_sources.problem
        path.write_text("")
        await loom.loom.rule_sources.reload(lambda: interceptor.rules, replaced)
        assert (await chat(loom, "one"))[0] is grpc.StatusCode.OK


async def test_rules_with_errors_are_refused_at_start(tmp_path: Path) -> None:
    path = tmp_path / "rules.toml"
    path.write_text('[[rule]]\nname = "x"\nmatch = ""\npercent = 140\ndo = [{ hold = true }]')
    async with running_mirror() as mirror:
        with pytest.raises(LoomError, match="rule 'x': percent: 140 is not from 0 to 100"):
            async with running_instance(mirror, rules=(path,)):
                pass


def test_flags(tmp_path: Path) -> None:
    faults = ["method:Get,List :: hang", "method:Chat :: status=INTERNAL"]
    settings = load({"fault": faults, "fault_seed": "7"}, {}, cwd=tmp_path).settings
    assert settings.fault == tuple(faults)
    assert settings.fault_seed == 7
    assert load({}, {"LOOM_FAULT": faults[0]}, cwd=tmp_path).settings.fault == (faults[0],)
    with pytest.raises(ConfigError, match="--fault: expected a filter, '::' and what happens"):
        load({"fault": ["method:Get"]}, {}, cwd=tmp_path)


@pytest.mark.parametrize(
    ("rules", "fault", "message"),
    [
        (
            RULES,
            (),
            "--rules {path}: the wire engine .* cannot apply the rule 'louder' and 1 other; the relay engine",
        ),
        (
            "",
            (":: hang", ":: hang"),
            "--fault: the wire engine .* the fault '--fault 1' and 1 other; the relay engine",
        ),
        (
            "",
            (),
            "--rules {path}: the wire engine forwards bytes unchanged and cannot apply rules; the relay engine",
        ),
    ],
)
async def test_the_wire_engine_refuses_rules_by_name(
    tmp_path: Path, rules: str, fault: tuple[str, ...], message: str
) -> None:
    path = tmp_path / "rules.toml"
    path.write_text(rules)
    async with running_mirror() as mirror:
        with pytest.raises(ConfigError, match=message.format(path=path)):
            async with running_instance(mirror, engine="wire", rules=(path,), fault=fault):
                pass


async def test_a_thousand_calls_are_held_and_nothing_is_lost() -> None:
    flags = ("method:Chat :: delay=500ms",)
    async with running_mirror() as mirror, running_instance(mirror, fault=flags) as loom:
        results = await asyncio.gather(*(chat(loom, str(number)) for number in range(1000)))
        await loom.ended.wait(1000)
        assert loom.loom.interceptor is not None
        assert loom.loom.interceptor.rules.active[0].state.active == 0
    assert [answers for _, answers in results] == [[thing(text=str(number))] for number in range(1000)]
    assert StatusCode.OK.name == "OK"


async def test_a_delay_that_outlasts_the_call_is_recorded() -> None:
    flags = ("method:Chat :: delay=1h",)
    async with running_mirror() as mirror, running_instance(mirror, fault=flags) as loom:
        code, _ = await chat(loom, "one", timeout=0.3)
        call = await recorded(loom)
    assert code is grpc.StatusCode.DEADLINE_EXCEEDED
    assert call.acted == ((ActionKind.FAULT, "--fault 1"),)
    assert call.modified
    [item] = call.interceptions
    assert (item.point, item.count) == (Point.START, 0)
    assert [action.effect for action in item.actions] == ["delay 1h"]
