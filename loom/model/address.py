"""Addresses: ``HOST:PORT`` to listen on, and the forms of a target that gRPC clients take."""

import ipaddress
import re
from dataclasses import dataclass, field
from urllib.parse import unquote

from loom.errors import ConfigError

_HOST_PORT = re.compile(
    r"(?:\[(?P<ipv6>[0-9a-fA-F:.]+)(?:%(?P<zone>[\w.@-]+))?\]|(?P<host>[^:\[\]/\s]+)):(?P<port>\d{1,5})"
)
_HOST = re.compile(r"(?:\[(?P<ipv6>[0-9a-fA-F:.]+)(?:%(?P<zone>[\w.@-]+))?\]|(?P<host>[^:\[\]/\s%]+))")
_SCHEME = re.compile(r"(?P<scheme>[a-z][a-z0-9+.-]*):(?P<rest>.*)", re.IGNORECASE | re.DOTALL)
_ESCAPED_PERCENT = "25"
_LOOPBACK_NAMES = {"localhost", "ip6-localhost"}
_MAX_PORT = 65535
_HTTP_PORT, _HTTPS_PORT = 80, 443
_TARGET_FORMS = "expected HOST:PORT (e.g. localhost:50051 or [::1]:50051), https://HOST or unix:PATH"


@dataclass(frozen=True, slots=True)
class Address:
    """A host (name, IPv4, or IPv6 without brackets) and a port, or the path of a Unix socket.

    Port 0 means any free one. An IPv6 host may end with its zone (``fe80::1%eth0``). ``unix_path`` is "" for TCP.
    ``tls`` is what the form of a target says about TLS: None for those that say nothing. It takes no part in equality.
    """

    host: str
    port: int
    unix_path: str = ""
    tls: bool | None = field(default=None, compare=False)

    @classmethod
    def parse(cls, text: str) -> "Address":
        """Parse ``HOST:PORT`` or ``[IPV6]:PORT``. Raises :class:`ConfigError`."""
        address = _parse_host_port(text.strip())
        if address is None:
            raise ConfigError(f"expected HOST:PORT (e.g. localhost:50051 or [::1]:50051), got {text!r}")
        return address

    @classmethod
    def parse_target(cls, text: str) -> "Address":
        """Parse a target as gRPC clients name it. Raises :class:`ConfigError`.

        Beside ``HOST:PORT`` these are ``dns:///``, ``passthrough:///``, ``ipv4:`` and ``ipv6:`` with a host and an
        optional port, ``unix:PATH``, ``http://`` (cleartext, port 80) and ``https://`` (TLS, port 443), and a domain
        name or IP address alone. Where no port is given it is 443, as with gRPC's own clients. A single word is
        refused: mostly its port was forgotten.

        Source: https://github.com/grpc/grpc/blob/master/doc/naming.md
        """
        stripped = text.strip()
        address = _parse_host_port(stripped)
        if address is None:
            scheme = _SCHEME.fullmatch(stripped)
            if scheme is None:
                address = _parse_bare_host(stripped)
            else:
                address = _parse_scheme(scheme["scheme"].lower(), scheme["rest"], stripped)
        if address is None or (not address.unix_path and address.port == 0):
            raise ConfigError(f"{_TARGET_FORMS}, got {text!r}")
        return address

    @property
    def is_loopback(self) -> bool:
        """Whether only this machine reaches it: a loopback IP address or a name of one, or a Unix socket."""
        if self.unix_path:
            return True
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return self.host in _LOOPBACK_NAMES

    @property
    def bind_hosts(self) -> tuple[str, ...]:
        """The numeric hosts to listen on: ``localhost`` means both loopback addresses."""
        return ("127.0.0.1", "::1") if self.host == "localhost" else (self.host,)

    def __str__(self) -> str:
        if self.unix_path:
            return f"unix:{self.unix_path}"
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def _parse_host_port(text: str) -> Address | None:
    match = _HOST_PORT.fullmatch(text)
    if match is None or int(match["port"]) > _MAX_PORT:
        return None
    return _from_match(match, int(match["port"]))


def _parse_host(text: str, default_port: int) -> Address | None:
    """Parse a host with an optional port."""
    address = _parse_host_port(text)
    if address is None and (match := _HOST.fullmatch(text)):
        address = _from_match(match, default_port)
    return address


def _from_match(match: re.Match[str], port: int) -> Address | None:
    host = match["ipv6"] or match["host"]
    if match["ipv6"]:
        try:
            ipaddress.IPv6Address(host)
        except ValueError:
            return None
        zone = match["zone"]
        if zone:
            # In a URI the percent sign before a zone is itself escaped (RFC 6874).
            host = f"{host}%{zone.removeprefix(_ESCAPED_PERCENT) or zone}"
    return Address(host, port)


def _parse_bare_host(text: str) -> Address | None:
    """Parse a domain name with a dot, or an IP address, with or without brackets."""
    try:
        return Address(str(ipaddress.ip_address(text)), _HTTPS_PORT)
    except ValueError:
        return _parse_host(text, _HTTPS_PORT) if "." in text.strip(".") or text.startswith("[") else None


def _parse_scheme(scheme: str, rest: str, text: str) -> Address | None:
    """Parse what follows a scheme; ``text`` is the whole target. None for one that is malformed."""
    if scheme in {"http", "https"} and rest.startswith("//"):
        host, slash, path = rest[2:].partition("/")
        if path:
            raise ConfigError(f"a target has no path: leave out {slash + path!r} of {text!r}")
        address = _parse_host(host, _HTTPS_PORT if scheme == "https" else _HTTP_PORT)
        return None if address is None else Address(address.host, address.port, tls=scheme == "https")
    if scheme in {"dns", "passthrough"}:
        if rest.startswith("//"):
            server, _, rest = rest[2:].partition("/")
            if server:
                raise ConfigError(
                    f"names are resolved by the system's resolver: leave {server!r} out of {text!r}"
                )
        return _parse_host(unquote(rest), _HTTPS_PORT)
    if scheme in {"ipv4", "ipv6"}:
        address = _parse_host(rest.removeprefix("///"), _HTTPS_PORT) or _parse_bare_host(rest)
        return address if address is not None and _is_ip(address.host, 6 if scheme == "ipv6" else 4) else None
    if scheme == "unix":
        path = rest.removeprefix("//") if rest.startswith("///") else rest
        return Address("", 0, unix_path=path) if path and not path.startswith("//") else None
    if rest.startswith("//"):
        raise ConfigError(f"{_TARGET_FORMS}, got {text!r}: the scheme {scheme!r} is not supported")
    return _parse_bare_host(text)  # an IPv6 address may look like a scheme


def _is_ip(host: str, version: int) -> bool:
    try:
        return ipaddress.ip_address(host).version == version
    except ValueError:
        return False
