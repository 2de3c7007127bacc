"""Keepalive: a peer that is frozen (SIGSTOP), whose kernel still answers for it."""

import asyncio
import signal

import grpc
import grpc.aio
import pytest

from loom.model import Address, EndedBy, StatusCode
from loom.proxy.target import connection_options, keepalive_options
from tests.support.raw_calls import stream_stream
from tests.support.sinks import ListSink
from tests.support.zoo import SERVICE, Zoo

from .conftest import running_relay
from .test_killed_processes import CALLS, CLIENT, listening_port, process

KEEPALIVE = 0.5  # seconds


async def test_a_frozen_backend_is_noticed() -> None:
    sink = ListSink()
    async with asyncio.timeout(60), process("-m", "tests.support.zoo") as backend:
        port = await listening_port(backend)
        async with (
            running_relay(Address("127.0.0.1", port), sink, keepalive=KEEPALIVE) as (engine, _),
            grpc.aio.insecure_channel(f"127.0.0.1:{engine.port}") as channel,
        ):
            call = stream_stream(channel, SERVICE + "Echo")()
            await call.write(b"x")
            assert await call.read() == b"x"
            backend.send_signal(signal.SIGSTOP)
            assert await call.code() is grpc.StatusCode.UNAVAILABLE
            assert "ping timeout" in str(await call.details())
            end = (await sink.ended())[0]
            assert (end.status.code, end.ended_by) == (StatusCode.UNAVAILABLE, EndedBy.BACKEND)
            assert end.note.startswith("the connection to the target was lost during the call")


async def test_a_frozen_client_is_noticed(zoo: Zoo) -> None:
    sink = ListSink()
    async with (
        asyncio.timeout(60),
        running_relay(Address("127.0.0.1", zoo.port), sink, keepalive=KEEPALIVE) as (engine, _),
        process("-c", CLIENT, f"127.0.0.1:{engine.port}") as client,
    ):
        calls = [await zoo.call(number) for number in range(CALLS)]
        hanging = [upstream for upstream in calls if upstream.method.endswith("Hang")]
        assert len(hanging) == CALLS // 2
        client.send_signal(signal.SIGSTOP)
        for upstream in hanging:
            await upstream.cancelled.wait()
        ends = await sink.ended(CALLS)
    assert {(end.status.code, end.ended_by) for end in ends} == {(StatusCode.CANCELLED, EndedBy.CLIENT)}


async def test_a_silent_call_outlives_many_pings(zoo: Zoo) -> None:
    sink = ListSink()
    async with (
        asyncio.timeout(60),
        running_relay(Address("127.0.0.1", zoo.port), sink, keepalive=0.8) as (engine, _),
        grpc.aio.insecure_channel(f"127.0.0.1:{engine.port}") as channel,
    ):
        # The answer to a ping is awaited as long as the interval: not too short for a busy machine.
        call = stream_stream(channel, SERVICE + "Echo")(timeout=4)
        assert await call.code() is grpc.StatusCode.DEADLINE_EXCEEDED


@pytest.mark.parametrize(("interval", "timeout_ms"), [(2.0, 2_000), (300.0, 20_000)])
def test_the_answer_is_awaited_as_long_as_the_interval_but_at_most_20_s(
    interval: float, timeout_ms: int
) -> None:
    options = dict(keepalive_options(interval))
    assert options["grpc.keepalive_time_ms"] == interval * 1000
    assert options["grpc.keepalive_timeout_ms"] == timeout_ms
    assert options["grpc.http2.ping_timeout_ms"] == timeout_ms


def test_by_default_nobody_is_pinged() -> None:
    assert keepalive_options(None) == []
    assert not [key for key, _ in connection_options() if "keepalive" in key]
