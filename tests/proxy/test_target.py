"""The target's name: one that does not exist yet, and Loom's own addresses; the state with either engine."""

import asyncio
import logging
import socket
from typing import Any

import grpc
import grpc.aio
import pytest

from loom.errors import StartError
from loom.model import Address, CallEnded, CallIds, EndedBy, StatusCode
from loom.proxy.relay import RelayEngine
from loom.proxy.target import Target
from loom.proxy.wire import WireEngine
from tests.support.engines import METADATA_LIMIT
from tests.support.sinks import ListSink
from tests.support.zoo import SERVICE, running_zoo

OWN = [Address("localhost", 9999), Address("127.0.0.1", 9998)]


@pytest.fixture
async def unknown(monkeypatch: pytest.MonkeyPatch) -> Any:
    """A target whose name resolves once ``names`` has it."""
    names: set[str] = set()
    real = socket.getaddrinfo

    def getaddrinfo(host: str, *arguments: Any, **options: Any) -> Any:
        if host == "backend.compose" and host in names:
            host = "127.0.0.1"
        return real(host, *arguments, **options)

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    target = Target(Address("backend.compose", 9998), None, None, METADATA_LIMIT, resolve_interval=0.01)
    yield target, names
    await target.close()


async def unary(channel: Any) -> bytes:
    return bytes(await channel.unary_unary(SERVICE + "Unary")(b"hello"))


def state_of(target: Target) -> str:
    return target.state


async def until_state(target: Target, state: str) -> None:
    changed = asyncio.Event()
    target.on_state(lambda _: changed.set())
    async with asyncio.timeout(20):
        while target.state != state:
            changed.clear()
            await changed.wait()


async def test_a_name_that_does_not_exist_yet(unknown: Any, caplog: pytest.LogCaptureFixture) -> None:
    target, names = unknown
    await target.check_or_wait()
    assert state_of(target) == "down"
    assert "'backend.compose' cannot be resolved" in target.error
    assert [record.levelno for record in caplog.records] == [logging.WARNING]
    names.add("backend.compose")
    await until_state(target, "idle")
    assert target.error == ""
    assert target.refusal == ""


async def test_a_name_that_turns_out_to_be_looms_own(unknown: Any) -> None:
    target, names = unknown
    await target.check_or_wait(lambda: OWN)
    names.add("backend.compose")
    await asyncio.wait_for(target._resolving, 20)
    assert state_of(target) == "down"
    assert "is Loom's own address" in target.error
    sink = ListSink()
    engine = RelayEngine(
        Address("127.0.0.1", 0), target, sink, CallIds(), server_tls=None, metadata_limit=METADATA_LIMIT
    )
    await engine.start()
    async with grpc.aio.insecure_channel(f"127.0.0.1:{engine.port}") as channel:
        with pytest.raises(grpc.aio.AioRpcError, match="is Loom's own address"):
            await unary(channel)
    (end,) = await sink.ended()
    assert (end.status.code, end.ended_by) == (StatusCode.UNAVAILABLE, EndedBy.LOOM)
    await engine.stop(0)


@pytest.mark.parametrize(
    "text",
    [
        "localhost:9998",
        "127.0.0.1:9998",
        "0:9998",
        "0.0.0.0:9998",
        "2130706433:9998",
        "127.1:9998",
        "[::ffff:127.0.0.1]:9998",
        "dns:///localhost:9998",
        "http://localhost:9998",
        "localhost:9999",
        "[::1]:9999",
    ],
)
async def test_looms_own_addresses_are_no_targets(text: str) -> None:
    target = Target(Address.parse_target(text), None, None, METADATA_LIMIT)
    with pytest.raises(StartError, match="is Loom's own address: name the backend's"):
        await target.check_or_wait(lambda: OWN)
    await target.close()


@pytest.mark.parametrize("text", ["localhost:9997", "[::1]:9998", "unix:/run/app.sock"])
async def test_other_ports_and_addresses_are_targets(text: str) -> None:
    target = Target(Address.parse_target(text), None, None, METADATA_LIMIT)
    await target.check_or_wait(lambda: OWN)
    assert target.refusal == ""
    assert state_of(target) == "idle"
    await target.close()


async def test_the_state_with_the_wire_engine() -> None:
    """Ready while a connection is open, down with the reason after one that failed, as with the relay."""
    sink = ListSink()
    states: list[str] = []
    async with running_zoo() as zoo:
        address = Address("127.0.0.1", zoo.port)
        target = Target(address, None, None, METADATA_LIMIT)
        target.on_state(states.append)
        engine = WireEngine(
            Address("127.0.0.1", 0),
            address,
            sink,
            CallIds(),
            server_tls=None,
            target_tls=None,
            dialer=target.dialer,
        )
        await engine.start()
        assert state_of(target) == "idle"
        async with grpc.aio.insecure_channel(f"127.0.0.1:{engine.port}") as channel:
            assert await unary(channel) == b"hello"
            assert state_of(target) == "ready"
        await until_state(target, "idle")
    async with grpc.aio.insecure_channel(f"127.0.0.1:{engine.port}") as channel:
        with pytest.raises(grpc.aio.AioRpcError):
            await unary(channel)
    await sink.until(lambda: any(end.ended_by is EndedBy.LOOM for end in sink.of(CallEnded)))
    assert state_of(target) == "down"
    assert target.error == f"Loom could not reach the target {address}: Connection refused"
    assert states[:3] == ["connecting", "ready", "idle"]
    await engine.stop(0)
    await target.close()


async def test_the_wire_engine_refuses_looms_own_address_at_each_connection() -> None:
    """A name may come to mean Loom's page after the start."""
    async with running_zoo() as zoo:
        target = Target(Address("localhost", zoo.port), None, None, METADATA_LIMIT)
        sink = ListSink()
        engine = WireEngine(
            Address("127.0.0.1", 0),
            target.address,
            sink,
            CallIds(),
            server_tls=None,
            target_tls=None,
            dialer=target.dialer,
        )
        await engine.start()
        target.dialer.own_addresses = lambda: [Address("localhost", zoo.port)]
        async with grpc.aio.insecure_channel(f"127.0.0.1:{engine.port}") as channel:
            with pytest.raises(grpc.aio.AioRpcError):
                await unary(channel)
        assert "is Loom's own address" in (await sink.ended())[0].note
        assert not zoo.seen
        await engine.stop(0)
        await target.close()
