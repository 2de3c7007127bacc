"""The relay over each form of target, against a real backend."""

import ipaddress
import socket
from pathlib import Path
from typing import Any

import grpc
import grpc.aio
import pytest

from loom.model import Address, CallStarted
from tests.support.raw_calls import unary_unary
from tests.support.sinks import ListSink

from .conftest import running_relay


class Echo(grpc.GenericRpcHandler):
    """Answers every unary call with its request."""

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> Any:
        async def echo(request: bytes, _context: object) -> bytes:
            return request

        return grpc.unary_unary_rpc_method_handler(echo)


async def echo_through_relay(target: str, listen: str = "127.0.0.1:0") -> str:
    """Call a backend on ``listen`` through a relay to ``target``; return the recorded target."""
    server = grpc.aio.server()
    server.add_generic_rpc_handlers((Echo(),))
    port = server.add_insecure_port(listen)
    await server.start()
    sink = ListSink()
    address = Address.parse_target(target.replace("PORT", str(port)))
    async with (
        running_relay(address, sink) as (engine, _),
        grpc.aio.insecure_channel(f"127.0.0.1:{engine.port}") as channel,
    ):
        assert await unary_unary(channel, "/a.B/C")(b"hello", timeout=20) == b"hello"
        await sink.ended()
    await server.stop(None)
    recorded = sink.of(CallStarted)[0].target
    return recorded.replace(str(port), "PORT") if "PORT" in target else recorded


@pytest.mark.parametrize(
    ("target", "recorded"),
    [
        ("dns:///localhost:PORT", "localhost:PORT"),
        ("passthrough:///127.0.0.1:PORT", "127.0.0.1:PORT"),
        ("ipv4:127.0.0.1:PORT", "127.0.0.1:PORT"),
        ("http://127.0.0.1:PORT", "127.0.0.1:PORT"),
        ("[::ffff:127.0.0.1]:PORT", "[::ffff:127.0.0.1]:PORT"),
    ],
)
async def test_forms_of_tcp_targets(target: str, recorded: str) -> None:
    assert await echo_through_relay(target) == recorded


@pytest.mark.parametrize("name", ["app.sock", "my app 100%.sock"])
async def test_a_unix_socket(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    listen = f"unix:{str(path).replace('%', '%25').replace(' ', '%20')}"
    assert await echo_through_relay(f"unix://{path}", listen) == f"unix:{path}"


def link_local_address() -> str | None:
    """A link-local IPv6 address of this machine with its zone, if there is one."""
    try:
        lines = Path("/proc/net/if_inet6").read_text().splitlines()
    except OSError:
        return None
    for line in lines:
        digits, _, _, _, _, interface = line.split()
        address = ipaddress.IPv6Address(bytes.fromhex(digits))
        if address.is_link_local and interface in {name for _, name in socket.if_nameindex()}:
            return f"{address}%{interface}"
    return None


@pytest.mark.skipif(link_local_address() is None, reason="no link-local IPv6 address")
@pytest.mark.parametrize("percent", ["%", "%25"])
async def test_an_ipv6_address_with_a_zone(percent: str) -> None:
    address = str(link_local_address())
    target = f"[{address.replace('%', percent)}]:PORT"
    assert await echo_through_relay(target, "[::]:0") == f"[{address}]:PORT"
