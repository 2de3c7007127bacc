"""Where a gRPC server is, and how to connect to it."""

from collections.abc import Collection
from dataclasses import dataclass, replace
from typing import Self

from loom.errors import ConfigError

from .address import Address
from .authority import client_authority


@dataclass(frozen=True, slots=True)
class Endpoint:
    """An address with the TLS settings of a client that connects to it.

    ``tls`` is None where it is unknown, as for an imported call. The files are PEM, with paths of this machine; "" is
    the system's roots, or no client certificate. ``server_name`` is the name that the server's certificate must have,
    ``authority`` the ``:authority`` that is sent; "" leaves both to the address. If ``insecure`` is set, the server's
    certificate is not verified.
    """

    address: Address
    tls: bool | None = False
    ca_file: str = ""
    cert_file: str = ""
    key_file: str = ""
    server_name: str = ""
    authority: str = ""
    insecure: bool = False

    @classmethod
    def parse(cls, target: str) -> Self:
        """The endpoint of a target as :meth:`Address.parse_target` takes it. Raises :class:`ConfigError`.

        Whether it uses TLS is unknown unless the form of the target says so.
        """
        address = Address.parse_target(target)
        return cls(address, tls=address.tls)

    def at(self, target: str) -> Self:
        """The endpoint at another address with the same settings; this one if ``target`` is not an address.

        The recorded target of an imported call may be any text.
        """
        try:
            return replace(self, address=Address.parse_target(target))
        except ConfigError:
            return self

    def with_client_authority(self, authority: str, listen_ports: Collection[int]) -> Self:
        """The endpoint for a call whose client sent ``authority`` to Loom, at one of ``listen_ports``."""
        return self if self.authority else replace(self, authority=client_authority(authority, listen_ports))
