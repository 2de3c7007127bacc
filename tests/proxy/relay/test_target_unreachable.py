"""Targets that are unreachable, return, or answer UNAVAILABLE."""

import asyncio
import socket
from typing import Any

import grpc
import grpc.aio
import pytest

from loom.errors import StartError
from loom.model import Address, CallStarted, EndedBy, StatusCode
from loom.proxy.breaker import Breaker, State
from loom.proxy.target import Target, channel_options
from tests.support.raw_calls import stream_stream, unary_unary
from tests.support.sinks import ListSink
from tests.support.zoo import SERVICE, Zoo, running_zoo

from .conftest import METADATA_LIMIT, running_relay


def state_of(breaker: Breaker) -> State:
    """The state now; an attribute would be taken for unchanged by the type checker."""
    return breaker.state


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


async def unary(channel: grpc.aio.Channel, **options: Any) -> grpc.aio.AioRpcError | bytes:
    try:
        return await unary_unary(channel, SERVICE + "Unary")(b"x", **options)
    except grpc.aio.AioRpcError as error:
        return error


async def until_reached(channel: grpc.aio.Channel) -> None:
    async with asyncio.timeout(10):
        while await unary(channel) != b"x":
            pass


async def until_reported(breaker: Breaker) -> None:
    reported = asyncio.Event()
    breaker.on_state(lambda _state: reported.set())
    await reported.wait()


async def test_a_target_that_is_down() -> None:
    sink, port = ListSink(), free_port()
    async with (
        running_relay(Address("127.0.0.1", port), sink) as (engine, target),
        grpc.aio.insecure_channel(f"127.0.0.1:{engine.port}") as channel,
    ):
        error = await unary(channel)
        assert isinstance(error, grpc.aio.AioRpcError)
        assert error.code() is grpc.StatusCode.UNAVAILABLE
        assert str(error.details()).startswith(f"Loom could not reach the target 127.0.0.1:{port}: ")
        assert "Connection refused" in str(error.details())
        assert "Connection refused" in target.error
        assert target.state == "down"
    end = (await sink.ended())[0]
    assert (end.status.code, end.ended_by) == (StatusCode.UNAVAILABLE, EndedBy.LOOM)
    assert end.status.message == error.details()
    assert end.note == error.details()
    assert sink.of(CallStarted)[0].method == "/zoo.Zoo/Unary"


async def test_unavailable_from_the_backend_is_attributed_to_the_backend(zoo: Zoo) -> None:
    sink = ListSink()
    breaker = Breaker(threshold=1)
    metadata = (("zoo-code", "14"), ("zoo-message-bin", b"failed to connect to all addresses"))
    async with (
        running_relay(Address("127.0.0.1", zoo.port), sink, breaker=breaker) as (engine, target),
        grpc.aio.insecure_channel(f"127.0.0.1:{engine.port}") as channel,
    ):
        for _ in range(50):
            call = stream_stream(channel, SERVICE + "Status")(metadata=metadata)
            assert await call.code() is grpc.StatusCode.UNAVAILABLE
            assert await call.details() == "failed to connect to all addresses"
        assert target.error == ""
        assert target.state == "ready"
    assert {end.ended_by for end in await sink.ended(50)} == {EndedBy.BACKEND}
    assert state_of(breaker) is State.CLOSED


async def test_the_breaker_opens_refuses_and_closes() -> None:
    sink, port = ListSink(), free_port()
    breaker = Breaker(threshold=3, pause=0.2)
    async with (
        running_relay(Address("127.0.0.1", port), sink, breaker=breaker) as (engine, _),
        grpc.aio.insecure_channel(f"127.0.0.1:{engine.port}") as channel,
    ):
        for _ in range(3):
            error = await unary(channel)
            assert "Loom could not reach" in str(error)
        assert state_of(breaker) is State.OPEN
        error = await unary(channel)
        assert isinstance(error, grpc.aio.AioRpcError)
        assert error.code() is grpc.StatusCode.UNAVAILABLE
        assert "Loom's circuit breaker is open" in str(error.details())
        assert "Connection refused" in str(error.details())
        end = (await sink.ended(4))[3]
        assert (end.status.code, end.ended_by) == (StatusCode.UNAVAILABLE, EndedBy.LOOM)
        async with running_zoo(port):
            await until_reached(channel)
        assert state_of(breaker) is State.CLOSED


async def test_a_cancelled_probe_does_not_block_the_breaker() -> None:
    """The target's backlog is full, so that the probe's connection neither fails nor succeeds."""
    sink = ListSink()
    now = 0.0
    breaker = Breaker(threshold=1, pause=1.0, clock=lambda: now)
    with socket.socket() as unresponsive:
        unresponsive.bind(("127.0.0.1", 0))
        unresponsive.listen(0)
        async with (
            running_relay(Address("127.0.0.1", unresponsive.getsockname()[1]), sink, breaker=breaker) as (
                engine,
                _,
            ),
            grpc.aio.insecure_channel(f"127.0.0.1:{engine.port}") as channel,
        ):
            permit = breaker.admit()
            assert permit is not None
            permit.record_failure()
            now += 1.0
            call = stream_stream(channel, SERVICE + "Unary")()
            await sink.until(lambda: breaker.state is State.HALF_OPEN and len(sink.of(CallStarted)) == 1)
            call.cancel()
            await until_reported(breaker)
            assert breaker.admit() is not None


async def test_a_target_that_returns_is_reached() -> None:
    """From the view of a client that retries, with the default breaker."""
    sink, port = ListSink(), free_port()
    async with (
        running_relay(Address("127.0.0.1", port), sink, breaker=Breaker()) as (engine, target),
        grpc.aio.insecure_channel(f"127.0.0.1:{engine.port}") as channel,
    ):
        loop = asyncio.get_running_loop()
        down_until = loop.time() + 3
        while loop.time() < down_until:
            assert await unary(channel) != b"x"
        async with running_zoo(port):
            await until_reached(channel)
        assert target.error == ""


def test_connection_attempts_follow_each_other_closely() -> None:
    """By default grpcio backs off for up to two minutes."""
    options = dict(channel_options(METADATA_LIMIT))
    assert int(options["grpc.initial_reconnect_backoff_ms"]) <= 100
    assert int(options["grpc.max_reconnect_backoff_ms"]) <= 1_000
    assert int(options["grpc.dns_min_time_between_resolutions_ms"]) <= 1_000


async def test_an_unknown_target_host_is_reported_at_the_start() -> None:
    target = Target(Address("no-such-host.invalid", 1), None, None, METADATA_LIMIT)
    with pytest.raises(StartError, match=r"--target .*'no-such-host\.invalid' cannot be resolved"):
        await target.check()
