"""Stopping the wire engine: clients are asked to leave, and their calls go on."""

import asyncio
import contextlib

import grpc
import grpc.aio

from loom.model import Address, CallIds
from loom.proxy.wire import WireEngine
from loom.recording.history import History
from loom.recording.recorder import Recorder
from tests.proxy.wire import http2_bytes
from tests.proxy.wire.http2_bytes import PREFACE, Peer
from tests.support.raw_calls import stream_stream, unary_unary
from tests.support.sinks import ListSink
from tests.support.zoo import SERVICE, running_zoo

from .test_tunnel import Backend, close, connect, running_tunnel

GOAWAY = http2_bytes.frame(http2_bytes.GOAWAY, 0, 0, b"\x7f\xff\xff\xff" + bytes(4))


class Http2Connection:
    """A client's connection through Loom, and the target's end of it, byte by byte."""

    def __init__(self, backend: Backend, engine: WireEngine) -> None:
        self._backend, self._engine = backend, engine
        self.client, self.server = Peer(), Peer()

    async def open(self) -> None:
        self._reader, self._writer = await connect(self._engine.port)
        self._backend_reader, self._backend_writer = await self._backend.accept()

    async def to_backend(self, data: bytes) -> None:
        self._writer.write(data)
        assert await asyncio.wait_for(self._backend_reader.readexactly(len(data)), 20) == data

    async def to_client(self, data: bytes) -> None:
        self._backend_writer.write(data)
        await self.expect(data)

    async def expect(self, data: bytes) -> None:
        assert await asyncio.wait_for(self._reader.readexactly(len(data)), 20) == data

    async def end(self) -> bytes:
        """What the client still receives until the end of the connection."""
        rest = await asyncio.wait_for(self._reader.read(), 20)
        await close(self._writer, self._backend_writer)
        return rest


async def test_a_goaway_comes_between_two_frames_and_calls_that_cross_it_are_served() -> None:
    sink = ListSink()
    async with running_tunnel(sink) as (backend, engine):
        connection = Http2Connection(backend, engine)
        await connection.open()
        client, server = connection.client, connection.server
        await connection.to_backend(PREFACE + http2_bytes.settings() + client.request(1, end=True))
        data = http2_bytes.data(1, http2_bytes.message(b"x" * 100))
        await connection.to_client(http2_bytes.settings() + server.response(1) + data[:50])
        stopping = asyncio.create_task(engine.stop(20))
        await connection.to_client(data[50:60])  # still within the frame
        await connection.to_client(data[60:])
        await connection.expect(GOAWAY)
        await connection.to_backend(client.request(3, end=True))
        await connection.to_client(server.trailers(1))
        await connection.to_client(server.response(3) + server.trailers(3))
        await stopping
        assert await connection.end() == b""
    assert [ended.status.code for ended in await sink.ended(2)] == [0, 0]


async def test_no_goaway_within_a_header_block_before_settings_or_where_it_is_not_http2() -> None:
    async with running_tunnel() as (backend, engine):
        block, early, other = (Http2Connection(backend, engine) for _ in range(3))
        for connection in (block, early, other):
            await connection.open()
        for connection in (block, early):
            await connection.to_backend(
                PREFACE + http2_bytes.settings() + connection.client.request(1, end=True)
            )
        response = block.server.response(1, [("x-long", "y" * 200)], pieces=2)
        first = 9 + int.from_bytes(response[:3], "big")
        await block.to_client(http2_bytes.settings() + response[:first])
        await other.to_backend(b"GET / HTTP/1.1\r\n\r\n")
        await other.to_client(b"HTTP/1.1 200 OK\r\n")
        stopping = asyncio.create_task(engine.stop(20))
        await block.to_client(response[first:])
        await block.expect(GOAWAY)
        await block.to_client(block.server.trailers(1))
        await early.to_client(http2_bytes.settings() + early.server.response(1) + early.server.trailers(1))
        with contextlib.suppress(ConnectionResetError):
            assert await early.end() in {b"", GOAWAY}
        await stopping
        with contextlib.suppress(ConnectionResetError):
            assert await other.end() == b""
        assert await block.end() == b""


async def test_calls_go_on_at_the_next_engine_and_streams_end_at_the_old() -> None:
    history = History()
    async with running_zoo() as zoo:

        def make(port: int) -> WireEngine:
            target = Address("127.0.0.1", zoo.port)
            recorder = Recorder(history)
            return WireEngine(
                Address("127.0.0.1", port), target, recorder, ids, server_tls=None, target_tls=None
            )

        ids = CallIds()
        old = make(0)
        await old.start()
        async with grpc.aio.insecure_channel(f"127.0.0.1:{old.port}") as channel:
            stopped, calls = asyncio.Event(), 0

            async def call_again_and_again() -> None:
                nonlocal calls
                while not stopped.is_set():
                    # Until the next engine listens, connections are refused.
                    assert await unary_unary(channel, SERVICE + "Unary")(b"x", wait_for_ready=True) == b"x"
                    calls += 1

            stream = stream_stream(channel, SERVICE + "Echo")()
            await stream.write(b"first")
            assert await stream.read() == b"first"
            callers = [asyncio.create_task(call_again_and_again()) for _ in range(3)]
            stopping = asyncio.create_task(old.stop(30))
            await asyncio.sleep(0)  # it has closed its port
            new = make(old.port)
            await new.start()
            while not new._tunnels:
                await unary_unary(channel, SERVICE + "Unary")(b"x", wait_for_ready=True)
                calls += 1
            await stream.write(b"second")
            assert await stream.read() == b"second"
            await stream.done_writing()
            assert await stream.read() is grpc.aio.EOF
            await stopping
            stopped.set()
            await asyncio.gather(*callers)
            await new.stop(1)
    statuses = [call.status.code for call in history if call.status is not None]
    assert len(statuses) == calls + 1
    assert set(statuses) == {0}
