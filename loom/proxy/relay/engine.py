"""The relay's server: its ports, TLS and lifecycle."""

import asyncio
import contextlib
import dataclasses
import logging
import time
from collections.abc import Callable
from functools import lru_cache, partial
from urllib.parse import unquote

import grpc

from loom.errors import StartError
from loom.grpc_core.custom_metadata import from_core
from loom.grpc_core.deadlines import timeout_of
from loom.grpc_core.facade import Server, ServerCall
from loom.model import Address, CallIds, Kind, Sink
from loom.model.authority import client_authority
from loom.model.interception import CallFacts, Interceptor
from loom.proxy.binding import free_addresses
from loom.proxy.breaker import Breaker
from loom.proxy.breaker import State as BreakerState
from loom.proxy.connection_limit import connection_limit
from loom.proxy.dialer import State
from loom.proxy.engine import ServerTls
from loom.proxy.startup_checks import check_server_tls
from loom.proxy.target import Target, connection_options, keepalive_options

from .call import RelayedCall
from .call_context import CallContext
from .event_buffer import RelayEventBuffer
from .intercepted_call import InterceptedCall
from .memory_guard import MemoryGuard

_log = logging.getLogger(__name__)

MAX_STREAMS = 50_000
"""Open calls on one connection of a client, as many as are kept in memory in all; further ones wait in the client."""
_AUTHORITIES = 1024
"""Authorities of clients that are cached."""
_BIND_ATTEMPTS = 20
_CALLS_END_TIMEOUT = 10.0
"""Seconds for which a stopped server waits for its cancelled calls to be handled."""
_DESCRIPTORS_PER_CONNECTION = 2
"""The client's, and as many to the target, which may allow one call on each."""


class RelayEngine:
    """A gRPC server that forwards every call of every method to ``target``.

    ``metadata_limit`` is the most bytes of metadata that a client may send; ``kind_of`` is the stream type of a method
    path, if it is known; ``keepalive`` is the interval in seconds after which a silent client is pinged, None for
    never; ``interceptor`` may act on calls; while the process takes more than ``memory_limit`` bytes, calls are refused
    with RESOURCE_EXHAUSTED. Created on any thread, started on the event loop that is to record.
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
        keepalive: float | None = None,
        breaker: Breaker | None = None,
        kind_of: Callable[[str], Kind | None] = lambda _path: None,
        interceptor: Interceptor | None = None,
        memory_limit: int | None = None,
    ) -> None:
        self._listen = listen
        self._target = target
        self._sink = sink
        self._ids = ids
        self._tls = server_tls
        self._breaker = breaker
        self._kind_of = kind_of
        self._interceptor = interceptor
        self._metadata_limit = metadata_limit
        self._keepalive = keepalive
        self._memory = None if memory_limit is None else MemoryGuard(memory_limit)
        self._server: Server | None = None
        self._events: RelayEventBuffer | None = None
        self._context: CallContext
        self._port = 0
        self._calls: set[RelayedCall] = set()
        """Open calls; changed on gRPC's threads."""
        self._on_no_calls: Callable[[], None] | None = None
        """Set while the engine waits for open calls to end; runs on gRPC's threads."""
        self._observe(target, breaker)

    @property
    def port(self) -> int:
        return self._port

    async def start(self) -> None:
        """Listen; the target need not be up. Raises :class:`StartError`."""
        if self._tls is not None:
            check_server_tls(self._tls)
        self._events = RelayEventBuffer(self._sink, self._ids)
        for _ in range(_BIND_ATTEMPTS):
            addresses = free_addresses(self._listen)
            options = [*server_options(self._metadata_limit), *keepalive_options(self._keepalive)]
            server = Server(options, self._on_call)
            bound = self._bind(server, addresses)
            self._context = CallContext(
                self._target,
                self._events,
                self._breaker,
                self._kind_of,
                self._authority_of(addresses[0].port),
                self._memory,
            )
            server.start()
            if bound:
                self._port, self._server = addresses[0].port, server
                return
            # grpcio accepts no socket that is open already, so another process may have been faster.
            await server.stop(0, lambda: None)
        raise StartError(
            f"cannot listen on {self._listen} (--listen): other processes bind its port: try again"
        )

    def use(self, target: Target, breaker: Breaker | None, server_tls: ServerTls | None) -> None:
        """See :class:`loom.proxy.engine.Engine`: a call that has begun keeps its target and breaker."""
        if target is not self._target or breaker is not self._breaker:
            self._observe(
                target if target is not self._target else None,
                breaker if breaker is not self._breaker else None,
            )
            self._target, self._breaker = target, breaker
            self._context = dataclasses.replace(
                self._context, target=target, breaker=breaker, authority_of=self._authority_of(self._port)
            )
        self._tls = server_tls

    def is_using(self, target: Target) -> bool:
        return any(call.context.target is target for call in list(self._calls))

    def flush(self) -> None:
        """Emit every buffered event now. On the event loop only; does nothing before :meth:`start`."""
        if self._events is not None:
            self._events.flush()

    async def stop(self, grace: float) -> None:
        """Stop accepting calls, let open ones run for ``grace`` seconds, then cancel them."""
        server, self._server = self._server, None
        if server is not None:
            await server.stop(grace, self._on_grace_expired, self._wait_for_calls)
            self.flush()

    async def _wait_for_calls(self) -> bool:
        """Wait until every call has ended; False if that takes too long."""
        loop = asyncio.get_running_loop()
        ended = asyncio.Event()

        def on_no_calls() -> None:
            with contextlib.suppress(RuntimeError):  # the loop is closed: a second signal has ended the wait
                loop.call_soon_threadsafe(ended.set)

        self._on_no_calls = on_no_calls
        try:
            async with asyncio.timeout(_CALLS_END_TIMEOUT):
                while (
                    self._calls
                ):  # read after the callback is set: the last call's end is seen here or there
                    await ended.wait()
                    ended.clear()
        except TimeoutError:
            _log.error("%d calls did not end although they were cancelled", len(self._calls))
            return False
        finally:
            self._on_no_calls = None
        return True

    def _on_call_end(self, call: RelayedCall) -> None:
        self._calls.discard(call)
        on_no_calls = self._on_no_calls
        if on_no_calls is not None and not self._calls:
            on_no_calls()

    def _on_grace_expired(self) -> None:
        for call in list(self._calls):
            call.stopping = True

    def _observe(self, target: Target | None, breaker: Breaker | None) -> None:
        if target is not None:
            target.on_state(partial(self._on_target_state, target))
        if breaker is not None:
            breaker.on_state(self._on_breaker_state)

    def _on_target_state(self, target: Target, state: State) -> None:
        if state == "ready" and self._breaker is not None and target is self._target:
            self._breaker.end_pause()

    def _on_breaker_state(self, state: BreakerState) -> None:
        if state is BreakerState.OPEN:
            _log.warning(
                "circuit breaker open: calls are refused until the target answers: %s", self._target.error
            )
        elif state is BreakerState.CLOSED:
            _log.warning("circuit breaker closed: the target %s is reachable again", self._target.address)

    def _authority_of(self, port: int) -> Callable[[str], str]:
        if self._target.authority:
            return lambda _authority: ""
        return lru_cache(_AUTHORITIES)(partial(client_authority, listen_ports=(port,)))

    def _bind(self, server: Server, addresses: list[Address]) -> bool:
        return all(server.bind(str(address), self._credentials()) for address in addresses)

    def _credentials(self) -> grpc.ServerCredentials | None:
        """Of one address: C-core gives the first certificate of credentials to one listener only."""
        return None if self._tls is None else server_credentials(self._tls, lambda: self._tls)

    def _on_call(self, client_call: ServerCall) -> None:
        context = self._context
        call = self._intercepted(client_call, context) or RelayedCall(client_call, context, self._on_call_end)
        self._calls.add(call)
        call.start()

    def _intercepted(self, client_call: ServerCall, context: CallContext) -> RelayedCall | None:
        """The call, if something acts on it; None if it is forwarded as it is."""
        interceptor = self._interceptor
        if interceptor is None:
            return None
        method = client_call.method.decode("utf-8", "replace")
        if not interceptor.may_act(method, client_call.metadata or ()):
            return None
        try:
            opened = interceptor.open(
                CallFacts(
                    method,
                    from_core(client_call.metadata),
                    unquote(client_call.peer()),
                    client_call.authority,
                    target=str(context.target.address),
                    timeout=timeout_of(client_call.deadline, time.time()),
                )
            )
        except Exception:  # noqa: BLE001 (an interceptor must not break the traffic)
            _log.exception("an interceptor failed at the start of %s", method)
            return None
        if opened is None:
            return None
        return InterceptedCall(client_call, context, self._on_call_end, opened)


def server_credentials(tls: ServerTls, current: Callable[[], ServerTls | None]) -> grpc.ServerCredentials:
    """TLS for the listening side; with a client CA, clients must present a certificate that it signed.

    ``current`` returns what a new connection is accepted with; it runs on gRPC's threads.
    """
    last = tls

    def fetch() -> grpc.ServerCertificateConfiguration | None:
        nonlocal last
        now = current()
        if now is None or now == last:
            return None  # as before
        last = now
        return _certificates(now)

    return grpc.dynamic_ssl_server_credentials(
        _certificates(tls),
        fetch,  # type: ignore[arg-type]  # None means "as before"
        require_client_authentication=tls.client_ca is not None,
    )


def _certificates(tls: ServerTls) -> grpc.ServerCertificateConfiguration:
    return grpc.ssl_server_certificate_configuration([(tls.key, tls.cert)], root_certificates=tls.client_ca)


def server_options(metadata_limit: int) -> list[tuple[str, int]]:
    """The options in which Loom's server differs from grpcio's defaults."""
    return [
        # Messages of any size pass.
        ("grpc.max_receive_message_length", -1),
        ("grpc.max_send_message_length", -1),
        ("grpc.max_metadata_size", metadata_limit),
        ("grpc.absolute_max_metadata_size", metadata_limit),
        *connection_options(),
        ("grpc.max_concurrent_streams", MAX_STREAMS),
        ("grpc.max_allowed_incoming_connections", connection_limit(_DESCRIPTORS_PER_CONNECTION)),
        # A client may ping as often as it likes: the limit is the backend's to set.
        ("grpc.http2.max_ping_strikes", 0),
        # A port in use is an error; it is not shared with the other process.
        ("grpc.so_reuseport", 0),
    ]
