"""The tunnel on real sockets: what goes in comes out, held back and ended as on a direct connection."""

import asyncio
import contextlib
import random
import socket
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from loom.errors import StartError
from loom.model import Address, CallEnded, CallIds, CallStarted, EndedBy, StatusCode
from loom.proxy.wire import WireEngine
from loom.proxy.wire import tunnel as tunnel_module
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
async def tunnelled(sink: ListSink | None = None) -> AsyncIterator[tuple[Backend, WireEngine]]:
    backend = Backend()

    async def accepted(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await backend.connections.put((reader, writer))

    server = await asyncio.start_server(accepted, "127.0.0.1", 0)
    backend.port = server.sockets[0].getsockname()[1]
    engine = made(backend.port, sink or ListSink())
    await engine.start()
    try:
        yield backend, engine
    finally:
        await engine.stop(0)
        server.close()


def made(port: int, sink: ListSink, listen: Address | None = None) -> WireEngine:
    return WireEngine(
        listen or Address("127.0.0.1", 0),
        Address("127.0.0.1", port),
        sink,
        CallIds(),
        server_tls=None,
        target_tls=None,
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


async def test_any_bytes_pass_exactly_both_ways_in_any_pieces():
    chance = random.Random(7)
    up, down = chance.randbytes(3 * MIB), chance.randbytes(3 * MIB)
    async with tunnelled() as (backend, engine):
        reader, writer = await connect(engine.port)
        far_reader, far_writer = await backend.accept()

        async def send(to: asyncio.StreamWriter, whole: bytes) -> None:
            position = 0
            while position < len(whole):
                size = chance.choice([1, 9, 500, 16_393, 200_000])
                to.write(whole[position : position + size])
                position += size
                await to.drain()

        sending = asyncio.gather(send(writer, up), send(far_writer, down))
        assert await far_reader.readexactly(len(up)) == up
        assert await reader.readexactly(len(down)) == down
        await sending
        await close(writer, far_writer)


async def test_a_half_close_is_passed_on_and_the_other_half_stays_open():
    async with tunnelled() as (backend, engine):
        reader, writer = await connect(engine.port)
        far_reader, far_writer = await backend.accept()
        writer.write(b"question")
        writer.write_eof()
        assert await far_reader.read() == b"question"
        far_writer.write(b"answer")
        far_writer.write_eof()
        assert await reader.read() == b"answer"
        await close(writer, far_writer)


async def test_a_reader_that_never_reads_holds_the_sender_back(monkeypatch):
    monkeypatch.setattr(tunnel_module, "HIGH_WATER", 256 * 1024)
    async with tunnelled() as (backend, engine):
        _, writer = await connect(engine.port)
        far_reader, far_writer = await backend.accept()
        far_writer.transport.pause_reading()
        writer.transport.set_write_buffer_limits(high=MIB)
        offered = 0
        with contextlib.suppress(TimeoutError):
            while offered < 256 * MIB:
                writer.write(bytes(MIB))
                offered += MIB
                await asyncio.wait_for(writer.drain(), 1)
        assert offered < 64 * MIB
        far_writer.transport.resume_reading()
        assert len(await far_reader.readexactly(offered)) == offered
        await close(writer, far_writer)


@pytest.mark.parametrize("client_dies", [True, False])
async def test_a_reset_goes_through_as_a_reset(client_dies):
    async with tunnelled() as (backend, engine):
        reader, writer = await connect(engine.port)
        far_reader, far_writer = await backend.accept()
        writer.write(b"x")
        await far_reader.readexactly(1)
        reset(writer if client_dies else far_writer)
        with pytest.raises(ConnectionResetError):
            await asyncio.wait_for((far_reader if client_dies else reader).read(), 20)
        await close(writer, far_writer)


async def test_a_target_that_is_down_refuses_and_is_recorded():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound, not listening: connections are refused
        sink = ListSink()
        engine = made(taken.getsockname()[1], sink)
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


async def test_what_the_parser_does_not_know_passes_all_the_same():
    sink = ListSink()
    async with tunnelled(sink) as (backend, engine):
        reader, writer = await connect(engine.port)
        far_reader, far_writer = await backend.accept()
        writer.write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        assert (await far_reader.readuntil(b"\r\n\r\n")).startswith(b"GET /")
        far_writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
        assert (await reader.readuntil(b"ok")).endswith(b"ok")
        await close(writer, far_writer)
        await sink.ended()
    [started] = sink.of(CallStarted)
    assert started.wire["unobserved"] == "it is HTTP/1.1"


async def test_a_parser_that_breaks_does_not_break_the_traffic(monkeypatch):
    def broken(*_: Any, **__: Any) -> None:
        raise RuntimeError("a bug")

    monkeypatch.setattr("loom.proxy.wire.frames.FrameReader.feed", broken)
    async with tunnelled() as (backend, engine):
        _, writer = await connect(engine.port)
        far_reader, far_writer = await backend.accept()
        whole = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes(100)
        writer.write(whole)
        assert await far_reader.readexactly(len(whole)) == whole
        await close(writer, far_writer)


async def test_many_connections_that_die_at_random_leave_nothing_behind():
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
    engine = made(server.sockets[0].getsockname()[1], sink)
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


async def test_stopping_gives_calls_their_grace_and_then_ends_all():
    async with tunnelled() as (backend, engine):
        reader, writer = await connect(engine.port)
        _, far_writer = await backend.accept()
        await engine.stop(0.1)
        with contextlib.suppress(ConnectionResetError):
            assert await asyncio.wait_for(reader.read(), 20) == b""
        with pytest.raises(OSError, match=r"."):
            await connect(engine.port)
        await close(writer, far_writer)


async def test_a_port_in_use_is_said_in_one_line():
    async with tunnelled() as (backend, engine):
        second = made(backend.port, ListSink(), Address("127.0.0.1", engine.port))
        with pytest.raises(StartError, match=r"cannot listen on 127\.0\.0\.1"):
            await second.start()


async def test_localhost_is_both_families():
    engine = made(1, ListSink(), Address("localhost", 0))
    await engine.start()
    for host in ("127.0.0.1", "::1"):
        _, writer = await asyncio.open_connection(host, engine.port)
        await close(writer)
    await engine.stop(0)
