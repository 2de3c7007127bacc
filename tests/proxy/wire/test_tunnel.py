"""The tunnel on real sockets: bytes, back-pressure and the end are those of a direct connection."""

import asyncio
import contextlib
import random
import socket
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, cast

import pytest

from loom.errors import StartError
from loom.model import Address, CallEnded, CallIds, CallStarted, EndedBy, StatusCode
from loom.proxy.wire import WireEngine
from tests.proxy.wire import http2_bytes
from tests.proxy.wire.http2_bytes import PREFACE
from tests.support.sinks import ListSink

MIB = 1024 * 1024


class Backend:
    """A TCP server that hands each connection to the test."""

    def __init__(self) -> None:
        self.connections: asyncio.Queue[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = asyncio.Queue()
        self.port = 0

    async def accept(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        return await asyncio.wait_for(self.connections.get(), 20)


@asynccontextmanager
async def running_tunnel(
    sink: ListSink | None = None, **options: Any
) -> AsyncIterator[tuple[Backend, WireEngine]]:
    backend = Backend()

    async def accepted(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await backend.connections.put((reader, writer))

    server = await asyncio.start_server(accepted, "127.0.0.1", 0)
    backend.port = server.sockets[0].getsockname()[1]
    engine = make_engine(backend.port, sink or ListSink(), **options)
    await engine.start()
    try:
        yield backend, engine
    finally:
        await engine.stop(0)
        server.close()


def make_engine(port: int, sink: ListSink, listen: Address | None = None, **options: Any) -> WireEngine:
    return WireEngine(
        listen or Address("127.0.0.1", 0),
        Address("127.0.0.1", port),
        sink,
        CallIds(),
        server_tls=None,
        target_tls=None,
        **options,
    )


async def connect(port: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    return await asyncio.open_connection("127.0.0.1", port)


async def close(*writers: asyncio.StreamWriter) -> None:
    for writer in writers:
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()


def reset(writer: asyncio.StreamWriter) -> None:
    """Close with a RST, as a process that was killed does."""
    sock = writer.get_extra_info("socket")
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


async def test_bytes_pass_unchanged_both_ways_however_they_are_split() -> None:
    chance = random.Random(7)
    up, down = chance.randbytes(3 * MIB), chance.randbytes(3 * MIB)
    async with running_tunnel() as (backend, engine):
        reader, writer = await connect(engine.port)
        backend_reader, backend_writer = await backend.accept()

        async def send(to: asyncio.StreamWriter, data: bytes) -> None:
            position = 0
            while position < len(data):
                size = chance.choice([1, 9, 500, 16_393, 200_000])
                to.write(data[position : position + size])
                position += size
                await to.drain()

        sending = asyncio.gather(send(writer, up), send(backend_writer, down))
        assert await backend_reader.readexactly(len(up)) == up
        assert await reader.readexactly(len(down)) == down
        await sending
        await close(writer, backend_writer)


async def test_a_half_close_is_forwarded_and_the_other_direction_stays_open() -> None:
    async with running_tunnel() as (backend, engine):
        reader, writer = await connect(engine.port)
        backend_reader, backend_writer = await backend.accept()
        writer.write(b"question")
        writer.write_eof()
        assert await backend_reader.read() == b"question"
        backend_writer.write(b"answer")
        backend_writer.write_eof()
        assert await reader.read() == b"answer"
        await close(writer, backend_writer)


async def test_a_reader_that_never_reads_stops_the_sender() -> None:
    async with running_tunnel(write_buffer_limit=256 * 1024) as (backend, engine):
        _, writer = await connect(engine.port)
        backend_reader, backend_writer = await backend.accept()
        transport = cast("asyncio.Transport", backend_writer.transport)  # a class of its own under uvloop
        transport.pause_reading()
        writer.transport.set_write_buffer_limits(high=MIB)
        offered = 0
        with contextlib.suppress(TimeoutError):
            while offered < 256 * MIB:
                writer.write(bytes(MIB))
                offered += MIB
                await asyncio.wait_for(writer.drain(), 1)
        assert offered < 64 * MIB
        transport.resume_reading()
        assert len(await backend_reader.readexactly(offered)) == offered
        await close(writer, backend_writer)


@pytest.mark.parametrize("client_dies", [True, False])
async def test_a_reset_is_forwarded_as_a_reset(client_dies: bool) -> None:
    async with running_tunnel() as (backend, engine):
        reader, writer = await connect(engine.port)
        backend_reader, backend_writer = await backend.accept()
        writer.write(b"x")
        await backend_reader.readexactly(1)
        reset(writer if client_dies else backend_writer)
        with pytest.raises(ConnectionResetError):
            await asyncio.wait_for((backend_reader if client_dies else reader).read(), 20)
        await close(writer, backend_writer)


@pytest.mark.parametrize("first", [EndedBy.CLIENT, EndedBy.BACKEND])
async def test_who_closes_first_ended_the_open_calls(first: EndedBy) -> None:
    """As grpc-go's server does, the other side closes as soon as it reads the end of the first."""
    sink = ListSink()
    async with running_tunnel(sink) as (backend, engine):
        client_reader, client_writer = await connect(engine.port)
        client = http2_bytes.Peer()
        client_writer.write(PREFACE + http2_bytes.settings() + client.request(1))
        backend_reader, backend_writer = await backend.accept()
        await backend_reader.readexactly(len(PREFACE))
        if first is EndedBy.CLIENT:
            client_writer.write_eof()
            await backend_reader.read()
            await close(backend_writer, client_writer)
        else:
            backend_writer.write_eof()
            await client_reader.read()
            await close(client_writer, backend_writer)
        [ended] = await sink.ended()
    assert ended.ended_by is first


async def test_a_target_that_is_down_refuses_and_is_recorded() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))  # bound, not listening: connections are refused
        sink = ListSink()
        engine = make_engine(unused.getsockname()[1], sink)
        await engine.start()
        reader, writer = await connect(engine.port)
        with pytest.raises(ConnectionResetError):
            await asyncio.wait_for(reader.read(), 20)
        [ended] = await sink.ended()
        assert ended.status.code == StatusCode.UNAVAILABLE
        assert ended.ended_by is EndedBy.LOOM
        assert "could not reach the target" in ended.note
        await close(writer)
        await engine.stop(0)


async def test_another_protocol_is_forwarded() -> None:
    sink = ListSink()
    async with running_tunnel(sink) as (backend, engine):
        reader, writer = await connect(engine.port)
        backend_reader, backend_writer = await backend.accept()
        writer.write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        assert (await backend_reader.readuntil(b"\r\n\r\n")).startswith(b"GET /")
        backend_writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
        assert (await reader.readuntil(b"ok")).endswith(b"ok")
        await close(writer, backend_writer)
        await sink.ended()
    [started] = sink.of(CallStarted)
    assert started.wire["unobserved"] == "it is HTTP/1.1"


async def test_a_bug_in_the_parser_does_not_affect_the_traffic(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: Any, **__: Any) -> None:
        raise RuntimeError("a bug")

    monkeypatch.setattr("loom.proxy.wire.frames.FrameParser.feed", broken)
    async with running_tunnel() as (backend, engine):
        _, writer = await connect(engine.port)
        backend_reader, backend_writer = await backend.accept()
        data = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes(100)
        writer.write(data)
        assert await backend_reader.readexactly(len(data)) == data
        await close(writer, backend_writer)


async def test_connections_that_end_at_random_leak_nothing() -> None:
    chance = random.Random(5)

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            await reader.read(5)
            writer.write(b"hello yourself")
            if chance.random() < 0.3:
                reset(writer)
        await close(writer)

    async def ask(port: int) -> None:
        reader, writer = await connect(port)
        with contextlib.suppress(OSError):
            if chance.random() < 0.3:
                reset(writer)
            writer.write(b"hello")
            if chance.random() < 0.5:
                writer.write_eof()
            await reader.read()
        await close(writer)

    sink = ListSink()
    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    engine = make_engine(server.sockets[0].getsockname()[1], sink)
    await engine.start()
    for _ in range(10):
        await asyncio.gather(*(ask(engine.port) for _ in range(20)))
    async with asyncio.timeout(20):
        while engine._tunnels:
            engine._idle.clear()
            await engine._idle.wait()
    await engine.stop(0)
    server.close()
    assert len(sink.of(CallStarted)) == len(sink.of(CallEnded))


async def test_stopping_ends_connections_after_the_grace_period() -> None:
    async with running_tunnel() as (backend, engine):
        reader, writer = await connect(engine.port)
        _, backend_writer = await backend.accept()
        await engine.stop(0.1)
        with contextlib.suppress(ConnectionResetError):
            assert await asyncio.wait_for(reader.read(), 20) == b""
        with pytest.raises(OSError, match=r"."):
            await connect(engine.port)
        await close(writer, backend_writer)


async def test_a_port_in_use() -> None:
    async with running_tunnel() as (backend, engine):
        second = make_engine(backend.port, ListSink(), Address("127.0.0.1", engine.port))
        with pytest.raises(StartError, match=r"cannot listen on 127\.0\.0\.1"):
            await second.start()


async def test_localhost_is_both_loopback_addresses() -> None:
    engine = make_engine(1, ListSink(), Address("localhost", 0))
    await engine.start()
    for host in ("127.0.0.1", "::1"):
        _, writer = await asyncio.open_connection(host, engine.port)
        assert writer.get_extra_info("peername")[:2] == (host, engine.port)
        await close(writer)
    await engine.stop(0)
