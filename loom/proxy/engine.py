"""What an engine is to the rest of Loom: something that starts, forwards, and stops."""

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class ServerTls:
    """TLS on the listening side: PEM bytes; ``client_ca`` asks clients for a certificate."""

    cert: bytes
    key: bytes
    client_ca: bytes | None = None


@dataclass(frozen=True, slots=True)
class TargetTls:
    """TLS towards the target: PEM bytes; None means the system's roots, no client certificate."""

    ca: bytes | None = None
    cert: bytes | None = None
    key: bytes | None = None
    server_name: str | None = None


class Engine(Protocol):
    """Forwards traffic between a listening address and a target, and emits events to a sink."""

    @property
    def port(self) -> int:
        """The port that it listens on, once started."""

    async def start(self) -> None:
        """Listen. Raises :class:`loom.errors.StartError`; does not need the target to be up."""

    async def stop(self, grace: float) -> None:
        """Take no new calls, give those under way ``grace`` seconds, then end them."""
