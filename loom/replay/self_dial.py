"""Loom's own addresses, which a replay must not dial: the page's, and the one that clients call."""

import asyncio
import ipaddress
import socket
from collections.abc import Sequence

from loom.model import Address

from .plan import ReplayError

_Ip = ipaddress.IPv4Address | ipaddress.IPv6Address


async def refuse_self_dial(address: Address, own: Sequence[Address]) -> None:
    """Raise :class:`ReplayError` if ``address``, however it is spelled, is one of ``own``.

    Names are looked up, so that ``127.1``, an interface's address or a name in DNS does not slip through. A name
    that cannot be looked up is refused too.
    """
    suspects = [item for item in own if item.port == address.port]
    if not suspects:
        return
    try:
        ips = await asyncio.to_thread(_ips, address.host)
    except OSError as error:
        raise ReplayError(
            f"the host of {address} is unknown: {error.strerror or error}", field="target"
        ) from error
    for item in suspects:
        if any(_listens(item.host, ip) for ip in ips):
            raise ReplayError(f"{address} is Loom's own address: name a backend's", field="target")


def _ips(host: str) -> set[_Ip]:
    found = set()
    for family, _, _, _, where in socket.getaddrinfo(host, None, type=socket.SOCK_STREAM):
        if family in {socket.AF_INET, socket.AF_INET6}:
            ip = ipaddress.ip_address(str(where[0]).partition("%")[0])
            found.add(getattr(ip, "ipv4_mapped", None) or ip)
    return found


def _listens(host: str, ip: _Ip) -> bool:
    """Whether what listens on ``host`` is reached through ``ip``."""
    if ip.is_unspecified:
        return True  # connecting to 0.0.0.0 or :: reaches this machine
    if host in {"0.0.0.0", "::", ""}:  # noqa: S104 (compared, not bound)
        return ip.is_loopback or _is_here(ip)
    if host == "localhost":
        return ip.is_loopback
    try:
        return ip in _ips(host)
    except OSError:
        return False


def _is_here(ip: _Ip) -> bool:
    """Whether the address belongs to this machine: only then a socket can be bound to it."""
    family = socket.AF_INET6 if ip.version == 6 else socket.AF_INET  # noqa: PLR2004 (IP versions)
    with socket.socket(family, socket.SOCK_DGRAM) as probe:
        try:
            probe.bind((str(ip), 0))
        except OSError:
            return False
    return True
