"""Recognise Loom's own addresses, the inspector's and the one that clients call, however a target spells them."""

import asyncio
import ipaddress
import socket
from collections.abc import Sequence

from loom.model import Address

_Ip = ipaddress.IPv4Address | ipaddress.IPv6Address


async def is_self_dial(address: Address, own_addresses: Sequence[Address]) -> bool:
    """Whether ``address`` connects to one of ``own_addresses``. Raises :class:`OSError` if it cannot be resolved.

    Names are resolved, so that ``127.1``, ``2130706433``, the address of an interface and names in DNS are recognised.
    """
    if address.unix_path or not any(item.port == address.port for item in own_addresses):
        return False
    return await asyncio.to_thread(_any_is_own, address, own_addresses)


def is_own_endpoint(host: str, port: int, own_addresses: Sequence[Address]) -> bool:
    """Whether a connection to the IP address ``host`` reaches one of ``own_addresses``."""
    ip = _parse_ip(host)
    return any(item.port == port and _accepts(item.host, ip) for item in own_addresses)


def _any_is_own(address: Address, own_addresses: Sequence[Address]) -> bool:
    ips = _resolve(address.host)
    return any(item.port == address.port and _accepts(item.host, ip) for item in own_addresses for ip in ips)


def _resolve(host: str) -> set[_Ip]:
    return {
        _parse_ip(str(where[0]))
        for family, _, _, _, where in socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
        if family in {socket.AF_INET, socket.AF_INET6}
    }


def _parse_ip(host: str) -> _Ip:
    ip = ipaddress.ip_address(host.partition("%")[0])
    return getattr(ip, "ipv4_mapped", None) or ip


def _accepts(host: str, ip: _Ip) -> bool:
    """Whether a server that listens on ``host`` accepts connections to ``ip``."""
    if ip.is_unspecified:
        return True  # connecting to 0.0.0.0 or :: reaches this machine
    if host in {"0.0.0.0", "::", ""}:  # noqa: S104 (compared, not bound)
        return ip.is_loopback or _is_local(ip)
    if host == "localhost":
        return ip.is_loopback
    try:
        return ip in _resolve(host)
    except OSError:
        return False


def _is_local(ip: _Ip) -> bool:
    """Whether the address belongs to this machine: a socket can be bound to such addresses only."""
    family = socket.AF_INET6 if ip.version == 6 else socket.AF_INET  # noqa: PLR2004 (IP versions)
    with socket.socket(family, socket.SOCK_DGRAM) as probe:
        try:
            probe.bind((str(ip), 0))
        except OSError:
            return False
    return True
