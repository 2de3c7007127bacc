"""Where the calls of an exported script or test are sent."""

from msgspec import Struct

from loom.errors import ConfigError
from loom.model import Address, Call, Endpoint

_PLACEHOLDER = Address("localhost", 50051)


class Destination(Struct, frozen=True, omit_defaults=True):
    """Each call goes to its own recorded target, with the connection settings of ``endpoint``.

    If ``override`` is set, every call goes to ``endpoint``; otherwise only the calls without a usable target of their
    own do. Without an ``endpoint``, whether the targets use TLS is unknown. ``listen_ports`` are those at which clients
    reached Loom: see :meth:`Endpoint.with_client_authority`.
    """

    endpoint: Endpoint | None = None
    listen_ports: tuple[int, ...] = ()
    override: bool = False

    @classmethod
    def recorded(cls, target: str) -> "Destination":
        """Each call's own target, or else ``target``, which may be any text; whether they use TLS is unknown."""
        try:
            return cls(Endpoint.parse(target))
        except ConfigError:
            return cls()

    @property
    def address(self) -> str:
        """The address of the endpoint; "" if there is none."""
        return "" if self.endpoint is None else str(self.endpoint.address)

    @property
    def tls(self) -> bool | None:
        """Whether to connect with TLS; None if it is unknown."""
        return None if self.endpoint is None else self.endpoint.tls

    def endpoint_of(self, call: Call) -> Endpoint:
        """The endpoint that a call is sent to."""
        endpoint = self.endpoint or Endpoint(_PLACEHOLDER, tls=None)
        if not self.override:
            endpoint = endpoint.at(call.target)
        if call.replay_of is not None:
            return endpoint
        return endpoint.with_client_authority(call.authority, self.listen_ports)
