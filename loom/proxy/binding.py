"""Listening sockets: every host of an address on one port.

``localhost`` stands for both loopback addresses. grpcio and asyncio report a port in use or a name that does not
resolve in their own ways, if at all; the errors here say in one line what is wrong and what to do.
"""

import errno
import socket
from typing import Any

from loom.errors import StartError
from loom.model import Address

LISTEN_BACKLOG = 1024

_UNSUPPORTED = {errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT}
_REASONS = {
    errno.EADDRINUSE: "the port is in use",
    errno.EACCES: "not permitted; ports below 1024 need privileges",
    errno.EADDRNOTAVAIL: "no interface of this machine has that address",
}


def open_sockets(
    address: Address,
    *,
    setting: str = "--listen",
    advice: str = "stop what listens there, or choose another port",
    attempts: int = 20,
) -> list[socket.socket]:
    """Open non-blocking listening sockets on every host of ``address``, all with the same port.

    On a machine without IPv6, ``localhost`` is the IPv4 loopback address alone. With port 0 the port that the system
    chose for the first socket may be in use for the second: that is tried ``attempts`` times.
    Raises :class:`StartError`, which names ``setting`` and ends with ``advice``.
    """
    endpoints = _resolve(address, setting)
    for attempt in range(1, attempts + 1):
        sockets: list[socket.socket] = []
        port = address.port
        try:
            for family, name in endpoints:
                try:
                    sockets.append(_open_socket(family, name, port))
                except OSError as error:
                    if not sockets or error.errno not in _UNSUPPORTED:
                        raise
                port = sockets[0].getsockname()[1]
        except OSError as error:
            for opened in sockets:
                opened.close()
            if address.port == 0 and sockets and error.errno == errno.EADDRINUSE and attempt < attempts:
                continue
            reason = _REASONS.get(error.errno or 0, error.strerror or str(error))
            raise StartError(
                f"cannot listen on {Address(name[0], port)} ({setting}): {reason}: {advice}"
            ) from error
        return sockets
    raise AssertionError("the last attempt returns or raises")


def free_addresses(address: Address) -> list[Address]:
    """The numeric addresses that :func:`open_sockets` would listen on, for a server that opens its own sockets."""
    sockets = open_sockets(address)
    addresses = []
    for opened in sockets:
        host, port, *ipv6 = opened.getsockname()
        scope = ipv6[1] if ipv6 else 0
        addresses.append(Address(f"{host}%{scope}" if scope else host, port))
        opened.close()
    return addresses


def _resolve(address: Address, setting: str) -> list[tuple[socket.AddressFamily, tuple[Any, ...]]]:
    """The families and socket names that ``address`` stands for, each once."""
    endpoints: dict[tuple[socket.AddressFamily, tuple[Any, ...]], None] = {}
    for host in address.bind_hosts:
        try:
            infos = socket.getaddrinfo(host, address.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        except socket.gaierror as error:
            if endpoints:
                continue
            raise StartError(
                f"{setting} {address}: {host!r} cannot be resolved ({error.strerror}): check the host name"
            ) from error
        for family, *_, name in infos:
            endpoints[family, name] = None
    return list(endpoints)


def _open_socket(family: socket.AddressFamily, name: tuple[Any, ...], port: int) -> socket.socket:
    opened = socket.socket(family, socket.SOCK_STREAM)
    try:
        # A port in TIME_WAIT can be bound, one with a listener cannot.
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            opened.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        opened.bind((name[0], port, *name[2:]))
        opened.listen(LISTEN_BACKLOG)
        opened.setblocking(False)  # noqa: FBT003 (the standard library's signature)
    except OSError:
        opened.close()
        raise
    return opened
