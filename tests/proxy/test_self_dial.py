"""Loom's own addresses are recognised however a target spells them, and no others are."""

import socket

import pytest

from loom.model import Address
from loom.proxy.self_dial import is_own_endpoint, is_self_dial

PORT = 9999


@pytest.mark.parametrize(
    ("host", "is_own"),
    [
        ("127.0.0.1", True),
        ("127.1", True),
        ("2130706433", True),
        ("localhost", True),
        ("::ffff:127.0.0.1", True),
        ("0.0.0.0", True),
        ("::", True),
        ("127.0.0.2", False),
        ("::1", False),
        ("192.0.2.1", False),
    ],
)
async def test_a_target_is_resolved(host: str, is_own: bool) -> None:
    assert await is_self_dial(Address(host, PORT), [Address("127.0.0.1", PORT)]) is is_own


async def test_another_port_or_a_socket_of_unix_is_not_loom() -> None:
    own = [Address("127.0.0.1", PORT), Address("127.0.0.1", PORT + 1)]
    assert not await is_self_dial(Address("127.0.0.1", PORT + 2), own)
    assert not await is_self_dial(Address("", PORT, "/tmp/loom.sock"), own)
    assert await is_self_dial(Address("127.0.0.1", PORT + 1), own)


async def test_a_target_that_cannot_be_resolved_is_an_error_where_its_port_is_looms() -> None:
    with pytest.raises(socket.gaierror):
        await is_self_dial(Address("loom.invalid", PORT), [Address("127.0.0.1", PORT)])


@pytest.mark.parametrize(
    ("listen", "endpoint", "is_own"),
    [
        ("0.0.0.0", "127.0.0.9", True),
        ("::", "::1", True),
        ("", "127.0.0.1", True),
        ("0.0.0.0", "192.0.2.1", False),
        ("::", "2001:db8::1", False),
        ("localhost", "127.0.0.9", True),
        ("localhost", "::1", True),
        ("localhost", "192.0.2.1", False),
        ("127.0.0.1", "127.0.0.1", True),
        ("127.0.0.1", "::ffff:127.0.0.1", True),
        ("::1", "::1%lo", True),
        ("127.0.0.1", "0.0.0.0", True),
        ("127.0.0.1", "127.0.0.2", False),
        ("loom.invalid", "127.0.0.1", False),
    ],
)
def test_a_server_accepts_connections_to_its_own_addresses(listen: str, endpoint: str, is_own: bool) -> None:
    assert is_own_endpoint(endpoint, PORT, [Address(listen, PORT)]) is is_own
    assert not is_own_endpoint(endpoint, PORT + 1, [Address(listen, PORT)])
