"""Refuse to dial Loom's own addresses: the inspector's, and the one that clients call."""

import asyncio
import ipaddress
import socket
from collections.abc import Sequence

from loom.model import Address

from .plan import ReplayError

_Ip = ipaddress.IPv4Address | ipaddress.IPv6Address


async def refuse_self_dial(address: Address, own_addresses: Sequence[Address]) -> None:
    """Raise :class:`ReplayError` if ``address`` connects to one of ``own_addresses``, however it is spelled.

    Names are resolved, so that ``127.1``, the address of an interface and names in DNS are recognised. A name that
    cannot be resolved is refused, too.
    """
    if address.unix_path:
        return
    candidates = [item for item in own_addresses if item.port == address.port]
    if not candidates:
        return
    try:
        ips = await asyncio.to_thread(_resolve, address.host)
    except OSError as error:
        raise ReplayError(
            f"the host of {address} cannot be resolved: {error.strerror or error}", field="target"
        ) from error
    for item in candidates:
        if any(_accepts(item.host, ip) for ip in ips):
            raise ReplayError(f"{address} is Loom's own address: give a backend's", field="target")


def _resolve(host: str) -> set[_Ip]:
    addresses = set()
    for family, _, _, _, where in socket.getaddrinfo(host, None, type=socket.SOCK_STREAM):
        if family in {socket.AF_INET, socket.AF_INET6}:
            ip = ipaddress.ip_address(str(where[0]).partition("%")[0])
            addresses.add(getattr(ip, "ipv4_mapped", None) or ip)
    return addresses


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
