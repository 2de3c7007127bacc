"""Rules and faults on the statuses that Loom makes itself: the target cannot be reached, the breaker is open."""

import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import grpc.aio
import pytest

from loom.model import Address, EndedBy
from loom.model.interception import ActionKind, Point
from tests.support.loom_instance import LoomInstance, running_instance
from tests.support.mirror import SERVICE, running_mirror, thing
from tests.support.raw_calls import unary_unary

RULES = """
[[rule]]
name = "a default answer"
match = "method:Say"
when = { point = "status" }
do = [
  { insert-before = "@default.binpb" },
  { status = "OK" },
  { metadata = { set = { x-fallback = "yes" } } },
]
"""


@pytest.fixture
def nowhere() -> Iterator[Address]:
    """An address at which nothing listens."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        yield Address("127.0.0.1", held.getsockname()[1])


async def say(loom: LoomInstance) -> Any:
    try:
        return await unary_unary(loom.channel, f"/{SERVICE}/Say")(thing(text="x"))
    except grpc.aio.AioRpcError as error:
        return error


async def test_a_rule_answers_for_a_target_that_is_down(tmp_path: Path, nowhere: Address) -> None:
    (tmp_path / "default.binpb").write_bytes(thing(text="default"))
    path = tmp_path / "rules.toml"
    path.write_text(RULES)
    options: dict[str, Any] = {"target": nowhere, "rules": (path,), "breaker": 2}
    async with running_mirror() as mirror, running_instance(mirror, **options) as loom:
        for _ in range(3):
            assert await say(loom) == thing(text="default")
        await loom.ended.wait(3)
        assert loom.loom.breaker is not None
        assert loom.loom.breaker.snapshot()["state"] == "open"  # what really failed counts
        calls = [loom.loom.history.get(number) for number in (1, 3)]
    for call, reason in zip(calls, ("could not reach", "breaker"), strict=True):
        assert call is not None
        assert (call.status and call.status.name, call.ended_by) == ("OK", EndedBy.LOOM)
        assert call.trailing_metadata == (("x-fallback", "yes"),)
        [status] = [item for item in call.interceptions if item.point is Point.STATUS]
        assert status.status is not None
        assert status.status.name == "UNAVAILABLE"
        assert reason in status.status.message


async def test_a_fault_at_the_trailers_is_what_a_client_gets_of_a_target_that_is_down(
    nowhere: Address,
) -> None:
    flags = ("method:Say :: status=DATA_LOSS; message=injected; at=trailers",)
    async with running_mirror() as mirror, running_instance(mirror, target=nowhere, fault=flags) as loom:
        error = await say(loom)
        await loom.ended.wait(1)
        call = loom.loom.history.get(1)
    assert (error.code(), error.details()) == (grpc.StatusCode.DATA_LOSS, "injected")
    assert call is not None
    assert call.acted == ((ActionKind.FAULT, "--fault 1"),)


async def test_a_rule_elsewhere_leaves_the_status_of_a_target_that_is_down(nowhere: Address) -> None:
    flags = ("method:Say :: delay=1ms; at=response 1",)
    async with running_mirror() as mirror, running_instance(mirror, target=nowhere, fault=flags) as loom:
        error = await say(loom)
        await loom.ended.wait(1)
        call = loom.loom.history.get(1)
    assert error.code() is grpc.StatusCode.UNAVAILABLE
    assert call is not None
    assert (call.ended_by, call.note) == (EndedBy.LOOM, error.details())
