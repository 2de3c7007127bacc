"""Some hundred random calls through each engine; ``make differential`` makes thousands."""

import base64
import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.support.engines import ENGINES

from . import comparison
from .__main__ import run
from .traffic import PLAN_KEY, End, Log, custom, digest, make_plan

SEED = 20_261_130
CALLS = 300


@pytest.mark.parametrize("engine", ENGINES)
async def test_the_export_is_what_both_sides_saw(engine: str, tmp_path: Path) -> None:
    differences = await run(engine, SEED, range(CALLS), tmp_path / "calls.ndjson")
    assert differences == []


def _number_with_everything() -> int:
    """A call that has metadata everywhere, messages both ways, an error, a text and details."""
    for number in range(10_000):
        plan = make_plan(SEED, number)
        full = plan.requests and plan.responses and plan.metadata and plan.initial and plan.trailing
        if full and plan.end == "status" and plan.details and plan.message and plan.deadline:
            return number
    raise AssertionError("no such call")


def _items(pairs: Any) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = []
    for key, value in pairs:
        text = {"value": value} if isinstance(value, str) else {"base64": base64.b64encode(value).decode()}
        items.append({"key": key, **text})
    return items


def _change(call: dict[str, Any], key: str, value: Any) -> None:
    call[key] = value


@pytest.mark.parametrize(
    "tamper",
    [
        lambda call: call["messages"].pop(),
        lambda call: call["messages"].reverse(),
        lambda call: call["messages"].append(call["messages"][-1]),
        lambda call: call["status"].update(code=0),
        lambda call: call["status"].update(message="other"),
        lambda call: call["status"].update(details=None),
        lambda call: _change(call, "ended_by", "client"),
        lambda call: _change(call, "deadline_ns", None),
        lambda call: _change(call, "initial_metadata", []),
        lambda call: _change(call, "trailing_metadata", []),
        lambda call: call["request_metadata"].pop(),
        lambda call: _change(call, "message_counts", [0, 0]),
    ],
)
def test_a_difference_is_found(tamper: Callable[[dict[str, Any]], object]) -> None:
    number = _number_with_everything()
    plan = make_plan(SEED, number)
    messages = [("request", data) for data in plan.requests] + [("response", data) for data in plan.responses]
    call: dict[str, Any] = {
        "request_metadata": [*_items([(PLAN_KEY, str(number))]), *_items(plan.metadata)],
        "initial_metadata": _items(plan.initial),
        "trailing_metadata": _items(plan.trailing),
        "deadline_ns": 1,
        "status": {
            "code": plan.code,
            "message": plan.message,
            "details": base64.b64encode(plan.details or b"").decode(),
        },
        "ended_by": "backend",
        "message_counts": [len(plan.requests), len(plan.responses)],
        "messages": [
            {"direction": direction, "compressed": False, "data": base64.b64encode(data).decode()}
            for direction, data in messages
        ],
    }
    requests, responses = [[digest(data) for data in side] for side in (plan.requests, plan.responses)]
    client = Log(
        requests,
        responses,
        custom(plan.metadata),
        custom(plan.initial),
        custom(plan.trailing),
        plan.code,
        plan.message,
        plan.details,
    )

    def found(record: dict[str, Any]) -> list[str]:
        return list(comparison.differences(SEED, {number: [record]}, {number: client}, {number: client}))

    assert found(call) == []
    tampered = copy.deepcopy(call)
    tamper(tampered)
    assert found(tampered)


@pytest.mark.parametrize(
    ("late_ms", "ended_by", "accepted"), [(60, "client", True), (10, "client", False), (60, "backend", False)]
)
def test_only_a_call_that_arrived_late_may_be_cancelled_at_its_deadline(
    late_ms: int, ended_by: str, accepted: bool
) -> None:
    number = next(number for number in range(1000) if make_plan(SEED, number).end is End.DEADLINE)
    plan = make_plan(SEED, number)
    requests = [digest(data) for data in plan.requests]
    pairs = custom(plan.metadata)
    seen = Log(requests, [], pairs, [], [], 4, deadline_ns=1_700_000_001_000_000_000)
    call = {
        "started": "2023-11-14T22:13:20.000000000Z",
        "deadline_ns": 1_000_000_000 + late_ms * 1_000_000,
        "request_metadata": [*_items([(PLAN_KEY, str(number))]), *_items(plan.metadata)],
        "initial_metadata": None,
        "trailing_metadata": None,
        "status": {"code": 1, "message": "the client cancelled", "details": None},
        "ended_by": ended_by,
        "message_counts": [len(plan.requests), 0],
        "messages": [
            {"direction": "request", "compressed": False, "data": base64.b64encode(data).decode()}
            for data in plan.requests
        ],
    }
    found = list(comparison.differences(SEED, {number: [call]}, {number: seen}, {number: seen}))
    assert (found == []) is accepted


def test_calls_that_are_lost_doubled_or_unknown_are_found() -> None:
    found = comparison.differences(SEED, {7: [{}], 8: [{}, {}]}, {8: Log(), 9: Log()}, {})
    assert [line.partition(": ")[0] for line in found] == ["call 8", "call 9", "call 7"]
