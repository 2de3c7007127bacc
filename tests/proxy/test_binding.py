"""Listening sockets: both loopback addresses on one port, and errors of one line."""

import contextlib
import errno
import socket
from collections.abc import Iterator
from typing import Any

import pytest

from loom.errors import StartError
from loom.model import Address
from loom.proxy import binding
from loom.proxy.binding import free_addresses, open_sockets


@contextlib.contextmanager
def opened(address: Address, **options: Any) -> Iterator[list[socket.socket]]:
    sockets = open_sockets(address, **options)
    try:
        yield sockets
    finally:
        for each in sockets:
            each.close()


def test_localhost_is_both_loopback_addresses_on_one_port() -> None:
    with opened(Address("localhost", 0)) as sockets:
        names = [each.getsockname()[:2] for each in sockets]
        assert [host for host, _ in names] == ["127.0.0.1", "::1"]
        assert len({port for _, port in names}) == 1
        for host, port in names:
            socket.create_connection((host, port)).close()


def test_free_addresses_can_be_bound() -> None:
    addresses = free_addresses(Address("localhost", 0))
    assert [address.host for address in addresses] == ["127.0.0.1", "::1"]
    with opened(addresses[0]) as ipv4, opened(addresses[1]) as ipv6:
        assert ipv4[0].getsockname()[1] == ipv6[0].getsockname()[1] == addresses[0].port


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_a_port_in_use_on_one_host_leaves_none_open(host: str) -> None:
    with opened(Address(host, 0)) as [occupied]:
        port = occupied.getsockname()[1]
        with pytest.raises(StartError) as raised:
            open_sockets(Address("localhost", port), setting="--ui", advice="choose another port")
        assert str(raised.value) == (
            f"cannot listen on {Address(host, port)} (--ui): the port is in use: choose another port"
        )
        other = {"127.0.0.1": "::1", "::1": "127.0.0.1"}[host]
        with opened(Address(other, port)):
            pass


def test_another_free_port_is_tried_if_the_second_host_uses_the_first() -> None:
    """Occupies, on the second host, the port that the system chose for the first, for the first attempts."""
    occupied: list[socket.socket] = []
    open_socket = binding._open_socket

    def open_and_occupy(family: socket.AddressFamily, name: tuple[Any, ...], port: int) -> socket.socket:
        result = open_socket(family, name, port)
        if port == 0 and len(occupied) < 3:
            occupied.append(open_socket(socket.AF_INET6, ("::1", 0, 0, 0), result.getsockname()[1]))
        return result

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(binding, "_open_socket", open_and_occupy)
        with opened(Address("localhost", 0)) as sockets:
            assert len({each.getsockname()[1] for each in sockets}) == 1
    assert len(occupied) == 3
    for each in occupied:
        each.close()


def test_a_machine_without_ipv6_listens_on_ipv4(monkeypatch: pytest.MonkeyPatch) -> None:
    open_socket = binding._open_socket

    def open_ipv4(family: socket.AddressFamily, name: tuple[Any, ...], port: int) -> socket.socket:
        if family == socket.AF_INET6:
            raise OSError(errno.EAFNOSUPPORT, "Address family not supported by protocol")
        return open_socket(family, name, port)

    monkeypatch.setattr(binding, "_open_socket", open_ipv4)
    with opened(Address("localhost", 0)) as sockets:
        assert [each.family for each in sockets] == [socket.AF_INET]
    with pytest.raises(StartError, match="Address family not supported"):
        open_sockets(Address("::1", 0))


def test_an_unknown_host() -> None:
    with pytest.raises(
        StartError, match=r"^--listen no-such\.invalid:1: 'no-such\.invalid' cannot be resolved"
    ):
        open_sockets(Address("no-such.invalid", 1))
