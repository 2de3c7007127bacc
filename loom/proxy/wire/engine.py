"""The wire engine's server: the addresses it listens on, TLS on both sides, and its life."""

import asyncio
import contextlib
import itertools
import socket
import ssl
import tempfile
from pathlib import Path
from typing import cast

from loom.errors import StartError
from loom.model import Address, CallIds, Sink
from loom.proxy.engine import ServerTls, TargetTls
from loom.proxy.preflight import bindable_hosts, check_server_tls, check_target_tls

from .connection import Connection
from .event_buffer import Gathering
from .inspection_queue import Backlog
from .tunnel import Side, Tunnel

CONNECT_TIMEOUT = 20.0
_BACKLOG = 1024
_PORT_TRIES = 20
_ALPN = ("h2", "http/1.1")


class WireEngine:
    """Passes every byte between each client's connection and one to the target that is made for it.

    Bytes are never changed, delayed for the sake of looking, or reordered. Started on the loop that is to forward.
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
    ) -> None:
        self._listen = listen
        self._target = target_address
        self._sink = Gathering(sink)
        self._ids = ids
        self._server_tls = server_tls
        self._target_tls = target_tls
        self._numbers = itertools.count(1)
        self._servers: list[asyncio.Server] = []
        self._tunnels: set[Tunnel] = set()
        self._backlog = Backlog(self._sink)
        ids.settle = self._backlog.settle
        self._connecting: set[asyncio.Task[None]] = set()
        self._idle = asyncio.Event()
        self._port = 0
        self._listening_context: ssl.SSLContext | None = None

    @property
    def port(self) -> int:
        return self._port

    async def start(self) -> None:
        """Listen; the target need not be up. :class:`StartError` says why that is not possible."""
        if self._server_tls is not None:
            check_server_tls(self._server_tls)
            self._listening_context = _server_context(self._server_tls)
        if self._target_tls is not None:
            check_target_tls(self._target_tls)
        hosts = bindable_hosts(self._listen)
        tries = _PORT_TRIES if self._listen.port == 0 and len(hosts) > 1 else 1
        for attempt in range(tries):
            try:
                await self._bind(hosts)
            except OSError as error:
                await self._unbind()
                if attempt == tries - 1:
                    raise StartError(
                        f"cannot listen on {self._listen} (--listen): {error.strerror or error}; "
                        "end what holds the port, or choose another"
                    ) from error
            else:
                return

    async def stop(self, grace: float) -> None:
        """Take no new connections, give calls under way ``grace`` seconds, then end every connection."""
        await self._unbind()
        if grace > 0:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(grace):
                    await self._until_idle()
        for task in list(self._connecting):
            task.cancel()
        for tunnel in list(self._tunnels):
            tunnel.stop()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(1):
                while self._tunnels:
                    self._idle.clear()
                    await self._idle.wait()
        self._backlog.drain()

    async def _until_idle(self) -> None:
        while self._backlog or any(tunnel.connection.live for tunnel in self._tunnels):  # noqa: ASYNC110 (once, at the end)
            await asyncio.sleep(0.02)

    async def _bind(self, hosts: tuple[str, ...]) -> None:
        loop = asyncio.get_running_loop()
        self._port = self._listen.port
        for host in hosts:
            server = await loop.create_server(
                self._accept,
                host,
                self._port,
                backlog=_BACKLOG,
                ssl=self._listening_context,
                reuse_address=True,
                reuse_port=False,
                family=socket.AF_UNSPEC,
            )
            self._servers.append(server)
            self._port = server.sockets[0].getsockname()[1]

    async def _unbind(self) -> None:
        servers, self._servers = self._servers, []
        for server in servers:
            server.close()

    def _accept(self) -> Side:
        connection = Connection(next(self._numbers), self._sink, self._ids, peer="", target=str(self._target))
        tunnel = Tunnel(connection, self._backlog, self._begin_connecting, self._end)
        self._tunnels.add(tunnel)
        return tunnel.client

    def _begin_connecting(self, tunnel: Tunnel) -> None:
        tunnel.connection.peer = _peer(tunnel.client.transport)
        task = asyncio.get_running_loop().create_task(self._connect(tunnel), name="wire-connect")
        self._connecting.add(task)
        task.add_done_callback(self._connecting.discard)

    async def _connect(self, tunnel: Tunnel) -> None:
        """Connect to the target as the client has connected to Loom: the same protocol is offered."""
        loop = asyncio.get_running_loop()
        context = None
        if self._target_tls is not None:
            context = await loop.run_in_executor(
                None, _target_context, self._target_tls, _spoken(tunnel.client)
            )
        name = None
        if context is not None and self._target_tls is not None:
            name = self._target_tls.server_name or self._target.host
        try:
            async with asyncio.timeout(CONNECT_TIMEOUT):
                await loop.create_connection(
                    lambda: tunnel.target,
                    self._target.host,
                    self._target.port,
                    ssl=context,
                    server_hostname=name,
                )
        except TimeoutError:
            tunnel.refused(f"no answer within {CONNECT_TIMEOUT:g} s")
        except OSError as error:  # ssl's errors are among them
            tunnel.refused(error.strerror or str(error))

    def _end(self, tunnel: Tunnel) -> None:
        self._tunnels.discard(tunnel)
        if not self._tunnels:
            self._idle.set()


def _peer(transport: asyncio.Transport) -> str:
    """The client's address as gRPC writes it."""
    name = transport.get_extra_info("peername")
    if not isinstance(name, tuple):
        return ""
    host, port = name[:2]
    return f"ipv6:[{host}]:{port}" if ":" in host else f"ipv4:{host}:{port}"


def _spoken(client: Side) -> str | None:
    """What the client agreed on by ALPN; None in cleartext."""
    spoken = client.transport.get_extra_info("ssl_object")
    return None if spoken is None else cast("str | None", spoken.selected_alpn_protocol())


def _server_context(tls: ServerTls) -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.set_alpn_protocols(list(_ALPN))
    _load(context, tls.cert, tls.key)
    if tls.client_ca is not None:
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(cadata=tls.client_ca.decode())
    return context


def _target_context(tls: TargetTls, spoken: str | None) -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.SERVER_AUTH)
    context.set_alpn_protocols([spoken or "h2"])
    if tls.ca is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.set_alpn_protocols([spoken or "h2"])
        context.load_verify_locations(cadata=tls.ca.decode())
    if tls.cert is not None and tls.key is not None:
        _load(context, tls.cert, tls.key)
    return context


def _load(context: ssl.SSLContext, cert: bytes, key: bytes) -> None:
    """The standard library reads certificates from files only: one that nobody else can read, for a moment."""
    with tempfile.TemporaryDirectory(prefix="loom-tls-") as folder:
        path = Path(folder) / "chain.pem"
        path.touch(mode=0o600)
        path.write_bytes(key + b"\n" + cert)
        context.load_cert_chain(path)
