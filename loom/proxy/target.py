"""The channels to one target: a pool by user-agent, TLS, and connection state.

A channel connects when the first call needs it, reconnects, and
opens further connections when the target allows no more streams on one. The pool has one channel per user-agent of
the clients, because grpcio takes the user-agent from the channel: the target sees the client's
own token first and grpcio's behind it.
"""

import asyncio
import contextlib
import json
import logging
import threading
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING
from urllib.parse import quote

import grpc
import grpc.aio

from loom.errors import StartError
from loom.model import Address

from . import local_status
from .dialer import Dialer, State
from .engine import TargetTls
from .self_dial import is_self_dial
from .startup_checks import check_resolvable, check_target_tls
from .tls_hop import TlsHop
from .trust import root_certificates

if TYPE_CHECKING:
    from loom.grpc_core.facade import Channel

MAX_CHANNELS = 16
"""The most user-agents with a channel of their own; later ones share the channel without a token."""

_log = logging.getLogger(__name__)

_MAX_CONNECTIONS = 100
"""Per channel."""

_MAX_PING_TIMEOUT = 20.0
"""Seconds to wait for the answer to a ping."""

RESOLVE_INTERVAL = 1.0
"""Seconds between two attempts to resolve a name that does not exist yet."""

_POLL_INTERVAL = 0.1
"""Seconds between two polls of the channels' states, which C-core answers without I/O."""

_STATES: dict[int, State] = {
    grpc.ChannelConnectivity.IDLE.value[0]: "idle",
    grpc.ChannelConnectivity.CONNECTING.value[0]: "connecting",
    grpc.ChannelConnectivity.READY.value[0]: "ready",
    grpc.ChannelConnectivity.TRANSIENT_FAILURE.value[0]: "down",
    grpc.ChannelConnectivity.SHUTDOWN.value[0]: "idle",
}
_PRECEDENCE: tuple[State, ...] = ("ready", "connecting", "down", "idle")
"""The target's state is the first of these that one of its channels has."""


class Target:
    """The target that calls are forwarded to.

    ``authority`` replaces the ``:authority`` that the target receives (its own address by default);
    ``metadata_limit`` is the most bytes of metadata that it may answer with; ``keepalive`` is the interval of
    :func:`keepalive_options` in seconds, None for no pings; ``resolve_interval`` is the time in seconds between two
    attempts to resolve a name that does not exist yet.
    Belongs to the event loop that it was created on; :meth:`channel`, :meth:`record_success` and
    :meth:`record_failure` are thread-safe.
    """

    def __init__(
        self,
        address: Address,
        tls: TargetTls | None,
        authority: str | None,
        metadata_limit: int,
        keepalive: float | None = None,
        *,
        resolve_interval: float = RESOLVE_INTERVAL,
    ) -> None:
        if tls is not None:
            check_target_tls(tls)
        self.address = address
        self.tls = tls
        self.authority = authority
        self.metadata_limit = metadata_limit
        self.keepalive = keepalive
        self._resolve_interval = resolve_interval
        self.error = ""
        """The reason of the last connection failure; "" after a success."""
        self.refusal = ""
        """Why calls must not be forwarded at all; "" if they may."""
        self.dialer = Dialer(address, tls)
        """Opens the connections that C-core does not open itself."""
        self.dialer.on_change(self._on_dialer_change)
        self._hop = TlsHop(self.dialer) if tls is not None and tls.insecure else None
        self._resolving: asyncio.Task[None] | None = None
        self._channels: dict[str, Channel] = {}
        self._loom_channel: grpc.aio.Channel | None = None
        self._lock = threading.Lock()
        self._loop = asyncio.get_running_loop()
        self._poll_timer: asyncio.TimerHandle | None = None
        self._observers: list[Callable[[State], None]] = []
        self._state: State = "idle"
        self._closed = False

    async def check(self) -> None:
        """Raise :class:`StartError` if the target's host does not exist; the target need not be up."""
        loop = asyncio.get_running_loop()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(1):
                await loop.run_in_executor(None, check_resolvable, self.address)

    async def check_or_wait(self, own_addresses: Callable[[], Sequence[Address]] = tuple) -> None:
        """Raise :class:`StartError` if the target is one of ``own_addresses``, now or when it is dialled.

        A host that does not exist yet is logged, and resolved again every second. Until it exists, the target is down.
        """
        self.dialer.own_addresses = own_addresses
        try:
            await self.check()
            await self._check_self_dial()
        except StartError as error:
            if self.refusal:
                raise
            _log.warning("%s; trying again until it can be", error)
            self.error = str(error)
            self._resolving = asyncio.create_task(self._resolve_until_known(), name="resolve target")
            self._update_state()

    async def _check_self_dial(self) -> None:
        """Raise :class:`StartError`, and refuse calls, if the target is one of Loom's own addresses."""
        with contextlib.suppress(OSError):  # the target may come up later
            if await is_self_dial(self.address, self.dialer.own_addresses()):
                self.refusal = f"--target {self.address} is Loom's own address: name the backend's"
                raise StartError(self.refusal)

    async def _resolve_until_known(self) -> None:
        while True:
            await asyncio.sleep(self._resolve_interval)
            try:
                await self.check()
                await self._check_self_dial()
            except StartError as error:
                self.error = str(error)
                if self.refusal:
                    _log.error("%s", error)
                    return
            else:
                break
        _log.warning("the target's name %r can be resolved now", self.address.host)
        self.error = ""
        self._resolving = None
        self._update_state()

    @property
    def state(self) -> State:
        self._update_state()
        return self._state

    def on_state(self, observer: Callable[[State], None]) -> None:
        """Call ``observer`` on the loop with every new state."""
        self._observers.append(observer)

    def channel(self, user_agent: str = "") -> "Channel":
        """The pooled channel for calls whose user-agent starts with ``user_agent``."""
        with self._lock:
            if self._closed:
                raise StartError(f"the connections to {self.address} are closed")
            if user_agent not in self._channels and len(self._channels) >= MAX_CHANNELS:
                user_agent = ""
            channel = self._channels.get(user_agent)
            if channel is None:
                from loom.grpc_core.facade import Channel  # noqa: PLC0415 (the wire engine runs without it)

                channel = Channel(self._core_target(), self._options(user_agent), self._credentials())
                self._channels[user_agent] = channel
                with contextlib.suppress(RuntimeError):  # the loop is closed
                    self._loop.call_soon_threadsafe(self._poll)
        return channel

    def own_channel(self) -> grpc.aio.Channel:
        """The channel for Loom's own requests to the target, such as server reflection."""
        if self._closed:
            raise StartError(f"the connections to {self.address} are closed")
        if self._loom_channel is None:
            name, options, credentials = self._core_target(), self._options(""), self._credentials()
            if credentials is None:
                self._loom_channel = grpc.aio.insecure_channel(name, options=options)
            else:
                self._loom_channel = grpc.aio.secure_channel(name, credentials, options=options)
            self._poll()
        return self._loom_channel

    def record_success(self) -> None:
        """A connection carried a call."""
        self.error = ""

    def record_failure(self, reason: str) -> None:
        """No connection could be made for a call."""
        self.error = reason

    def with_address(self, address: Address) -> "Target":
        """A target with the same options at another address, which may ask for TLS or cleartext by its scheme."""
        tls = self.tls
        if address.tls is not None:
            tls = (tls or TargetTls()) if address.tls else None
        target = Target(address, tls, self.authority, self.metadata_limit, self.keepalive)
        target.dialer.own_addresses = self.dialer.own_addresses
        return target

    async def close(self) -> None:
        """Close every channel, cancelling open calls."""
        with self._lock:
            self._closed = True
        if self._poll_timer is not None:
            self._poll_timer.cancel()
        if self._resolving is not None:
            self._resolving.cancel()
        if self._loom_channel is not None:
            await self._loom_channel.close()
        for channel in self._channels.values():
            await self._loop.run_in_executor(None, channel.close)
        if self._hop is not None:
            await self._hop.close()

    def failure_reason(self, reason: str) -> str:
        """Why no connection could be made, of which C-core says ``reason``."""
        return self.dialer.error or reason if self._hop is not None else reason

    def _on_dialer_change(self) -> None:
        if self._resolving is None:
            reason = self.dialer.error
            self.error = local_status.target_unreachable(self.address, reason).message if reason else ""
        self._update_state()

    def _core_target(self) -> str:
        """The target as C-core names it, in whose URIs a path is escaped."""
        path = self.address.unix_path if self._hop is None else self._hop.path
        return f"unix:{quote(path)}" if path else str(self.address)

    def _options(self, user_agent: str) -> list[tuple[str, int | str]]:
        options = [*channel_options(self.metadata_limit), *keepalive_options(self.keepalive)]
        if user_agent:
            options.append(("grpc.primary_user_agent", user_agent))
        authority = self.authority
        if self._hop is not None and not authority:
            # The name that C-core would send over TLS of its own.
            authority = (self.tls and self.tls.server_name) or str(self.address)
        if authority:
            options.append(("grpc.default_authority", authority))
        if self._hop is None and self.tls is not None and self.tls.server_name:
            # The name to check the certificate against, and to send as SNI.
            options.append(("grpc.ssl_target_name_override", self.tls.server_name))
        return options

    def _credentials(self) -> grpc.ChannelCredentials | None:
        if self.tls is None or self._hop is not None:
            return None
        return grpc.ssl_channel_credentials(root_certificates(self.tls.ca), self.tls.key, self.tls.cert)

    def _poll(self) -> None:
        """Update the state, and schedule the next poll."""
        if self._poll_timer is not None:
            self._poll_timer.cancel()
        if not self._closed:
            self._update_state()
            self._poll_timer = self._loop.call_later(_POLL_INTERVAL, self._poll)

    def _update_state(self) -> None:
        """Derive the target's state from its channels, and notify observers of a change."""
        if self._closed:
            return
        states = {_STATES[channel.connectivity()] for channel in list(self._channels.values())}
        if self._loom_channel is not None:
            states.add(_STATES[self._loom_channel.get_state().value[0]])
        states.add("down" if self._resolving is not None or self.refusal else self.dialer.state)
        state: State = next((state for state in _PRECEDENCE if state in states), "idle")
        if state == "ready":
            self.error = ""
        if state != self._state:
            self._state = state
            for observer in self._observers:
                observer(state)


def channel_options(metadata_limit: int) -> list[tuple[str, int | str]]:
    """The options in which Loom's channels differ from grpcio's defaults."""
    return [
        # Messages of any size pass.
        ("grpc.max_receive_message_length", -1),
        ("grpc.max_send_message_length", -1),
        ("grpc.max_metadata_size", metadata_limit),
        ("grpc.absolute_max_metadata_size", metadata_limit),
        *connection_options(),
        # Reconnect within about a second of the target's return: back-off from 0.1 s to 0.8 s
        # (and a fifth of jitter), name resolution every second. One attempt may
        # take five seconds, so that slow links still connect.
        ("grpc.initial_reconnect_backoff_ms", 100),
        ("grpc.max_reconnect_backoff_ms", 800),
        ("grpc.min_reconnect_backoff_ms", 5_000),
        ("grpc.dns_min_time_between_resolutions_ms", 1_000),
        # Calls of many clients share a channel, while each client would have had a connection of its own: open
        # another when the target allows no more streams on one.
        (
            "grpc.service_config",
            json.dumps({"connectionScaling": {"maxConnectionsPerSubchannel": _MAX_CONNECTIONS}}),
        ),
        ("grpc.max_connections_per_subchannel_cap", _MAX_CONNECTIONS),
        # Neither a service config in DNS nor the proxy variables of the environment may change the traffic.
        ("grpc.service_config_disable_resolution", 1),
        ("grpc.enable_http_proxy", 0),
    ]


def connection_options() -> list[tuple[str, int]]:
    """The options of every HTTP/2 connection of C-core, on both sides of Loom."""
    return [
        # A fixed flow-control window, which bounds the bytes that a stalled reader makes Loom buffer. By default grpcio
        # widens its windows to the speed of the link: on the loopback it buffered up to 90 MiB for one stalled
        # stream. One MiB costs no measurable throughput there.
        ("grpc.http2.bdp_probe", 0),
        ("grpc.http2.lookahead_bytes", 1 << 20),
        # The other side sends no header by reference to an earlier one. C-core remembers a header that it cannot parse
        # with its error, and then refuses every later call on the connection, of any client, that refers to it.
        ("grpc.http2.hpack_table_size.decoder", 0),
    ]


def keepalive_options(interval: float | None) -> list[tuple[str, int]]:
    """The options with which a side of Loom notices a peer that has stopped answering; None pings never.

    A connection with open calls on which nothing arrives for ``interval`` seconds is pinged, and is lost if the answer
    takes as long again (at most 20 s, grpc-go's default). Connections without calls are not pinged.

    Source: https://github.com/grpc/grpc/blob/master/doc/keepalive.md
    """
    if interval is None:
        return []
    return [
        ("grpc.keepalive_time_ms", round(interval * 1000)),
        ("grpc.keepalive_timeout_ms", round(min(interval, _MAX_PING_TIMEOUT) * 1000)),
        ("grpc.http2.ping_timeout_ms", round(min(interval, _MAX_PING_TIMEOUT) * 1000)),
        # By default C-core stops after two pings, until it has data to send: a stream that only receives needs more.
        ("grpc.http2.max_pings_without_data", 0),
    ]
