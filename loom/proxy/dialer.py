"""Connections that Loom opens itself: name resolution, several addresses, Unix sockets and TLS.

C-core opens the relay's connections; the wire engine's are opened here, and those of ``--insecure``, which C-core
does not have.
"""

import asyncio
import itertools
import os
import socket
import ssl
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Literal

from loom.model import Address

from .engine import TargetTls
from .self_dial import is_own_endpoint
from .trust import client_context

State = Literal["idle", "connecting", "ready", "down"]

CONNECT_TIMEOUT = 20.0
"""Seconds that all attempts of one connection may take together."""

ATTEMPT_DELAY = 0.25
"""Seconds after which the next address is tried while an attempt is still open (RFC 8305: happy eyeballs)."""

_Endpoint = tuple[str, int]
"""A numeric host and a port."""

_SCOPE_POSITION = 3


class DialError(OSError):
    """The target could not be reached; the text is the reason."""


class Dialer:
    """Opens connections to one target and knows its state. Belongs to one event loop.

    ``own_addresses`` returns the addresses that Loom listens on, which are refused at each attempt.
    """

    def __init__(self, address: Address, tls: TargetTls | None) -> None:
        self.address = address
        self.tls = tls
        self.own_addresses: Callable[[], Sequence[Address]] = tuple
        self.error = ""
        """Why the last connection could not be opened; "" after a success."""
        self._connecting = 0
        self._open = 0
        self._observers: list[Callable[[], None]] = []
        self._contexts: dict[str | None, ssl.SSLContext] = {}

    @property
    def state(self) -> State:
        """``ready`` while a connection is open; ``down`` after an attempt that failed."""
        if self._open:
            return "ready"
        if self.error:
            return "down"
        return "connecting" if self._connecting else "idle"

    def on_change(self, observer: Callable[[], None]) -> None:
        """Call ``observer`` after each change of :attr:`state` or :attr:`error`."""
        self._observers.append(observer)

    async def connect(
        self, protocol_factory: Callable[[], asyncio.Protocol], alpn: str | None
    ) -> asyncio.Transport:
        """Open a connection, over TLS with the protocol ``alpn`` if the target uses TLS.

        Its end is to be reported to :meth:`connection_closed`. Raises :class:`DialError`.
        """
        self._connecting += 1
        self._notify()
        try:
            async with asyncio.timeout(CONNECT_TIMEOUT):
                transport = await self._connect(protocol_factory, alpn)
        except TimeoutError:
            self.error = f"no answer within {CONNECT_TIMEOUT:g} s"
            raise DialError(self.error) from None
        except OSError as error:  # ssl's errors are among them
            self.error = _reason(error)
            raise DialError(self.error) from error
        else:
            self.error = ""
            self._open += 1
            return transport
        finally:
            self._connecting -= 1
            self._notify()

    def connection_closed(self) -> None:
        """Record the end of a connection that :meth:`connect` has opened."""
        self._open -= 1
        self._notify()

    async def _connect(
        self, protocol_factory: Callable[[], asyncio.Protocol], alpn: str | None
    ) -> asyncio.Transport:
        loop = asyncio.get_running_loop()
        context = name = None
        if self.tls is not None:
            context = self._contexts.get(alpn)
            if context is None:
                context = await loop.run_in_executor(None, _make_context, self.tls, alpn)
                self._contexts[alpn] = context
            name = self.tls.server_name or self.address.host.partition("%")[0] or "localhost"
        options: dict[str, Any] = {"ssl": context, "server_hostname": name}
        if self.address.unix_path:
            transport, _ = await loop.create_unix_connection(
                protocol_factory, self.address.unix_path, **options
            )
            return transport
        endpoints = await self._resolve()
        if len(endpoints) == 1:
            transport, _ = await loop.create_connection(protocol_factory, *endpoints[0], **options)
            return transport
        transport, candidate = await _race(endpoints, options)
        candidate.hand_over(transport, protocol_factory())
        return transport

    async def _resolve(self) -> list[_Endpoint]:
        """The target's addresses, without those that Loom itself listens on."""
        loop = asyncio.get_running_loop()
        infos = await loop.getaddrinfo(self.address.host, self.address.port, type=socket.SOCK_STREAM)
        own = self.own_addresses()
        endpoints: list[tuple[socket.AddressFamily, _Endpoint]] = [
            (family, (_with_zone(where), self.address.port))
            for family, _, _, _, where in infos
            if not (own and is_own_endpoint(str(where[0]), self.address.port, own))
        ]
        if not endpoints:
            raise DialError(f"{self.address} is Loom's own address")
        return _interleave(endpoints)

    def _notify(self) -> None:
        for observer in self._observers:
            observer()


class _Candidate(asyncio.Protocol):
    """The protocol of a connection that may lose the race: keeps what arrives for the one that takes over."""

    def __init__(self) -> None:
        self._data: list[bytes] = []
        self._eof = False
        self._lost = False

    def data_received(self, data: bytes) -> None:
        self._data.append(data)

    def eof_received(self) -> bool:
        self._eof = True
        return True

    def connection_lost(self, _exc: Exception | None) -> None:
        self._lost = True

    def hand_over(self, transport: asyncio.Transport, protocol: asyncio.Protocol) -> None:
        """Let ``protocol`` take the connection over. Raises :class:`DialError` if it has ended already."""
        if self._lost:
            raise DialError("the connection was closed at once")
        transport.set_protocol(protocol)
        protocol.connection_made(transport)
        for data in self._data:
            protocol.data_received(data)
        if self._eof and not protocol.eof_received():
            transport.close()


_Connection = tuple[asyncio.Transport, _Candidate]


def _with_zone(where: tuple[Any, ...]) -> str:
    """The host of a socket name, with the zone of a link-local address."""
    host, scope = str(where[0]), where[3] if len(where) > _SCOPE_POSITION else 0
    return f"{host}%{scope}" if scope and "%" not in host else host


def _interleave(endpoints: Sequence[tuple[socket.AddressFamily, _Endpoint]]) -> list[_Endpoint]:
    """Alternate between address families, in the resolver's order, so that one without a route costs one delay."""
    families: dict[socket.AddressFamily, list[_Endpoint]] = {}
    for family, endpoint in endpoints:
        families.setdefault(family, []).append(endpoint)
    rounds = itertools.zip_longest(*families.values())
    return [endpoint for endpoints in rounds for endpoint in endpoints if endpoint is not None]


async def _race(endpoints: Sequence[_Endpoint], options: dict[str, Any]) -> _Connection:
    """Connect to ``endpoints``, each tried when the one before has failed or not answered within the delay.

    Returns the first connection; raises the first error if there is none. Each attempt is one of the event loop's own
    connections: uvloop loses track of a socket that is connected with ``sock_connect`` and then made a transport.
    """
    loop = asyncio.get_running_loop()
    remaining = list(reversed(endpoints))
    attempts: set[asyncio.Task[_Connection]] = set()
    errors: list[BaseException] = []
    winner: _Connection | None = None
    try:
        while winner is None:
            if remaining:
                attempt = loop.create_connection(_Candidate, *remaining.pop(), **options)
                attempts.add(loop.create_task(attempt, name="dial"))
            elif not attempts:
                raise errors[0]
            done, attempts = await asyncio.wait(
                attempts,
                timeout=ATTEMPT_DELAY if remaining else None,
                return_when=asyncio.FIRST_COMPLETED,
            )
            for completed in done:
                error = completed.exception()
                if error is not None:
                    errors.append(error)
                elif winner is None:
                    winner = completed.result()
                else:
                    completed.result()[0].abort()
    finally:
        for pending in attempts:
            pending.cancel()
        for result in await asyncio.gather(*attempts, return_exceptions=True):
            if not isinstance(result, BaseException):
                result[0].abort()
    return winner


def _reason(error: OSError) -> str:
    """The error as the system words it; asyncio replaces that by a call and its arguments."""
    if isinstance(error, (ssl.SSLError, socket.gaierror, DialError)) or not error.errno:
        return error.strerror or str(error)
    return os.strerror(error.errno)


def _make_context(tls: TargetTls, alpn: str | None) -> ssl.SSLContext:
    context = client_context(tls)
    context.set_alpn_protocols([alpn or "h2"])
    if tls.cert is not None and tls.key is not None:
        load_certificate(context, tls.cert, tls.key)
    return context


def load_certificate(context: ssl.SSLContext, cert: bytes, key: bytes) -> None:
    """Load a certificate and key through a temporary, private file: the ssl module reads nothing else."""
    with tempfile.TemporaryDirectory(prefix="loom-tls-") as directory:
        path = Path(directory) / "chain.pem"
        path.touch(mode=0o600)
        path.write_bytes(key + b"\n" + cert)
        context.load_cert_chain(path)
