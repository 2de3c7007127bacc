"""Where exported calls are to be sent again, and what is known of how."""

from pathlib import Path

from msgspec import Struct

from loom.errors import ConfigError
from loom.model import Address, Call

from .command import Reach

_NOWHERE = Address("localhost", 50051)


class Destination(Struct, frozen=True, omit_defaults=True):
    """``target`` was asked for, for all calls; without it each goes to its own, or ``otherwise`` if it names none.

    The rest is as in :class:`~loom.grpcurl.command.Reach`, as text: it goes to the reading process.
    ``tls`` is None where nobody knows.
    """

    target: str = ""
    otherwise: str = ""
    tls: bool | None = None
    cacert: str = ""
    cert: str = ""
    key: str = ""
    server_name: str = ""
    authority: str = ""

    @classmethod
    def reached(cls, reach: Reach) -> "Destination":
        """Each call's own target, or the one of ``reach``, and all of them in the same way."""

        def text(path: Path | None) -> str:
            return "" if path is None else str(path)

        return cls(
            otherwise=str(reach.address),
            tls=reach.tls,
            cacert=text(reach.cacert),
            cert=text(reach.cert),
            key=text(reach.key),
            server_name=reach.server_name or "",
            authority=reach.authority or "",
        )

    @property
    def default(self) -> str:
        """The address for calls that name none; "" if there is none either."""
        return self.target or self.otherwise

    def address(self, call: Call) -> Address:
        """Where a call goes. An imported one may name its target otherwise than by an address."""
        for text in (self.target or call.target, self.otherwise):
            try:
                return Address.parse(text)
            except ConfigError:
                continue
        return _NOWHERE

    def reach(self, call: Call) -> Reach:
        """How a call gets there; cleartext where nobody knows."""

        def path(text: str) -> Path | None:
            return Path(text) if text else None

        return Reach(
            self.address(call),
            tls=bool(self.tls),
            cacert=path(self.cacert),
            cert=path(self.cert),
            key=path(self.key),
            server_name=self.server_name or None,
            authority=self.authority or None,
        )
