"""Real gRPC calls through the wire engine, compared with the same calls through the relay."""

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
from tests.support.call_observers import EndObserver
from tests.support.certificates import Authority
from tests.support.engines import running_engine
from tests.support.narrowing import required
from tests.support.raw_calls import stream_stream, unary_unary
from tests.support.zoo import SERVICE, UNLIMITED, Zoo, running_zoo


class Proxied:
    """An engine between a client's channel and the zoo, with a history behind it."""

    def __init__(self, zoo: Zoo, channel: grpc.aio.Channel, history: History, ended: EndObserver) -> None:
        self.zoo, self.channel, self.history, self._ended = zoo, channel, history, ended

    def call(self, method: str, **options: Any) -> Any:
        return stream_stream(self.channel, SERVICE + method)(**options)

    async def recorded(self, number: int = 1) -> Call:
        """The call of that number, once it has ended."""
        await self._ended.wait(number)
        call = self.history.get(number)
        assert call is not None
        return call


@asynccontextmanager
async def running_proxy(engine: str) -> AsyncIterator[Proxied]:
    history, ended = History(), EndObserver()
    async with (
        running_zoo() as zoo,
        running_engine(engine, Address("127.0.0.1", zoo.port), Recorder(history, [ended])) as running,
        grpc.aio.insecure_channel(f"127.0.0.1:{running.port}", options=UNLIMITED) as channel,
    ):
        yield Proxied(zoo, channel, history, ended)


async def finish(call: Any, *messages: bytes) -> list[bytes]:
    """Send these, half-close, and read to the end."""
    for message in messages:
        await call.write(message)
    await call.done_writing()
    received = []
    while (message := await call.read()) is not grpc.aio.EOF:
        received.append(message)
    return received


async def echo(loom: Proxied) -> None:
    call = loom.call("Echo", metadata=(("echo-a", "1"), ("echo-b-bin", b"\x00\xff")))
    assert await finish(call, b"one", b"", b"x" * 70_000)


async def error_status(loom: Proxied) -> None:
    call = loom.call(
        "Status", metadata=(("zoo-code", "5"), ("zoo-message-bin", "no söck".encode()), ("zoo-details", "1"))
    )
    with contextlib.suppress(grpc.aio.InternalError):  # the status may be there before the half-close
        await call.done_writing()
    assert await call.code() is grpc.StatusCode.NOT_FOUND


async def unknown_method(loom: Proxied) -> None:
    call = loom.call("Nowhere")
    with contextlib.suppress(grpc.aio.InternalError):
        await call.done_writing()
    assert await call.code() is grpc.StatusCode.UNIMPLEMENTED


async def cancellation(loom: Proxied) -> None:
    call = loom.call("Echo")
    await call.write(b"one")
    await call.read()
    call.cancel()


async def deadline(loom: Proxied) -> None:
    call = loom.call("Hang", timeout=0.2)
    await call.write(b"one")
    assert await call.code() is grpc.StatusCode.DEADLINE_EXCEEDED


TRAFFIC = (echo, error_status, unknown_method, cancellation, deadline)

CONNECTION_KEYS = {"content-type", "te", "accept-encoding", "user-agent"} | {
    f"grpc-{key}" for key in ("encoding", "accept-encoding", "timeout")
}
"""Metadata of a connection, which the relay does not forward: docs/explanation/transparency.md."""


def comparable(call: Call) -> dict[str, Any]:
    """The properties of a call in which both engines agree."""

    def custom(metadata: Any) -> list[Any]:
        return sorted(item for item in metadata or () if item[0] not in CONNECTION_KEYS)

    return {
        "method": call.method,
        "status": call.status,
        "ended_by": call.ended_by,
        "request": custom(call.request_metadata),
        "initial": custom(call.initial_metadata),
        "trailing": custom(call.trailing_metadata),
        "up": [message.data for message in call.messages if message.direction is Direction.REQUEST],
        "down": [message.data for message in call.messages if message.direction is Direction.RESPONSE],
        # A status that comes early races with the half-close.
        "half_closed": call.half_closed_ns is not None or required(call.status).code != StatusCode.OK,
        "deadline": call.deadline_ns is not None,
    }


@pytest.mark.parametrize("traffic", TRAFFIC)
async def test_both_engines_record_the_same_call(traffic: Any) -> None:
    calls = []
    for engine in ("relay", "wire"):
        async with running_proxy(engine) as loom:
            await traffic(loom)
            calls.append(comparable(await loom.recorded()))
    relay, wire = calls
    for call in calls:  # the wording of Loom's own messages may differ
        status = call["status"]
        call["status"] = (status.code, status.message if call["ended_by"] is EndedBy.BACKEND else "")
    assert wire == relay


async def test_a_call_is_live_while_it_runs() -> None:
    async with running_proxy("wire") as loom:
        call = loom.call("Echo")
        await call.write(b"one")
        assert await call.read() == b"one"
        recorded = required(loom.history.get(1))
        assert recorded.request_messages == 1
        assert recorded.ended_ns is None
        assert await finish(call) == []
        assert required((await loom.recorded()).status).code == StatusCode.OK


async def test_fields_that_only_the_wire_engine_records() -> None:
    async with running_proxy("wire") as loom:
        call = stream_stream(loom.channel, SERVICE + "Echo")(compression=grpc.Compression.Gzip)
        await finish(call, b"a" * 5000)
        recorded = await loom.recorded()
    assert recorded.authority.startswith("127.0.0.1:")
    assert str(dict(recorded.request_metadata)["user-agent"]).startswith("grpc-python-asyncio/")
    assert recorded.content_type == "application/grpc"
    assert recorded.wire["request_encoding"] == "gzip"
    first = required(recorded.messages.get(0))
    assert (first.compressed, first.encoding) == (True, "gzip")
    assert first.size < 500


async def test_200_concurrent_streams() -> None:
    async with running_proxy("wire") as loom:
        results = await asyncio.gather(*(finish(loom.call("Echo"), b"%d" % number) for number in range(200)))
        assert results == [[b"%d" % number] for number in range(200)]
        for number in range(1, 201):
            assert (await loom.recorded(number)).response_bytes > 0


async def test_tls_on_both_sides(tmp_path: Any) -> None:
    authority = Authority(tmp_path)
    listener, backend, client = (
        authority.issue("loom", "localhost"),
        authority.issue("zoo", "backend.test"),
        authority.issue("me"),
    )
    credentials = grpc.ssl_server_credentials(
        [(backend.key, backend.cert)], authority.cert, require_client_auth=True
    )
    history, ended = History(), EndObserver()
    async with running_zoo(credentials=credentials) as zoo:
        engine = WireEngine(
            Address("127.0.0.1", 0),
            Address("127.0.0.1", zoo.port),
            Recorder(history, [ended]),
            CallIds(),
            server_tls=ServerTls(listener.cert, listener.key, authority.cert),
            target_tls=TargetTls(authority.cert, client.cert, client.key, "backend.test"),
        )
        await engine.start()
        own = grpc.ssl_channel_credentials(authority.cert, client.key, client.cert)
        options = [("grpc.ssl_target_name_override", "localhost")]
        async with grpc.aio.secure_channel(f"127.0.0.1:{engine.port}", own, options=options) as channel:
            assert await unary_unary(channel, SERVICE + "Unary")(b"hello") == b"hello"
        await ended.wait(1)
        assert required(history.get(1)).response_bytes == 5
        await engine.stop(0)


async def test_a_target_with_a_certificate_for_another_name(tmp_path: Any) -> None:
    authority = Authority(tmp_path)
    pair = authority.issue("zoo", "backend.test")
    history, ended = History(), EndObserver()
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
                await unary_unary(channel, SERVICE + "Unary")(b"hello")
            assert raised.value.code() is grpc.StatusCode.UNAVAILABLE
        await ended.wait(1)
        assert "other.test" in required(history.get(1)).note
        await engine.stop(0)
