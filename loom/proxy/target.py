"""The connections to one target: pooled channels, TLS, and what state they are in.

A channel makes its connection when the first call needs it, makes it anew when it breaks, and
adds others when the target allows no more streams on it. Loom keeps one channel for each user-agent that
its clients show, because grpcio takes the user-agent from the channel: the target sees the client's
own token first and grpcio's behind it.
"""

import asyncio
import contextlib
import json
import threading
from collections.abc import Callable
from typing import Literal

import grpc
import grpc.aio

from loom.errors import StartError
from loom.grpc_core.facade import Channel
from loom.model import Address

from .engine import TargetTls
from .preflight import check_resolvable, check_target_tls

State = Literal["idle", "connecting", "ready", "down"]

MAX_CHANNELS = 16
"""User-agents that get a channel of their own; those that come later share the one without a token."""

_CONNECTIONS = 100
"""The most connections of one channel."""

_LOOK = 0.1
"""Seconds between two looks at the state of the channels, which is a number that C-core has at hand."""

_STATES: dict[int, State] = {
    grpc.ChannelConnectivity.IDLE.value[0]: "idle",
    grpc.ChannelConnectivity.CONNECTING.value[0]: "connecting",
    grpc.ChannelConnectivity.READY.value[0]: "ready",
    grpc.ChannelConnectivity.TRANSIENT_FAILURE.value[0]: "down",
    grpc.ChannelConnectivity.SHUTDOWN.value[0]: "idle",
}
_RANK: tuple[State, ...] = ("ready", "connecting", "down", "idle")
"""Of several channels' states, the first of these that occurs is the target's."""


class Target:
    """Where calls are forwarded to.

    ``authority`` replaces the ``:authority`` that the target sees (its own address by
    default); ``metadata_limit`` is the most bytes of metadata that it may answer with.
    Must be made and used on one running event loop; :meth:`channel`, :meth:`reached` and :meth:`unreached` are for any
    thread.
    """

    def __init__(
        self, address: Address, tls: TargetTls | None, authority: str | None, metadata_limit: int
    ) -> None:
        if tls is not None:
            check_target_tls(tls)
        self.address = address
        self.tls = tls
        self.authority = authority
        self.metadata_limit = metadata_limit
        self.error = ""
        """Why the target could not be reached the last time, or empty."""
        self._channels: dict[str, Channel] = {}
        self._own: grpc.aio.Channel | None = None
        self._opening = threading.Lock()
        self._loop = asyncio.get_running_loop()
        self._looking: asyncio.TimerHandle | None = None
        self._observers: list[Callable[[State], None]] = []
        self._state: State = "idle"
        self._closed = False

    async def check(self) -> None:
        """Raise :class:`StartError` if the target's host name is unknown; the target need not be up."""
        loop = asyncio.get_running_loop()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(1):
                await loop.run_in_executor(None, check_resolvable, self.address)

    @property
    def state(self) -> State:
        self._settle()
        return self._state

    def on_state(self, observer: Callable[[State], None]) -> None:
        """Call ``observer`` with the new state at each change, on the loop."""
        self._observers.append(observer)

    def channel(self, user_agent: str = "") -> Channel:
        """The pooled channel whose calls start their user-agent with ``user_agent``."""
        with self._opening:
            if self._closed:
                raise StartError(f"the connections to {self.address} are closed")
            if user_agent not in self._channels and len(self._channels) >= MAX_CHANNELS:
                user_agent = ""
            channel = self._channels.get(user_agent)
            if channel is None:
                channel = Channel(str(self.address), self._options(user_agent), self._credentials())
                self._channels[user_agent] = channel
                self._loop.call_soon_threadsafe(self._look)
        return channel

    def own_channel(self) -> grpc.aio.Channel:
        """The channel for what Loom itself asks the target."""
        if self._closed:
            raise StartError(f"the connections to {self.address} are closed")
        if self._own is None:
            where, options, credentials = str(self.address), self._options(""), self._credentials()
            if credentials is None:
                self._own = grpc.aio.insecure_channel(where, options=options)
            else:
                self._own = grpc.aio.secure_channel(where, credentials, options=options)
            self._look()
        return self._own

    def reached(self) -> None:
        """Tell that a call got through."""
        self.error = ""

    def unreached(self, reason: str) -> None:
        """Tell that a call did not get through, and why."""
        self.error = reason

    def another(self, address: Address) -> "Target":
        """The same way of connecting, to another address."""
        return Target(address, self.tls, self.authority, self.metadata_limit)

    async def close(self) -> None:
        """Close every channel; calls still under way on them are cancelled."""
        with self._opening:
            self._closed = True
        if self._looking is not None:
            self._looking.cancel()
        if self._own is not None:
            await self._own.close()
        for channel in self._channels.values():
            await self._loop.run_in_executor(None, channel.close)

    def _options(self, user_agent: str) -> list[tuple[str, int | str]]:
        options = channel_options(self.metadata_limit)
        if user_agent:
            options.append(("grpc.primary_user_agent", user_agent))
        if self.authority:
            options.append(("grpc.default_authority", self.authority))
        if self.tls is not None and self.tls.server_name:
            # The name to check the certificate against, and to send as SNI.
            options.append(("grpc.ssl_target_name_override", self.tls.server_name))
        return options

    def _credentials(self) -> grpc.ChannelCredentials | None:
        if self.tls is None:
            return None
        return grpc.ssl_channel_credentials(self.tls.ca, self.tls.key, self.tls.cert)

    def _look(self) -> None:
        """Tell of changes of the state, from the first channel on."""
        if self._looking is not None:
            self._looking.cancel()
        if not self._closed:
            self._settle()
            self._looking = self._loop.call_later(_LOOK, self._look)

    def _settle(self) -> None:
        """Derive the target's state from its channels', and tell of a change."""
        if self._closed:
            return
        states = {_STATES[channel.connectivity()] for channel in list(self._channels.values())}
        if self._own is not None:
            states.add(_STATES[self._own.get_state().value[0]])
        state: State = next((rank for rank in _RANK if rank in states), "idle")
        if state == "ready":
            self.error = ""
        if state != self._state:
            self._state = state
            for observer in self._observers:
                observer(state)


def channel_options(metadata_limit: int) -> list[tuple[str, int | str]]:
    """How Loom's channels differ from grpcio's defaults."""
    return [
        # Whatever the two sides send each other passes.
        ("grpc.max_receive_message_length", -1),
        ("grpc.max_send_message_length", -1),
        ("grpc.max_metadata_size", metadata_limit),
        ("grpc.absolute_max_metadata_size", metadata_limit),
        *flow_control_options(),
        # A target that is back is reachable within about a second: retries 0.1 s to 0.8 s apart
        # (and a fifth of jitter), names looked up again every second. An attempt that nobody
        # answers may take five seconds, so that slow links still connect.
        ("grpc.initial_reconnect_backoff_ms", 100),
        ("grpc.max_reconnect_backoff_ms", 800),
        ("grpc.min_reconnect_backoff_ms", 5_000),
        ("grpc.dns_min_time_between_resolutions_ms", 1_000),
        # Calls of many clients share the pool: when the target allows no more streams on a connection, another
        # is made, as each client would have had its own.
        (
            "grpc.service_config",
            json.dumps({"connectionScaling": {"maxConnectionsPerSubchannel": _CONNECTIONS}}),
        ),
        ("grpc.max_connections_per_subchannel_cap", _CONNECTIONS),
        # What the target publishes in DNS or this machine's proxy variables shall not change its traffic.
        ("grpc.service_config_disable_resolution", 1),
        ("grpc.enable_http_proxy", 0),
    ]


def flow_control_options() -> list[tuple[str, int]]:
    """For both sides: a fixed window, so that what a stalled reader makes Loom hold is bounded.

    Left to itself grpcio widens its windows to the speed of the link, and on the loopback held up to
    90 MiB for one stalled stream. Four MiB cost no throughput that could be measured there.
    """
    return [("grpc.http2.bdp_probe", 0), ("grpc.http2.lookahead_bytes", 4 << 20)]
