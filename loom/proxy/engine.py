"""The interface of an engine, and the TLS material of its two sides."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from .breaker import Breaker
    from .target import Target


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

    def use(self, target: "Target", breaker: "Breaker | None", server_tls: ServerTls | None) -> None:
        """Use these from now on, for what begins: calls in the relay, connections in the wire engine.

        Certificates of the listening side are for new connections in both. Whether TLS is used at all, and whether
        clients need a certificate, stays as it was at the start. On the event loop only, with what has been checked.
        """

    def is_using(self, target: "Target") -> bool:
        """Whether a call or connection that began with this target is open."""

    def flush(self) -> None:
        """Emit every buffered event now. On the event loop only; does nothing before :meth:`start`."""

    async def stop(self, grace: float) -> None:
        """Stop accepting calls, let open ones run for ``grace`` seconds, end the rest, and flush."""
