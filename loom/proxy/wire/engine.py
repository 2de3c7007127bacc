"""The wire engine's server: listening sockets, TLS on both sides, and lifecycle."""

import asyncio
import contextlib
import itertools
import logging
import ssl
from typing import Any, Self, cast

from loom.model import Address, CallIds, Sink
from loom.proxy.binding import LISTEN_BACKLOG, open_sockets
from loom.proxy.breaker import Breaker
from loom.proxy.connection_limit import connection_limit
from loom.proxy.dialer import Dialer, DialError, load_certificate
from loom.proxy.engine import ServerTls, TargetTls
from loom.proxy.event_buffer import EventBuffer
from loom.proxy.startup_checks import check_server_tls, check_target_tls
from loom.proxy.target import Target

from .connection import Connection
from .drain import drain
from .inspection_queue import InspectionQueue
from .limits import ConnectionLimits, Usage
from .tunnel import WRITE_BUFFER_LIMIT, Tunnel, TunnelEnd

_log = logging.getLogger(__name__)

_DESCRIPTORS_PER_CONNECTION = 2  # the client's and the target's
_ALPN = ("h2", "http/1.1")


class WireEngine:
    """Forwards the bytes of each client's connection over a connection of its own to the target.

    Bytes are never changed or reordered, and are written before they are inspected. ``limits`` bound what a connection
    may make Loom keep; ``write_buffer_limit`` is the number of bytes buffered for one end before reading from the other
    is paused. Past ``max_connections``, by default as many as there are file descriptors for, a client's connection is
    reset at once. ``dialer`` opens the connections to the target. Started on the event loop that is to forward.
    """

    def __init__(
        self,
        listen: Address,
        target_address: Address,
        sink: Sink,
        ids: CallIds,
        *,
        server_tls: ServerTls | None,
        target_tls: TargetTls | None,
        dialer: Dialer | None = None,
        limits: ConnectionLimits | None = None,
        write_buffer_limit: int = WRITE_BUFFER_LIMIT,
        max_connections: int | None = None,
    ) -> None:
        self._listen = listen
        self._target = target_address
        self._events = EventBuffer(sink)
        self._ids = ids
        self._server_tls = server_tls
        self._target_tls = target_tls
        self._connection_numbers = itertools.count(1)
        self._servers: list[asyncio.Server] = []
        self._tunnels: set[Tunnel] = set()
        self._tunnel_of: dict[Connection, Tunnel] = {}
        self._queue = InspectionQueue(self._events, throttle=self._throttle)
        self._dialer = dialer or Dialer(target_address, target_tls)
        self._dialers: dict[Tunnel, Dialer] = {}
        """What connects each tunnel to its target, or has."""
        self._connected: set[Tunnel] = set()
        """The tunnels with a connection to the target."""
        self._limits = limits
        self._usage = Usage(loop_lag=self._queue.loop_lag)
        self._write_buffer_limit = write_buffer_limit
        self._max_connections = max_connections or connection_limit(_DESCRIPTORS_PER_CONNECTION)
        self._refused = False
        self._connecting: set[asyncio.Task[None]] = set()
        self._idle = asyncio.Event()
        self._port = 0
        self._server_context: _ServerContext | None = None

    @property
    def port(self) -> int:
        return self._port

    async def start(self) -> None:
        """Listen; the target need not be up. Raises :class:`loom.errors.StartError`."""
        if self._server_tls is not None:
            check_server_tls(self._server_tls)
            self._server_context = _ServerContext(_make_server_context(self._server_tls))
        if self._target_tls is not None:
            check_target_tls(self._target_tls)
        loop = asyncio.get_running_loop()
        sockets = open_sockets(self._listen)
        self._port = sockets[0].getsockname()[1]
        self._servers = [
            await loop.create_server(
                self._accept, sock=opened, backlog=LISTEN_BACKLOG, ssl=self._server_context
            )
            for opened in sockets
        ]

    def use(self, target: Target, breaker: Breaker | None, server_tls: ServerTls | None) -> None:
        """See :class:`loom.proxy.engine.Engine`: a connection that has been accepted keeps its target."""
        del breaker  # this engine has none
        self._target, self._dialer = target.address, target.dialer
        if self._server_context is not None and server_tls is not None and server_tls != self._server_tls:
            self._server_tls = server_tls
            self._server_context.current = _make_server_context(server_tls)

    def is_using(self, target: Target) -> bool:
        return any(dialer is target.dialer for dialer in self._dialers.values())

    def flush(self) -> None:
        """Emit every buffered event now. On the event loop only; bytes that wait for inspection keep their turn."""
        self._queue.flush()

    async def stop(self, grace: float) -> None:
        """Stop accepting connections, ask clients to leave, and let open calls run for ``grace`` seconds.

        Then connections with calls are reset, and the others closed.
        """
        self._close_servers()
        if grace > 0:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(grace):
                    await drain(lambda: self._tunnels, self._queue)
        for task in list(self._connecting):
            task.cancel()
        for tunnel in list(self._tunnels):
            tunnel.stop()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(1):
                while self._tunnels:
                    self._idle.clear()
                    await self._idle.wait()
        for tunnel in list(self._tunnels):  # its client does not read, or does not answer the end of TLS
            tunnel.client.close(abort=True)
            tunnel.target.close(abort=True)
        self._queue.drain()

    def _close_servers(self) -> None:
        servers, self._servers = self._servers, []
        for server in servers:
            server.close()

    def _accept(self) -> TunnelEnd:
        connection = Connection(
            next(self._connection_numbers),
            self._events,
            self._ids,
            peer="",
            target=str(self._target),
            limits=self._limits,
            usage=self._usage,
        )
        tunnel = Tunnel(
            connection, self._queue, self._start_connecting, self._on_end, self._write_buffer_limit
        )
        self._tunnels.add(tunnel)
        self._tunnel_of[connection] = tunnel
        self._dialers[tunnel] = self._dialer
        return tunnel.client

    def _start_connecting(self, tunnel: Tunnel) -> None:
        if len(self._tunnels) > self._max_connections:
            if not self._refused:
                _log.warning("further connections are refused while %d are open", self._max_connections)
            self._refused = True
            tunnel.client.close(abort=True)
            return
        self._refused = False
        tunnel.connection.peer = _peer(tunnel.client.transport)
        task = asyncio.get_running_loop().create_task(self._connect(tunnel), name="wire-connect")
        self._connecting.add(task)
        task.add_done_callback(self._connecting.discard)

    async def _connect(self, tunnel: Tunnel) -> None:
        """Connect to the target, offering the protocol that the client and Loom agreed on."""
        dialer = self._dialers.get(tunnel, self._dialer)
        try:
            await dialer.connect(lambda: tunnel.target, _alpn_protocol(tunnel.client))
        except DialError as error:
            tunnel.on_connect_failure(str(error))
            return
        if tunnel in self._tunnels:
            self._connected.add(tunnel)
        else:  # the client has gone away meanwhile
            dialer.connection_closed()

    def _throttle(self, connection: Connection, throttled: bool) -> None:
        tunnel = self._tunnel_of.get(connection)
        if tunnel is not None:
            tunnel.throttle(throttled=throttled)

    def _on_end(self, tunnel: Tunnel) -> None:
        self._tunnels.discard(tunnel)
        self._tunnel_of.pop(tunnel.connection, None)
        dialer = self._dialers.pop(tunnel, None)
        if tunnel in self._connected:
            self._connected.discard(tunnel)
            if dialer is not None:
                dialer.connection_closed()
        if not self._tunnels:
            self._idle.set()


def _peer(transport: asyncio.Transport) -> str:
    """The client's address as gRPC writes it."""
    name = transport.get_extra_info("peername")
    if not isinstance(name, tuple):
        return ""
    host, port = name[:2]
    return f"ipv6:[{host}]:{port}" if ":" in host else f"ipv4:{host}:{port}"


def _alpn_protocol(client: TunnelEnd) -> str | None:
    """The protocol that was negotiated with the client by ALPN; None in cleartext."""
    ssl_object = client.transport.get_extra_info("ssl_object")
    return None if ssl_object is None else cast("str | None", ssl_object.selected_alpn_protocol())


class _ServerContext(ssl.SSLContext):
    """What a server is given once, while the context of each new connection is the current one."""

    current: ssl.SSLContext

    def __new__(cls, current: ssl.SSLContext) -> Self:
        context = super().__new__(cls, ssl.PROTOCOL_TLS_SERVER)
        context.current = current
        return context

    def wrap_bio(self, *args: Any, **kwargs: Any) -> ssl.SSLObject:
        return self.current.wrap_bio(*args, **kwargs)


def _make_server_context(tls: ServerTls) -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.set_alpn_protocols(list(_ALPN))
    load_certificate(context, tls.cert, tls.key)
    if tls.client_ca is not None:
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(cadata=tls.client_ca.decode())
    return context
