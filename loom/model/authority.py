"""The ``:authority`` that the target receives: what a client that called it directly would have sent.

A client that was only pointed at Loom names Loom's own address, and would have named the target's. One that has set an
authority itself (a virtual host, the name of a service behind a proxy) would have sent the same one to the target.
"""

import ipaddress
import re
from collections.abc import Collection

_AUTHORITY = re.compile(r"(?:.*@)?(?:\[(?P<ipv6>[^\]]*)\]|(?P<host>[^:]*))(?::(?P<port>\d*))?")
_LOOPBACK_NAMES = ("localhost", "ip6-localhost")


def client_authority(authority: str, listen_ports: Collection[int]) -> str:
    """The authority, if the client has set it itself; "" if it names the address at which it reached Loom.

    That is an authority with one of Loom's ports, or of a loopback host: a port may have been mapped on the way. One
    that is not printable ASCII names nothing that could be forwarded.

    Source: RFC 3986, section 3.2.
    """
    match = _AUTHORITY.fullmatch(authority)
    if match is None or not authority.isascii() or not authority.isprintable():
        return ""
    host, port = match["ipv6"] or match["host"], match["port"]
    if not host or port in map(str, listen_ports) or _is_loopback(host.lower().rstrip(".")):
        return ""
    return authority


def _is_loopback(host: str) -> bool:
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return host in _LOOPBACK_NAMES or host.endswith(".localhost")
    return address.is_loopback or address.is_unspecified
