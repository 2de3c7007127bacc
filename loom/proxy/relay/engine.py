"""The relay's server: the addresses it listens on, TLS, and its life."""

import asyncio
import contextlib
import logging
from collections.abc import Callable
from typing import Any

import grpc
import grpc.aio

from loom.errors import StartError
from loom.model import Address, CallIds, Kind, Sink
from loom.proxy.breaker import Breaker
from loom.proxy.breaker import State as BreakerState
from loom.proxy.engine import ServerTls
from loom.proxy.listening import bindable_hosts, check_server_tls
from loom.proxy.target import State, Target, flow_control_options

from .call import RelayedCall

_log = logging.getLogger(__name__)

_PORT_TRIES = 20
_ONE_REQUEST = frozenset({Kind.UNARY, Kind.SERVER})


class RelayEngine:
    """A gRPC server that forwards every call of every method to ``target``.

    ``metadata_limit`` is the most bytes of metadata that a client may send. Made on any thread, started on
    the loop that is to forward.
    """

    def __init__(
        self,
        listen: Address,
        target: Target,
        sink: Sink,
        ids: CallIds,
        *,
        server_tls: ServerTls | None,
        metadata_limit: int,
        breaker: Breaker | None = None,
        schema_kind: Callable[[str], Kind | None] = lambda _path: None,
    ) -> None:
        self._listen = listen
        self._target = target
        self._sink = sink
        self._ids = ids
        self._tls = server_tls
        self._breaker = breaker
        self._schema_kind = schema_kind
        self._metadata_limit = metadata_limit
        self._server: grpc.aio.Server | None = None
        self._port = 0
        self._calls: set[RelayedCall] = set()
        target.on_state(self._target_changed)
        if breaker is not None:
            breaker.on_state(self._breaker_changed)

    @property
    def port(self) -> int:
        return self._port

    async def start(self) -> None:
        """Listen; the target need not be up. :class:`StartError` says why that is not possible."""
        if self._tls is not None:
            check_server_tls(self._tls)
        hosts = bindable_hosts(self._listen)
        tries = _PORT_TRIES if self._listen.port == 0 and len(hosts) > 1 else 1
        for attempt in range(tries):
            server = self._make_server()
            try:
                self._port = self._bind(server, hosts)
            except RuntimeError as error:
                # With port 0 the second family may not get the port that the first was given.
                await server.stop(None)
                if attempt == tries - 1:
                    raise StartError(f"cannot listen on {self._listen} (--listen): {error}") from error
                continue
            self._server = server
            await server.start()
            return

    async def stop(self, grace: float) -> None:
        """Take no new calls, give those under way ``grace`` seconds, then cancel them."""
        if self._server is None:
            return
        server, self._server = self._server, None
        stopping = asyncio.get_running_loop().create_task(server.stop(grace), name="relay-stop")
        if grace > 0:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(grace):
                    await asyncio.shield(stopping)
        for call in self._calls:
            call.stopping = True
        await stopping

    def _target_changed(self, state: State) -> None:
        if state == "ready" and self._breaker is not None:
            self._breaker.connected()

    def _breaker_changed(self, state: BreakerState) -> None:
        if state is BreakerState.OPEN:
            _log.warning(
                "circuit breaker open: calls are refused until the target answers: %s", self._target.error
            )
        elif state is BreakerState.CLOSED:
            _log.warning("circuit breaker closed: the target %s is reachable again", self._target.address)

    def _make_server(self) -> grpc.aio.Server:
        handlers = (_EveryMethod(self._forward),)
        return grpc.aio.server(handlers=handlers, options=server_options(self._metadata_limit))

    def _bind(self, server: grpc.aio.Server, hosts: tuple[str, ...]) -> int:
        port = self._listen.port
        for host in hosts:
            where = str(Address(host, port))
            if self._tls is None:
                port = server.add_insecure_port(where)
            else:
                port = server.add_secure_port(where, server_credentials(self._tls))
        return port

    async def _forward(self, method: str, context: Any) -> None:
        call = RelayedCall(
            self._ids.take(),
            method,
            context,
            target=self._target,
            breaker=self._breaker,
            sink=self._sink,
            one_request=self._schema_kind(method) in _ONE_REQUEST,
        )
        self._calls.add(call)
        try:
            await call.run()
        finally:
            self._calls.discard(call)


class _EveryMethod(grpc.GenericRpcHandler):
    """Answers for every method, as a stream of bytes each way: that contains all four stream types."""

    def __init__(self, forward: Callable[[str, Any], Any]) -> None:
        self._forward = forward

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> "grpc.RpcMethodHandler[bytes, bytes]":
        method = handler_call_details.method
        forward = self._forward

        async def handle(_requests: Any, context: Any) -> None:
            await forward(method, context)

        return grpc.stream_stream_rpc_method_handler(handle)


def server_credentials(tls: ServerTls) -> grpc.ServerCredentials:
    """TLS for the listening side; with a client CA, clients must show a certificate of it."""
    return grpc.ssl_server_credentials(
        [(tls.key, tls.cert)],
        root_certificates=tls.client_ca,
        require_client_auth=tls.client_ca is not None,
    )


def server_options(metadata_limit: int) -> list[tuple[str, int]]:
    """How Loom's server differs from grpcio's defaults."""
    return [
        # Whatever the two sides send each other passes.
        ("grpc.max_receive_message_length", -1),
        ("grpc.max_send_message_length", -1),
        ("grpc.max_metadata_size", metadata_limit),
        ("grpc.absolute_max_metadata_size", metadata_limit),
        *flow_control_options(),
        # A client may ping as often as it likes; whether that is too often is the backend's to say.
        ("grpc.http2.max_ping_strikes", 0),
        # A port in use is an error, not a port shared with whoever has it.
        ("grpc.so_reuseport", 0),
    ]
