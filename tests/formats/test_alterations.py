"""What each format has of calls that rules altered: what went on, and which of them what came."""

import base64
import json
from pathlib import Path

from loom.model import Call, Direction, EndedBy, Status, StatusCode
from loom.model.interception import Action, ActionKind, Interception, Point
from tests.formats.test_runnable import run_script, run_tests
from tests.support.bench import Bench
from tests.support.exports import export, imported
from tests.support.mirror import thing
from tests.support.traffic import altered, recorded

EDIT = (Action(ActionKind.RULE, "edit", "set text"),)


def altered_call() -> Call:
    [call] = recorded(*altered(1))
    return call


def test_har_has_what_went_on_and_names_what_acted() -> None:
    [entry] = json.loads(export("har", [altered_call()]))["log"]["entries"]
    assert base64.b64decode(entry["response"]["content"]["text"])[5:] == b"went"
    assert entry["comment"] == "altered by rule empty cart, fault flaky: this is what went on"
    points = [(item["point"], item["count"]) for item in entry["_grpc"]["interceptions"]]
    assert points == [
        ("request-metadata", 1), ("response-message", 1), ("response-message", 0), ("status", 1),
    ]  # fmt: skip
    assert entry["_grpc"]["interceptions"][1]["actions"] == [
        {"kind": "rule", "name": "empty cart", "effect": "set items[0].price", "applied": True}
    ]
    [call] = recorded(*altered(1)[:1])
    [entry] = json.loads(export("har", [call]))["log"]["entries"]
    assert "interceptions" not in entry["_grpc"]


def test_grpc_dump_has_what_went_on_and_names_what_acted(tmp_path: Path) -> None:
    data = export("grpc-dump", [altered_call()])
    dumped = json.loads(data)
    assert dumped["altered_by"] == ["rule empty cart", "fault flaky"]
    assert [base64.b64decode(item["raw_message"]) for item in dumped["messages"]] == [b"request", b"went"]
    path = tmp_path / "dump.json"
    path.write_bytes(data)
    [call], problems = imported(path)
    assert problems == []
    assert [item.data for item in call.messages] == [b"request", b"went"]


def test_ndjson_and_bundle_keep_both(tmp_path: Path) -> None:
    for kind in ("ndjson", "bundle"):
        path = tmp_path / kind
        path.write_bytes(export(kind, [altered_call()], reveal=True))
        [call], problems = imported(path)
        assert problems == []
        assert call.interceptions == altered_call().interceptions
        assert (call.acted, call.modified) == (altered_call().acted, True)


async def altered_on_its_way(bench: Bench) -> Call:
    """A call whose request, response and status were altered on the way."""
    call = await bench.call("Say", [thing(text="for the target")], metadata=(("mirror-code", "5"),))
    response = next(item for item in call.messages if item.direction is Direction.RESPONSE)
    came, response.data = response.data, thing(text="for the client")
    assert call.status is not None
    call.interceptions = [
        Interception(Point.REQUEST_MESSAGE, 0, 1, 1, EDIT, 0, data=b"\x0a\x01x", size=3),
        Interception(Point.RESPONSE_MESSAGE, 0, 1, 1, EDIT, 1, data=came, size=len(came or b"")),
        Interception(Point.STATUS, 0, 1, 1, EDIT, 2, metadata=call.trailing_metadata, status=call.status),
    ]
    call.status, call.ended_by = Status(StatusCode.ABORTED), EndedBy.LOOM
    call.acted, call.modified = ((ActionKind.RULE, "edit"),), True
    return call


async def test_tests_and_scripts_send_what_went_on_and_expect_the_targets_own_answer(
    bench: Bench, tmp_path: Path
) -> None:
    call = await altered_on_its_way(bench)
    for kind, run in (("pytest", run_tests), ("grpcurl", run_script)):
        path = tmp_path / f"test_{kind}.py"
        text = export(kind, [call], target=bench.mirror.address)
        assert b"# altered by rule edit: sent as it went on, and the target's own answer is expected" in text
        path.write_bytes(text)
        code, output = await run(path)
        assert code == 0, output
    assert [item.messages for item in bench.mirror.received] == [[thing(text="for the target")]] * 3


async def test_a_call_that_a_fault_ended_is_no_test(bench: Bench) -> None:
    call = await bench.call("Say", [thing(text="x")])
    call.ended_by, call.modified, call.acted = EndedBy.LOOM, True, ((ActionKind.FAULT, "flaky"),)
    text = export("pytest", [call]).decode()
    assert "CALLS = [\n]" in text
    assert f"Left out: call {call.id}" in text
