"""Every fault as a client meets it, over real servers."""

import asyncio
from pathlib import Path
from typing import Any

import grpc
import grpc.aio
import pytest
from google.protobuf.any_pb2 import Any as AnyMessage
from google.rpc import error_details_pb2, status_pb2

from loom.model.interception import Point
from tests.support.h2peer import h2_client
from tests.support.loom_instance import LoomInstance, running_instance
from tests.support.mirror import SERVICE, make, running_mirror, thing
from tests.support.raw_calls import stream_stream, unary_unary

ABORT = """
[[fault]]
name = "limited"
match = "method:Say"
status = "RESOURCE_EXHAUSTED"
message = "slow down"
details = [{ "@type" = "google.rpc.QuotaFailure", violations = [{ subject = "tenant" }] }]
trailers = { grpc-retry-pushback-ms = "250", x-quota = "7", a-bin = "AAE=" }
"""
DETAILS = """
[[fault]]
name = "typed"
match = "method:Say"
status = "ABORTED"
details = [{ "@type" = "mirror.v1.Thing", text = "typed" }]

[[rule]]
name = "typed at the end"
match = "method:Chat"
when = { point = "status" }
do = [{ status = "ABORTED", details = [{ "@type" = "mirror.v1.Thing", text = "typed" }] }]
"""


async def say(loom: LoomInstance, **options: Any) -> Any:
    """The answer, or the error."""
    try:
        return await unary_unary(loom.channel, f"/{SERVICE}/Say")(thing(text="x" * 64), **options)
    except grpc.aio.AioRpcError as error:
        return error


def rules(folder: Path, text: str) -> tuple[Path, ...]:
    path = folder / "rules.toml"
    path.write_text(text)
    return (path,)


def details_of(error: Any) -> list[AnyMessage]:
    trailers = dict(error.trailing_metadata())
    return list(status_pb2.Status.FromString(trailers["grpc-status-details-bin"]).details)


async def test_an_abort_has_message_details_and_trailers_alone(tmp_path: Path) -> None:
    async with running_mirror() as mirror, running_instance(mirror, rules=rules(tmp_path, ABORT)) as loom:
        error = await say(loom)
    assert (error.code(), error.details()) == (grpc.StatusCode.RESOURCE_EXHAUSTED, "slow down")
    trailers = dict(error.trailing_metadata())
    assert (trailers["grpc-retry-pushback-ms"], trailers["x-quota"], trailers["a-bin"]) == (
        "250",
        "7",
        b"\x00\x01",
    )
    [detail] = details_of(error)
    quota = error_details_pb2.QuotaFailure()
    assert detail.Unpack(quota)
    assert quota.violations[0].subject == "tenant"
    assert not error.initial_metadata()
    assert mirror.received == []


@pytest.mark.parametrize("described", [True, False])
async def test_details_may_be_of_types_of_the_calls_schema(tmp_path: Path, described: bool) -> None:
    path = rules(tmp_path, DETAILS)
    async with running_mirror(described=described) as mirror, running_instance(mirror, rules=path) as loom:
        error = await say(loom)
        stream = stream_stream(loom.channel, f"/{SERVICE}/Chat")()
        await stream.done_writing()
        code = await stream.code()
        assert loom.loom.interceptor is not None
        states = [active.state for active in loom.loom.interceptor.rules.active]
    assert error.code() is grpc.StatusCode.ABORTED
    if described:
        expected = make("Thing", text="typed").SerializeToString()
        [detail] = details_of(error)
        assert (detail.type_url, detail.value) == ("type.googleapis.com/mirror.v1.Thing", expected)
        assert code is grpc.StatusCode.ABORTED
        assert [state.failures for state in states] == [0, 0]
    else:
        assert "grpc-status-details-bin" not in dict(error.trailing_metadata())
        assert code is grpc.StatusCode.OK
        assert [state.failures for state in states] == [1, 1]
        assert any("mirror.v1.Thing" in state.last_error for state in states)


@pytest.mark.parametrize(
    ("fault", "code"),
    [
        ("oversize=5MiB", grpc.StatusCode.RESOURCE_EXHAUSTED),
        ("status=INTERNAL; at=response-metadata", grpc.StatusCode.INTERNAL),
        ("status=INTERNAL; at=half-close", grpc.StatusCode.INTERNAL),
        ("status=INTERNAL; at=request-metadata", grpc.StatusCode.INTERNAL),
        ("delay=5ms; at=request 1", grpc.StatusCode.OK),
        ("delay=5ms; status=ABORTED", grpc.StatusCode.ABORTED),
    ],
)
async def test_a_unary_client_gets(fault: str, code: grpc.StatusCode) -> None:
    flags = (f"method:Say :: {fault}",)
    async with (
        running_mirror() as mirror,
        running_instance(mirror, fault=flags) as loom,
        grpc.aio.insecure_channel(str(loom.loom.listen_address)) as channel,  # with the usual limits
    ):
        call = unary_unary(channel, f"/{SERVICE}/Say")(thing(text="x"))
        assert await call.code() is code


@pytest.mark.parametrize("count", [0, 2])
async def test_a_unary_call_has_too_few_or_too_many_responses(count: int) -> None:
    flags = (f"method:Say :: responses={count}",)
    async with running_mirror() as mirror, running_instance(mirror, fault=flags) as loom:
        stream = stream_stream(loom.channel, f"/{SERVICE}/Say")()  # a unary client takes one
        await stream.write(thing(text="x"))
        await stream.done_writing()
        assert [answer async for answer in stream] == [thing(text="x")] * count
        assert await stream.code() is grpc.StatusCode.OK


@pytest.mark.parametrize("how", ["flip", "truncate", "garbage"])
async def test_one_message_is_corrupted(how: str) -> None:
    flags = (f"method:Spread :: corrupt={how}; at=response 2",)
    async with running_mirror() as mirror, running_instance(mirror, fault=flags) as loom:
        stream = stream_stream(loom.channel, f"/{SERVICE}/Spread")()
        await stream.write(thing(text="hello"))
        await stream.done_writing()
        first, second, third = [answer async for answer in stream]
    assert first == third == thing(text="hello")
    assert second != first
    if how == "flip":
        assert sum((one ^ other).bit_count() for one, other in zip(first, second, strict=True)) == 1


async def test_a_delay_before_the_trailers_and_a_throttle_in_bytes_hold_what_they_say() -> None:
    flags = ("method:Say :: delay=200ms; at=trailers", "method:Spread :: throttle=200B/s")
    async with running_mirror() as mirror, running_instance(mirror, fault=flags) as loom:
        assert await say(loom) == thing(text="x" * 64)
        stream = stream_stream(loom.channel, f"/{SERVICE}/Spread")()
        await stream.write(thing(text="x" * 20))
        await stream.done_writing()
        assert len([answer async for answer in stream]) == 3
        await loom.ended.wait(2)
        delayed, throttled = (loom.loom.history.get(number) for number in (1, 2))
    assert delayed is not None
    assert throttled is not None
    [status] = delayed.interceptions
    assert (status.point, status.altered) == (Point.STATUS, False)
    assert status.held_ns >= 190_000_000
    assert sum(item.held_ns for item in throttled.interceptions) >= 150_000_000
    assert not throttled.modified


async def test_a_fault_is_active_until_its_delay_ends_and_counts_what_overflows() -> None:
    flags = ("method:Chat :: delay=20ms", "method:Say :: hang; max-active=1")
    async with running_mirror() as mirror, running_instance(mirror, fault=flags) as loom:
        assert loom.loom.interceptor is not None
        delay, hang = (active.state for active in loom.loom.interceptor.rules.active)
        stream = stream_stream(loom.channel, f"/{SERVICE}/Chat")()
        await stream.write(thing(text="one"))
        assert await stream.read() == thing(text="one")
        assert (delay.acted, delay.active) == (1, 0)  # while the stream is open
        await stream.done_writing()
        waiting = unary_unary(loom.channel, f"/{SERVICE}/Say")(thing(text="x"))
        async with asyncio.timeout(20):
            while hang.active == 0:
                await loom.get("/api/rules")
        assert await say(loom) == thing(text="x" * 64)
        assert (hang.active, hang.overflow, hang.acted) == (1, 1, 1)
        waiting.cancel()
        await loom.ended.wait(3)
        assert hang.active == 0


@pytest.mark.parametrize("at", ["start", "response-metadata"])
async def test_an_abort_ahead_of_any_answer_is_trailers_only(at: str) -> None:
    flags = (f"method:Say :: status=ABORTED; trailers=x-by: loom; at={at}",)
    async with (
        running_mirror() as mirror,
        running_instance(mirror, fault=flags) as loom,
        h2_client(loom.loom.listen_address.port) as client,
    ):
        stream = client.call(f"/{SERVICE}/Say")
        stream.send_message(thing(text="a"), end=True)
        await stream.until("end", "reset", "lost")
    assert "trailers" not in stream.names()
    assert {("grpc-status", "10"), ("x-by", "loom")} <= set(stream.headers())
