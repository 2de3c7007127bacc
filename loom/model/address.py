"""``HOST:PORT`` as on a command line."""

import ipaddress
import re
from dataclasses import dataclass

from loom.errors import ConfigError

_PATTERN = re.compile(r"(?:\[(?P<ipv6>[0-9a-fA-F:.]+(?:%\w+)?)\]|(?P<host>[^:\[\]/\s]+)):(?P<port>\d{1,5})")
_LOOPBACK_NAMES = {"localhost", "ip6-localhost"}
_MAX_PORT = 65535


@dataclass(frozen=True, slots=True)
class Address:
    """A host (name, IPv4, or IPv6 without brackets) and a port; port 0 means any free one."""

    host: str
    port: int

    @classmethod
    def parse(cls, text: str) -> "Address":
        """Parse ``HOST:PORT`` or ``[IPV6]:PORT``. Raises :class:`ConfigError`."""
        match = _PATTERN.fullmatch(text.strip())
        if match is None or int(match["port"]) > _MAX_PORT:
            raise ConfigError(f"expected HOST:PORT (e.g. localhost:50051 or [::1]:50051), got {text!r}")
        return cls(match["ipv6"] or match["host"], int(match["port"]))

    @property
    def is_loopback(self) -> bool:
        """Whether the host is a loopback IP address or a name of one."""
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return self.host in _LOOPBACK_NAMES

    @property
    def bind_hosts(self) -> tuple[str, ...]:
        """The numeric hosts to listen on: ``localhost`` means both loopback addresses."""
        return ("127.0.0.1", "::1") if self.host == "localhost" else (self.host,)

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"
