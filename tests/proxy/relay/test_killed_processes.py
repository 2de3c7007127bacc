"""Clients and targets that are killed (kill -9) during calls: what is recorded, and that no call stays open."""

import asyncio
import contextlib
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import grpc
import grpc.aio

from loom.model import Address, CallEnded, CallStarted, EndedBy, StatusCode
from tests.support.raw_calls import stream_stream, unary_unary
from tests.support.sinks import ListSink
from tests.support.zoo import SERVICE, Zoo

from .conftest import running_relay

ROOT = Path(__file__).parents[3]
CALLS = 10
CLIENT = f"""
import asyncio, sys, grpc.aio
async def main():
    async with grpc.aio.insecure_channel(sys.argv[1]) as channel:
        calls = [channel.stream_stream("{SERVICE}" + method)() for method in ["Hang", "Echo"] * {CALLS // 2}]
        await asyncio.gather(*(call.write(b"x") for call in calls))
        await asyncio.Event().wait()
asyncio.run(main())
"""


@asynccontextmanager
async def process(*arguments: str) -> AsyncIterator[asyncio.subprocess.Process]:
    """A Python process in the root directory, killed at the end of the block if it still runs."""
    running = await asyncio.create_subprocess_exec(
        *(sys.executable, *arguments),
        cwd=ROOT,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        yield running
    finally:
        if running.returncode is None:
            running.kill()
        await running.communicate()


async def listening_port(backend: asyncio.subprocess.Process) -> int:
    assert backend.stdout is not None
    return int(await backend.stdout.readline())


async def test_a_target_that_is_killed_and_restarted() -> None:
    sink = ListSink()
    async with asyncio.timeout(60), process("-m", "tests.support.zoo") as first:
        port = await listening_port(first)
        async with (
            running_relay(Address("127.0.0.1", port), sink) as (engine, target),
            grpc.aio.insecure_channel(f"127.0.0.1:{engine.port}") as channel,
        ):
            calls = [stream_stream(channel, SERVICE + "Echo")() for _ in range(CALLS)]
            for call in calls:
                await call.write(b"x")
                assert await call.read() == b"x"
            first.kill()
            assert {await call.code() for call in calls} == {grpc.StatusCode.UNAVAILABLE}
            for end in await sink.ended(CALLS):
                assert (end.status.code, end.ended_by) == (StatusCode.UNAVAILABLE, EndedBy.BACKEND)
                assert "connection to the target was lost" in end.note
            async with process("-m", "tests.support.zoo", str(port)) as second:
                await listening_port(second)
                answer = b""
                while answer != b"back":
                    with contextlib.suppress(grpc.aio.AioRpcError):
                        answer = await unary_unary(channel, SERVICE + "Unary")(b"back")
                assert target.state == "ready"
            assert not engine._calls


async def test_clients_that_are_killed(zoo: Zoo) -> None:
    sink = ListSink()
    async with (
        asyncio.timeout(60),
        running_relay(Address("127.0.0.1", zoo.port), sink) as (engine, _),
    ):
        for round_ in range(1, 4):
            async with process("-c", CLIENT, f"127.0.0.1:{engine.port}") as client:
                await sink.until(lambda: len(sink.of(CallStarted)) == CALLS * round_)  # noqa: B023 (awaited here)
                client.kill()
            ends = await sink.ended(CALLS * round_)
            assert {(end.status.code, end.ended_by) for end in ends} == {
                (StatusCode.CANCELLED, EndedBy.CLIENT)
            }
        assert len(sink.of(CallEnded)) == len(sink.of(CallStarted))
        assert not engine._calls
