"""Forwards one connection, bytes first; what passes is looked at when it is on its way."""

import asyncio
import contextlib
import socket
import struct
import time
from collections.abc import Callable
from typing import cast

from loom.model import EndedBy

from .connection import Connection
from .inspection_queue import Backlog

HIGH_WATER = 1024 * 1024  # bytes waiting for one side before the other is read no more
_RESET = struct.pack("ii", 1, 0)


class Side(asyncio.Protocol):
    """One end of a tunnel: the client's, or the target's."""

    def __init__(self, tunnel: "Tunnel", *, client: bool) -> None:
        self.client = client
        self.peer: Side | None = None
        self.open = False
        self.finished = False
        self._tunnel = tunnel
        self._transport: asyncio.Transport | None = None
        self._send: Callable[[bytes], None] | None = None
        self._early: list[bytes] = []  # what came before there was another end

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._transport.set_write_buffer_limits(high=HIGH_WATER)
        self.open = True
        self._tunnel.made(self)

    @property
    def transport(self) -> asyncio.Transport:
        assert self._transport is not None  # noqa: S101 (set before anything else happens)
        return self._transport

    def join(self, peer: "Side") -> None:
        """From now on what comes here goes there."""
        self.peer = peer
        self._send = peer.write
        early, self._early = self._early, []
        for data in early:
            peer.write(data)

    def part(self) -> None:
        """Let go of the other end, so that neither waits for the garbage collector."""
        self.peer = self._send = None

    def data_received(self, data: bytes) -> None:
        if self._send is not None:
            self._send(data)
        else:
            # uvloop reads once more although reading was paused when the connection was made.
            self._early.append(data)
        self._tunnel.backlog.passed(self._tunnel.connection, data, client=self.client)

    def write(self, data: bytes) -> None:
        """Send bytes on, unless this end is gone."""
        if self.open:
            self.transport.write(data)

    def eof_received(self) -> bool:
        """Pass a half-close on; in TLS there is none, and the connection closes."""
        self.finished = True
        # Not from in here: uvloop's transports do not bear a write_eof in the middle of their own reading.
        asyncio.get_running_loop().call_soon(self._pass_eof)
        return self.transport.get_extra_info("sslcontext") is None

    def _pass_eof(self) -> None:
        peer = self.peer
        if (
            peer is not None
            and peer.open
            and not peer.transport.is_closing()
            and peer.transport.can_write_eof()
        ):
            peer.transport.write_eof()
            if peer.finished:  # both have said all they had to say
                self.close(abort=False)
                peer.close(abort=False)

    def pause_writing(self) -> None:
        """This end does not keep up: read no more from the other."""
        if self.peer is not None and self.peer.open and not self.peer.transport.is_closing():
            self.peer.transport.pause_reading()

    def resume_writing(self) -> None:
        if self.peer is not None and self.peer.open and not self.peer.transport.is_closing():
            self.peer.transport.resume_reading()

    def connection_lost(self, exc: Exception | None) -> None:
        self.open = False
        self._tunnel.lost(self, exc)

    def close(self, *, abort: bool) -> None:
        """Close after what waits has been sent, or at once with a reset."""
        if self.open:
            if abort:
                # Without lingering, an abort is an ordinary end to the other side, not a reset.
                with contextlib.suppress(OSError):
                    sock = self.transport.get_extra_info("socket")
                    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
                self.transport.abort()
            elif not self.transport.is_closing():
                self.transport.close()


class Tunnel:
    """A client's connection and the one to the target that was made for it."""

    def __init__(
        self,
        connection: Connection,
        backlog: Backlog,
        connect: Callable[["Tunnel"], None],
        on_end: Callable[["Tunnel"], None],
    ) -> None:
        self.connection = connection
        self.backlog = backlog
        self.client = Side(self, client=True)
        self.target = Side(self, client=False)
        self.stopping = False
        self._connect = connect
        self._on_end = on_end
        self._closed = False

    def made(self, side: Side) -> None:
        """An end is connected: the client's first, then the target's."""
        if side.client:
            side.transport.pause_reading()
            self._connect(self)
            return
        if not self.client.open:
            side.close(abort=True)
            return
        self.client.join(side)
        side.join(self.client)
        self.client.transport.resume_reading()

    def refused(self, reason: str) -> None:
        """The target cannot be reached: the client's connection goes as a refused one would."""
        self.connection.failed(reason, time.time_ns())
        self.backlog.settle()
        self.client.close(abort=True)

    def lost(self, side: Side, error: Exception | None) -> None:
        """An end is gone: the other one goes too, and as it went."""
        other = self.target if side.client else self.client
        if not self._closed:
            self._closed = True
            by = EndedBy.CLIENT if side.client else EndedBy.BACKEND
            self.backlog.closed(self.connection, EndedBy.LOOM if self.stopping else by)
        other.close(abort=error is not None)
        if not self.client.open and not self.target.open:
            self.client.part()
            self.target.part()
            self._on_end(self)

    def stop(self) -> None:
        """End both connections now."""
        self.stopping = True
        self.client.close(abort=True)
        self.target.close(abort=True)
