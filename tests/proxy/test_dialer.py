"""Connections of Loom's own: several addresses, those that do not answer, Unix sockets, Loom's own addresses."""

import asyncio
import socket
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from loom.model import Address
from loom.proxy.dialer import Dialer, DialError


@pytest.fixture
async def server() -> AsyncIterator[int]:
    """A listening port of the IPv4 loopback."""

    async def hold(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    listening = await asyncio.start_server(hold, "127.0.0.1", 0)
    yield listening.sockets[0].getsockname()[1]
    listening.close()


@pytest.fixture
def silent() -> Any:
    """A port of the IPv4 loopback whose backlog is full: a connection attempt neither fails nor succeeds."""
    with socket.socket() as listening, socket.socket() as first, socket.socket() as second:
        listening.bind(("127.0.0.1", 0))
        listening.listen(0)
        for filler in (first, second):
            filler.setblocking(False)
            filler.connect_ex(listening.getsockname())
        yield listening.getsockname()[1]


def resolve_to(monkeypatch: pytest.MonkeyPatch, *endpoints: tuple[str, int]) -> None:
    """Let every name resolve to ``endpoints``, each with a port of its own."""

    async def getaddrinfo(*_: object, **__: object) -> list[tuple[Any, ...]]:
        return [
            (socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM, 6, "", (host, port))
            for host, port in endpoints
        ]

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", getaddrinfo)


async def connect(dialer: Dialer) -> tuple[str, int]:
    """Connect; return the address of the other end."""
    transport = await dialer.connect(asyncio.Protocol, None)
    peer = transport.get_extra_info("peername")
    transport.abort()
    dialer.connection_closed()
    return (peer[0], peer[1])


async def test_an_address_that_drops_packets_does_not_hold_up_the_next(
    server: int, silent: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    resolve_to(monkeypatch, ("127.0.0.1", silent), ("127.0.0.1", server))
    dialer = Dialer(Address("several.test", server), None)
    async with asyncio.timeout(10):  # half of what one attempt may take
        assert await connect(dialer) == ("127.0.0.1", server)
    assert not [task for task in asyncio.all_tasks() if task.get_name() == "dial"]


async def test_an_address_that_refuses_is_followed_by_the_next(
    server: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    resolve_to(monkeypatch, ("127.0.0.1", 1), ("::1", 1), ("127.0.0.1", server))
    assert await connect(Dialer(Address("several.test", server), None)) == ("127.0.0.1", server)


async def test_the_first_error_is_the_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    resolve_to(monkeypatch, ("127.0.0.1", 1), ("127.0.0.1", 2))
    dialer = Dialer(Address("several.test", 1), None)
    with pytest.raises(DialError, match=r"^Connection refused$"):
        await dialer.connect(asyncio.Protocol, None)
    assert (dialer.state, dialer.error) == ("down", "Connection refused")


async def test_the_state_follows_the_connections(server: int) -> None:
    dialer = Dialer(Address("127.0.0.1", server), None)
    states: list[str] = [dialer.state]
    dialer.on_change(lambda: states.append(dialer.state))
    transport = await dialer.connect(asyncio.Protocol, None)
    transport.abort()
    dialer.connection_closed()
    assert states == ["idle", "connecting", "ready", "idle"]


async def test_a_name_that_does_not_resolve() -> None:
    dialer = Dialer(Address("no-such-host.invalid", 1), None)
    with pytest.raises(DialError):
        await dialer.connect(asyncio.Protocol, None)
    assert dialer.state == "down"


async def test_a_unix_socket(tmp_path: Path) -> None:
    path = str(tmp_path / "app.sock")

    async def greet(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"hello")
        writer.close()

    class Greeted(asyncio.Protocol):
        def __init__(self) -> None:
            self.data: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()

        def data_received(self, data: bytes) -> None:
            self.data.set_result(data)

    listening = await asyncio.start_unix_server(greet, path)
    protocol = Greeted()
    await Dialer(Address.parse_target(f"unix:{path}"), None).connect(lambda: protocol, None)
    assert await protocol.data == b"hello"
    listening.close()
    absent = Dialer(Address.parse_target(f"unix:{tmp_path}/absent"), None)
    with pytest.raises(DialError, match="No such file or directory"):
        await absent.connect(asyncio.Protocol, None)


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "localhost", "0", "0.0.0.0", "2130706433", "127.1", "::ffff:127.0.0.1"]
)
async def test_looms_own_addresses_are_refused_at_each_attempt(server: int, host: str) -> None:
    dialer = Dialer(Address(host, server), None)
    await connect(dialer)
    dialer.own_addresses = lambda: [Address("127.0.0.1", server)]
    with pytest.raises(DialError, match="is Loom's own address"):
        await connect(dialer)
    dialer.own_addresses = lambda: [Address("127.0.0.1", server + 1)]
    await connect(dialer)
