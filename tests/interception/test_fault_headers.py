"""Faults that clients ask for with the metadata of Envoy's fault filter."""

import contextlib
from typing import Any

import grpc
import grpc.aio
import pytest

from loom.interception.fault_headers import NAME, header_fault, requested_fault
from loom.interception.rule_set import RuleSet
from loom.model.interception import ActionKind, CallFacts, Point
from tests.support.loom_instance import LoomInstance, running_instance
from tests.support.mirror import SERVICE, running_mirror, thing
from tests.support.raw_calls import unary_unary


def effects(values: dict[str, str], seed: int = 1, ordinal: int = 1) -> list[str]:
    """What a call with this metadata asks for, beside the removal of it."""
    metadata = tuple((f"x-envoy-fault-{key.replace('_', '-')}", value) for key, value in values.items())
    removal, *others = requested_fault(header_fault(), CallFacts("/a.B/C", metadata), seed, ordinal).actions
    assert removal.points == {Point.REQUEST_METADATA}
    return [action.effect for action in others]


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({"abort_grpc_request": "14"}, ["status UNAVAILABLE"]),
        ({"abort_request": "503"}, ["status UNAVAILABLE"]),
        ({"abort_request": "401", "abort_grpc_request": "14"}, ["status UNAUTHENTICATED"]),
        ({"abort_request": "200"}, ["status UNKNOWN"]),
        ({"delay_request": "250"}, ["delay 250ms"]),
        ({"throughput_response": "64"}, ["throttle to 64KiB/s"]),
        ({"delay_request": "5", "abort_grpc_request": "8"}, ["delay 5ms", "status RESOURCE_EXHAUSTED"]),
        ({"abort_grpc_request": "14", "abort_request_percentage": "0"}, []),
        ({"delay_request": "9", "delay_request_percentage": "100"}, ["delay 9ms"]),
        ({"anything_new": "1"}, []),
    ],
)
def test_what_is_asked_for(values: dict[str, str], expected: list[str]) -> None:
    assert effects(values) == expected


@pytest.mark.parametrize(
    "values",
    [
        {"abort_grpc_request": "0"},
        {"abort_grpc_request": "17"},
        {"abort_grpc_request": "UNAVAILABLE"},
        {"abort_request": "99"},
        {"delay_request": "-1"},
        {"delay_request": "9" * 5000},
        {"delay_request": "٣"},
        {"throughput_response": "0"},
        {"abort_grpc_request": "14", "abort_request_percentage": "140"},
    ],
)
def test_a_value_that_cannot_be_is_noted_and_nothing_else_happens(values: dict[str, str]) -> None:
    [note] = effects(values)
    assert note.startswith("not applied: x-envoy-fault-")
    assert len(note) < 200


def test_a_percentage_is_of_calls_by_the_seed() -> None:
    def chosen(seed: int) -> list[int]:
        wanted = {"abort_grpc_request": "14", "abort_request_percentage": "30"}
        return [number for number in range(400) if effects(wanted, seed, number)]

    assert chosen(1) == chosen(1) != chosen(2)
    assert 80 < len(chosen(1)) < 160


def test_a_call_that_asks_for_nothing_and_one_of_health_are_left_alone() -> None:
    rules = RuleSet([header_fault()])
    header = (("x-envoy-fault-abort-grpc-request", "14"),)
    assert rules.open(CallFacts("/a.B/C"), 0) is None
    assert rules.open(CallFacts("/grpc.health.v1.Health/Check", header), 0) is None
    assert rules.open(CallFacts("/a.B/C", header), 0) is not None
    assert (rules.active[0].state.selected, rules.active[0].state.acted) == (1, 0)


async def say(loom: LoomInstance, **values: str) -> grpc.StatusCode:
    metadata: Any = [(f"x-envoy-fault-{key.replace('_', '-')}", value) for key, value in values.items()]
    call = unary_unary(loom.channel, f"/{SERVICE}/Say")(thing(text="x"), metadata=metadata)
    with contextlib.suppress(grpc.aio.AioRpcError):
        await call
    return await call.code()


async def test_clients_may_ask_for_faults_where_the_flag_allows_it() -> None:
    async with running_mirror() as mirror, running_instance(mirror, fault_headers=True) as loom:
        assert await say(loom, abort_grpc_request="8") is grpc.StatusCode.RESOURCE_EXHAUSTED
        assert await say(loom, delay_request="1", throughput_response="1000") is grpc.StatusCode.OK
        assert await say(loom, abort_grpc_request="x") is grpc.StatusCode.OK
        assert await say(loom) is grpc.StatusCode.OK
        await loom.ended.wait(4)
        calls = [loom.loom.history.get(number) for number in (1, 2, 3, 4)]
    assert len(mirror.received) == 3
    assert not any(key.startswith("x-envoy") for call in mirror.received for key, _ in call.metadata)
    acted = [call.acted for call in calls if call is not None]
    assert acted == [((ActionKind.FAULT, NAME),)] * 3 + [()]


async def test_without_the_flag_the_metadata_is_metadata() -> None:
    async with running_mirror() as mirror, running_instance(mirror) as loom:
        assert await say(loom, abort_grpc_request="14") is grpc.StatusCode.OK
    assert ("x-envoy-fault-abort-grpc-request", "14") in mirror.received[0].metadata
