"""Real gRPC through the wire engine, and beside it the same through the relay."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import grpc
import grpc.aio
import pytest

from loom.model import Address, Call, CallIds, Direction, EndedBy, StatusCode
from loom.proxy.engine import ServerTls, TargetTls
from loom.proxy.wire import WireEngine
from loom.recording.history import History
from loom.recording.recorder import Recorder
from tests.support.certificates import Authority
from tests.support.engines import running_engine
from tests.support.waiting import Ended
from tests.support.zoo import SERVICE, UNLIMITED, Zoo, running_zoo


class Watched:
    """An engine between a client's channel and the zoo, with a history behind it."""

    def __init__(self, zoo: Zoo, channel: grpc.aio.Channel, history: History, ended: Ended) -> None:
        self.zoo, self.channel, self.history, self._ended = zoo, channel, history, ended

    def call(self, method: str, **options: Any) -> Any:
        return self.channel.stream_stream(SERVICE + method)(**options)

    async def recorded(self, number: int = 1) -> Call:
        """The call of that number, once it has ended."""
        await self._ended.wait(number)
        found = self.history.get(number)
        assert found is not None
        return found


@asynccontextmanager
async def watched(engine: str) -> AsyncIterator[Watched]:
    history, ended = History(), Ended()
    async with (
        running_zoo() as zoo,
        running_engine(engine, Address("127.0.0.1", zoo.port), Recorder(history, [ended])) as between,
        grpc.aio.insecure_channel(f"127.0.0.1:{between.port}", options=UNLIMITED) as channel,
    ):
        yield Watched(zoo, channel, history, ended)


async def finish(call: Any, *messages: bytes) -> list[bytes]:
    """Send these, half-close, and read to the end."""
    for message in messages:
        await call.write(message)
    await call.done_writing()
    received = []
    while (message := await call.read()) is not grpc.aio.EOF:
        received.append(message)
    return received


async def echo(loom: Watched) -> None:
    call = loom.call("Echo", metadata=(("echo-a", "1"), ("echo-b-bin", b"\x00\xff")))
    assert await finish(call, b"one", b"", b"x" * 70_000)


async def fails(loom: Watched) -> None:
    call = loom.call(
        "Status", metadata=(("zoo-code", "5"), ("zoo-message-bin", "no söck".encode()), ("zoo-details", "1"))
    )
    with contextlib.suppress(grpc.aio.InternalError):  # the status may be there before the half-close
        await call.done_writing()
    assert await call.code() is grpc.StatusCode.NOT_FOUND


async def unknown(loom: Watched) -> None:
    call = loom.call("Nowhere")
    with contextlib.suppress(grpc.aio.InternalError):
        await call.done_writing()
    assert await call.code() is grpc.StatusCode.UNIMPLEMENTED


async def cancelled(loom: Watched) -> None:
    call = loom.call("Echo")
    await call.write(b"one")
    await call.read()
    call.cancel()


async def past_deadline(loom: Watched) -> None:
    call = loom.call("Hang", timeout=0.2)
    await call.write(b"one")
    assert await call.code() is grpc.StatusCode.DEADLINE_EXCEEDED


TRAFFIC = (echo, fails, unknown, cancelled, past_deadline)

CONNECTION_OWN = {"content-type", "te", "accept-encoding", "user-agent"} | {
    f"grpc-{key}" for key in ("encoding", "accept-encoding", "timeout")
}
"""Metadata that the relay cannot see, or makes anew: docs/transparency.md."""


def outline(call: Call) -> dict[str, Any]:
    """What both engines must agree on."""

    def own(metadata: Any) -> list[Any]:
        return sorted(item for item in metadata or () if item[0] not in CONNECTION_OWN)

    return {
        "method": call.method,
        "status": call.status,
        "ended_by": call.ended_by,
        "request": own(call.request_metadata),
        "initial": own(call.initial_metadata),
        "trailing": own(call.trailing_metadata),
        "up": [message.data for message in call.messages if message.direction is Direction.REQUEST],
        "down": [message.data for message in call.messages if message.direction is Direction.RESPONSE],
        # A status that comes early races with the half-close.
        "half_closed": call.half_closed_ns is not None or call.status.code != StatusCode.OK,
        "deadline": call.deadline_ns is not None,
    }


@pytest.mark.parametrize("traffic", TRAFFIC)
async def test_the_same_traffic_gives_the_same_call(traffic: Any) -> None:
    found = []
    for engine in ("relay", "wire"):
        async with watched(engine) as loom:
            await traffic(loom)
            found.append(outline(await loom.recorded()))
    relay, wire = found
    for call in (relay, wire):  # what Loom says itself, it may say in other words
        status = call["status"]
        call["status"] = (status.code, status.message if call["ended_by"] is EndedBy.BACKEND else "")
    assert wire == relay


async def test_a_call_is_live_while_it_runs() -> None:
    async with watched("wire") as loom:
        call = loom.call("Echo")
        await call.write(b"one")
        assert await call.read() == b"one"
        recorded = loom.history.get(1)
        assert recorded.request_messages == 1
        assert recorded.ended_ns is None
        assert await finish(call) == []
        assert (await loom.recorded()).status.code == StatusCode.OK


async def test_what_only_the_wire_knows() -> None:
    async with watched("wire") as loom:
        call = loom.channel.stream_stream(SERVICE + "Echo")(compression=grpc.Compression.Gzip)
        await finish(call, b"a" * 5000)
        recorded = await loom.recorded()
    assert recorded.authority.startswith("127.0.0.1:")
    assert dict(recorded.request_metadata)["user-agent"].startswith("grpc-python-asyncio/")
    assert recorded.content_type == "application/grpc"
    assert recorded.wire["request_encoding"] == "gzip"
    first = recorded.messages.get(0)
    assert (first.compressed, first.encoding) == (True, "gzip")
    assert first.size < 500


async def test_two_hundred_streams_at_once() -> None:
    async with watched("wire") as loom:
        results = await asyncio.gather(*(finish(loom.call("Echo"), b"%d" % number) for number in range(200)))
        assert results == [[b"%d" % number] for number in range(200)]
        for number in range(1, 201):
            assert (await loom.recorded(number)).response_bytes > 0


async def test_tls_on_both_sides(tmp_path: Any) -> None:
    authority = Authority(tmp_path)
    listener, backend, own = (
        authority.issue("loom", "localhost"),
        authority.issue("zoo", "backend.test"),
        authority.issue("me"),
    )
    credentials = grpc.ssl_server_credentials(
        [(backend.key, backend.cert)], authority.cert, require_client_auth=True
    )
    history, ended = History(), Ended()
    async with running_zoo(credentials=credentials) as zoo:
        engine = WireEngine(
            Address("127.0.0.1", 0),
            Address("127.0.0.1", zoo.port),
            Recorder(history, [ended]),
            CallIds(),
            server_tls=ServerTls(listener.cert, listener.key, authority.cert),
            target_tls=TargetTls(authority.cert, own.cert, own.key, "backend.test"),
        )
        await engine.start()
        shown = grpc.ssl_channel_credentials(authority.cert, own.key, own.cert)
        options = [("grpc.ssl_target_name_override", "localhost")]
        async with grpc.aio.secure_channel(f"127.0.0.1:{engine.port}", shown, options=options) as channel:
            assert await channel.unary_unary(SERVICE + "Unary")(b"hello") == b"hello"
        await ended.wait(1)
        assert history.get(1).response_bytes == 5
        await engine.stop(0)


async def test_a_target_whose_certificate_is_for_another_name(tmp_path: Any) -> None:
    authority = Authority(tmp_path)
    pair = authority.issue("zoo", "backend.test")
    history, ended = History(), Ended()
    async with running_zoo(credentials=grpc.ssl_server_credentials([(pair.key, pair.cert)])) as zoo:
        engine = WireEngine(
            Address("127.0.0.1", 0),
            Address("127.0.0.1", zoo.port),
            Recorder(history, [ended]),
            CallIds(),
            server_tls=None,
            target_tls=TargetTls(authority.cert, server_name="other.test"),
        )
        await engine.start()
        async with grpc.aio.insecure_channel(f"127.0.0.1:{engine.port}") as channel:
            with pytest.raises(grpc.aio.AioRpcError) as raised:
                await channel.unary_unary(SERVICE + "Unary")(b"hello")
            assert raised.value.code() is grpc.StatusCode.UNAVAILABLE
        await ended.wait(1)
        assert "other.test" in history.get(1).note
        await engine.stop(0)
