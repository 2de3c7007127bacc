"""The relay's server: the addresses it listens on, TLS, and its life."""

import logging
from collections.abc import Callable

import grpc

from loom.errors import StartError
from loom.grpc_core.facade import IncomingCall, Listener
from loom.model import Address, CallIds, Kind, Sink
from loom.proxy.breaker import Breaker
from loom.proxy.breaker import State as BreakerState
from loom.proxy.engine import ServerTls
from loom.proxy.preflight import bindable_hosts, check_server_tls
from loom.proxy.target import State, Target, flow_control_options

from .call import RelayedCall, Way
from .event_buffer import Courier

_log = logging.getLogger(__name__)

_PORT_TRIES = 20


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
        self._listener: Listener | None = None
        self._courier: Courier
        self._way: Way
        self._port = 0
        self._calls: set[RelayedCall] = set()
        """Those under way; changed on gRPC's threads."""
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
        self._courier = Courier(self._sink, self._ids)
        self._way = Way(self._target, self._courier, self._breaker, self._schema_kind)
        tries = _PORT_TRIES if self._listen.port == 0 and len(hosts) > 1 else 1
        for attempt in range(tries):
            listener = Listener(server_options(self._metadata_limit), self._forward)
            port = self._bind(listener, hosts)
            listener.start()
            if port:
                self._port, self._listener = port, listener
                return
            # With port 0 the second family may not get the port that the first was given.
            await listener.stop(0, lambda: None)
            if attempt == tries - 1:
                raise StartError(
                    f"cannot listen on {self._listen} (--listen): the port has been taken just now: try again"
                )

    async def stop(self, grace: float) -> None:
        """Take no new calls, give those under way ``grace`` seconds, then cancel them."""
        listener, self._listener = self._listener, None
        if listener is not None:
            await listener.stop(grace, self._cut_off)
            self._courier.deliver()

    def _cut_off(self) -> None:
        for call in list(self._calls):
            call.stopping = True

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

    def _bind(self, listener: Listener, hosts: tuple[str, ...]) -> int:
        """The port that the listener got on all hosts; 0 if it did not."""
        port = self._listen.port
        credentials = None if self._tls is None else server_credentials(self._tls)
        for host in hosts:
            port = listener.bind(str(Address(host, port)), credentials)
            if not port:
                break
        return port

    def _forward(self, incoming: IncomingCall) -> None:
        call = RelayedCall(incoming, self._way, self._calls.discard)
        self._calls.add(call)
        call.begin()


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
