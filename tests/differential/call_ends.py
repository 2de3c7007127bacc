"""The ways in which a call can end, each made to happen in a call whose backend has answered once.

Nobody else does anything meanwhile, so that the order of events is known: whose end came first, and with which status
Loom has to record it. A capture shows the same order.
"""

import asyncio
import contextlib
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import grpc.aio

from loom.model import Address, CallEnded, EndedBy, StatusCode
from loom.proxy.engine import Engine
from tests.support.engines import running_engine
from tests.support.h2peer import H2Peer, H2Stream, h2_backend, h2_client
from tests.support.raw_calls import stream_stream
from tests.support.sinks import ListSink

from .traffic import PLAN_KEY

ROOT = Path(__file__).parents[2]
_SERVICE = "/zoo.Zoo/"
_ANSWER_BYTES = 6  # of the message "x" with its prefix
_DEADLINE = 0.5  # seconds
_CANCEL, _ENHANCE_YOUR_CALM = 8, 11  # HTTP/2 error codes
_CLIENT = f"""
import asyncio, sys, grpc.aio
async def main():
    async with grpc.aio.insecure_channel(sys.argv[1]) as channel:
        call = channel.stream_stream("{_SERVICE}Echo")(metadata=[("{PLAN_KEY}", sys.argv[2])])
        await call.write(b"x")
        await call.read()
        print("answered", flush=True)
        await asyncio.Event().wait()
asyncio.run(main())
"""

Recorded = tuple[StatusCode, EndedBy]
CLIENT_CANCELLED = (StatusCode.CANCELLED, EndedBy.CLIENT)
BACKEND_LOST = (StatusCode.UNAVAILABLE, EndedBy.BACKEND)
DEADLINE_PASSED = (StatusCode.DEADLINE_EXCEEDED, EndedBy.DEADLINE)
LOOM_ENDED = (StatusCode.UNAVAILABLE, EndedBy.LOOM)


async def _answered(client: H2Peer, number: int, *extra: tuple[str, str]) -> H2Stream:
    """An open call that has been answered once."""
    stream = client.call(_SERVICE + "Echo", (PLAN_KEY, str(number)), *extra)
    stream.send_message(b"x")
    await stream.until_data(_ANSWER_BYTES)
    return stream


async def _reset(port: int, number: int) -> None:
    async with h2_client(port) as client:
        stream = await _answered(client, number)
        stream.reset(_CANCEL)
        await _pong(client)


async def _pong(client: H2Peer) -> None:
    """Wait until Loom has read everything that the client has sent."""
    client.h2.ping(bytes(8))
    client.flush()
    await client.ponged(1)


async def _fin(port: int, number: int) -> None:
    async with h2_client(port) as client:
        await _answered(client, number)
        client.finish()


async def _tcp_reset(port: int, number: int) -> None:
    async with h2_client(port) as client:
        await _answered(client, number)
        client.abort()


async def _goaway(port: int, number: int) -> None:
    async with h2_client(port) as client:
        await _answered(client, number)
        client.h2.close_connection(_ENHANCE_YOUR_CALM)
        client.flush()
        client.finish()


async def _killed_client(port: int, number: int) -> None:
    async with _process("-c", _CLIENT, f"127.0.0.1:{port}", str(number)) as client:
        assert client.stdout is not None
        await client.stdout.readline()
        client.kill()


async def _deadline_of_a_silent_client(port: int, number: int) -> None:
    async with h2_client(port) as client:
        stream = await _answered(client, number, ("grpc-timeout", f"{_DEADLINE * 1000:.0f}m"))
        await stream.until("end", "reset", "lost")


async def _deadline(port: int, number: int) -> None:
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        call = stream_stream(channel, _SERVICE + "Echo")(
            timeout=_DEADLINE, metadata=[(PLAN_KEY, str(number))]
        )
        await call.code()


async def _status(port: int, number: int) -> None:
    async with h2_client(port) as client:
        stream = client.call(_SERVICE + "Early", (PLAN_KEY, str(number)))
        await stream.until("end", "reset", "lost")


Way = Callable[[int, int], Awaitable[None]]

CLIENT_WAYS: dict[str, tuple[Way, Recorded]] = {
    "the client's reset": (_reset, CLIENT_CANCELLED),
    "the client's FIN": (_fin, CLIENT_CANCELLED),
    "the client's RST": (_tcp_reset, CLIENT_CANCELLED),
    "the client's GOAWAY": (_goaway, CLIENT_CANCELLED),
    "the client's kill -9": (_killed_client, CLIENT_CANCELLED),
    "the deadline, known to both": (_deadline, DEADLINE_PASSED),
    "the deadline, of a silent client": (_deadline_of_a_silent_client, DEADLINE_PASSED),
    "the backend's status": (_status, (StatusCode.PERMISSION_DENIED, EndedBy.BACKEND)),
}
"""Ways that any backend takes: what makes the call of that number end, and what is to be recorded."""


def _backend_resets(stream: H2Stream) -> None:
    stream.reset(_CANCEL)


def _backend_finishes(stream: H2Stream) -> None:
    stream.peer.finish()


def _backend_aborts(stream: H2Stream) -> None:
    stream.peer.abort()


def _backend_goes_away(stream: H2Stream) -> None:
    stream.peer.h2.close_connection(_ENHANCE_YOUR_CALM)
    stream.peer.flush()
    stream.peer.finish()


BACKEND_WAYS: dict[str, tuple[Callable[[H2Stream], None], Recorded]] = {
    "the backend's reset": (_backend_resets, (StatusCode.CANCELLED, EndedBy.BACKEND)),
    "the backend's FIN": (_backend_finishes, BACKEND_LOST),
    "the backend's RST": (_backend_aborts, BACKEND_LOST),
    "the backend's GOAWAY": (_backend_goes_away, BACKEND_LOST),
}
"""Ways that a backend without a gRPC library takes, after it has answered once."""


@dataclass
class Backend:
    """A backend of some gRPC library, in a process of its own."""

    port: int
    process: asyncio.subprocess.Process


@asynccontextmanager
async def _process(
    *arguments: str, program: str = sys.executable
) -> AsyncIterator[asyncio.subprocess.Process]:
    """A program in the root directory, killed at the end of the block if it still runs."""
    running = await asyncio.create_subprocess_exec(
        *(program, *arguments), cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    )
    try:
        yield running
    finally:
        with contextlib.suppress(ProcessLookupError):
            running.send_signal(signal.SIGKILL)
        await running.communicate()


@asynccontextmanager
async def python_backend() -> AsyncIterator[Backend]:
    """grpcio's server."""
    async with _process("-m", "tests.support.zoo") as running:
        assert running.stdout is not None
        yield Backend(int(await running.stdout.readline()), running)


@asynccontextmanager
async def go_backend(program: str) -> AsyncIterator[Backend]:
    """grpc-go's server, in the program of tests/interop/go."""
    async with _process("backend", program=program) as running:
        assert running.stdout is not None
        yield Backend(int(await running.stdout.readline()), running)


async def end_each_way(between: Engine, sink: ListSink, backend: Backend) -> dict[str, CallEnded]:
    """A call for each way of the client's, and at last one whose backend is killed; the ends that are recorded.

    The calls are numbered in this order.
    """
    ends: dict[str, CallEnded] = {}
    for number, (name, (way, _)) in enumerate(CLIENT_WAYS.items()):
        await way(between.port, number)
        ends[name] = (await sink.ended(number + 1))[number]
    number = len(ends)
    async with h2_client(between.port) as client:
        await _answered(client, number)
        backend.process.kill()
        ends["the backend's kill -9"] = (await sink.ended(number + 1))[number]
    return ends


async def end_each_way_of_a_bare_backend(engine: str) -> dict[str, CallEnded]:
    """A call for each way of a bare backend, and one that Loom ends; the ends that are recorded."""
    ways = [way for way, _ in BACKEND_WAYS.values()]

    async def behave(stream: H2Stream) -> None:
        number = int(stream.header(PLAN_KEY)[0])
        stream.send_headers([(":status", "200"), ("content-type", "application/grpc")])
        await stream.until_data(_ANSWER_BYTES)
        stream.send_message(b"x")
        await stream.until_data(2 * _ANSWER_BYTES)  # the client has read the answer
        ways[number](stream)

    sink = ListSink()
    ends: dict[str, CallEnded] = {}
    async with (
        h2_backend(behave) as backend,
        running_engine(engine, Address("127.0.0.1", backend.port), sink) as between,
    ):
        for number, name in enumerate(BACKEND_WAYS):
            async with h2_client(between.port) as client:
                stream = await _answered(client, number)
                stream.send_message(b"y")
                ends[name] = (await sink.ended(number + 1))[number]
        number = len(ends)
        async with h2_client(between.port) as client:
            await _answered(client, number)
            await between.stop(0)
            ends["Loom's stop"] = (await sink.ended(number + 1))[number]
    return ends


async def end_by_refusal(engine: str) -> CallEnded:
    """A call to a target that is not there; the end that is recorded."""
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        sink = ListSink()
        async with (
            running_engine(engine, Address("127.0.0.1", unused.getsockname()[1]), sink) as between,
            h2_client(between.port) as client,
        ):
            stream = client.call(_SERVICE + "Echo")
            await stream.until("end", "reset", "lost")
            return (await sink.ended())[0]
