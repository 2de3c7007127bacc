"""The interface of an engine, and the TLS material of its two sides."""

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class ServerTls:
    """TLS on the listening side: PEM bytes; with ``client_ca``, clients must present a certificate."""

    cert: bytes
    key: bytes
    client_ca: bytes | None = None


@dataclass(frozen=True, slots=True)
class TargetTls:
    """TLS towards the target: PEM bytes; None means the system's roots, no client certificate.

    With ``insecure`` the target's certificate is not verified.
    """

    ca: bytes | None = None
    cert: bytes | None = None
    key: bytes | None = None
    server_name: str | None = None
    insecure: bool = False


class Engine(Protocol):
    """Forwards traffic between a listening address and a target, and emits events to a sink.

    Events are buffered between forwarding and the sink; the engine flushes the buffer every few milliseconds.
    """

    @property
    def port(self) -> int:
        """The listening port, once started."""

    async def start(self) -> None:
        """Listen. Raises :class:`loom.errors.StartError`; the target need not be up."""

    def flush(self) -> None:
        """Emit every buffered event now. On the event loop only; does nothing before :meth:`start`."""

    async def stop(self, grace: float) -> None:
        """Stop accepting calls, let open ones run for ``grace`` seconds, end the rest, and flush."""
