"""Forwards one connection: bytes are written at once, then queued for inspection."""

import asyncio
import contextlib
import socket
import struct
import time
from collections.abc import Callable
from typing import cast

from loom.model import EndedBy

from .connection import Connection
from .inspection_queue import InspectionQueue

WRITE_BUFFER_LIMIT = 1024 * 1024
"""Bytes buffered for one end of a tunnel before reading from the other is paused."""

_LINGER_RESET = struct.pack("ii", 1, 0)


class TunnelEnd(asyncio.Protocol):
    """The client's or the target's end of a tunnel."""

    def __init__(self, tunnel: "Tunnel", *, client: bool) -> None:
        self.client = client
        self.side = EndedBy.CLIENT if client else EndedBy.BACKEND
        self.peer: TunnelEnd | None = None
        self.open = False
        self.eof = False
        self._tunnel = tunnel
        self._transport: asyncio.Transport | None = None
        self._send: Callable[[bytes], None] | None = None
        self._early_data: list[bytes] = []  # received before the other end was connected
        self._full = False  # the other end is slower
        self._throttled = False  # the inspection queue has too much of this connection
        self._reading = True

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._transport.set_write_buffer_limits(high=self._tunnel.write_buffer_limit)
        self.open = True
        self._tunnel.on_connected(self)

    @property
    def transport(self) -> asyncio.Transport:
        assert self._transport is not None  # noqa: S101 (set before any other callback)
        return self._transport

    def connect(self, peer: "TunnelEnd") -> None:
        """Write what is received here to ``peer``."""
        self.peer = peer
        self._send = peer.write
        early_data, self._early_data = self._early_data, []
        for data in early_data:
            peer.write(data)

    def disconnect(self) -> None:
        """Drop the reference to the other end, so that neither waits for the garbage collector."""
        self.peer = self._send = None

    def data_received(self, data: bytes) -> None:
        if self._send is not None:
            self._send(data)
        else:
            # uvloop reads once more after reading was paused in connection_made.
            self._early_data.append(data)
        tunnel = self._tunnel
        if not tunnel.connection.unobserved:
            tunnel.queue.put_chunk(tunnel.connection, data, client=self.client)

    def write(self, data: bytes) -> None:
        """Write bytes, unless this end is closed."""
        if self.open:
            self.transport.write(data)

    def eof_received(self) -> bool:
        """Forward a half-close; TLS has none, so that the connection closes."""
        self.eof = True
        self._tunnel.on_half_close(self)
        # Not in this callback: uvloop's transports do not support write_eof while they are reading.
        asyncio.get_running_loop().call_soon(self._forward_eof)
        return self.transport.get_extra_info("sslcontext") is None

    def _forward_eof(self) -> None:
        peer = self.peer
        if (
            peer is not None
            and peer.open
            and not peer.transport.is_closing()
            and peer.transport.can_write_eof()
        ):
            with contextlib.suppress(OSError):  # the peer may have reset the connection meanwhile
                peer.transport.write_eof()
            if peer.eof:  # both directions are finished
                self.close(abort=False)
                peer.close(abort=False)

    def pause_writing(self) -> None:
        """Pause reading from the other end: this one is slower."""
        if self.peer is not None:
            self.peer.control_reading(full=True)

    def resume_writing(self) -> None:
        if self.peer is not None:
            self.peer.control_reading(full=False)

    def control_reading(self, *, full: bool | None = None, throttled: bool | None = None) -> None:
        """Read unless one of these is true; None leaves what was said before."""
        self._full = self._full if full is None else full
        self._throttled = self._throttled if throttled is None else throttled
        reading = not (self._full or self._throttled)
        if reading != self._reading and self.open and not self.transport.is_closing():
            self._reading = reading
            if reading:
                self.transport.resume_reading()
            else:
                self.transport.pause_reading()

    def connection_lost(self, exc: Exception | None) -> None:
        self.open = False
        self._tunnel.on_lost(self, exc)

    def close(self, *, abort: bool) -> None:
        """Close after the buffered bytes have been sent, or reset at once."""
        if self.open:
            if abort:
                # Without SO_LINGER 0, an abort is a normal close to the other side, not a reset.
                with contextlib.suppress(OSError):
                    sock = self.transport.get_extra_info("socket")
                    if sock is not None:  # TLS has already lost it
                        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_RESET)
                self.transport.abort()
            elif not self.transport.is_closing():
                self.transport.close()


class Tunnel:
    """A client's connection and the connection to the target that belongs to it."""

    def __init__(
        self,
        connection: Connection,
        queue: InspectionQueue,
        connect: Callable[["Tunnel"], None],
        on_end: Callable[["Tunnel"], None],
        write_buffer_limit: int,
    ) -> None:
        self.connection = connection
        self.queue = queue
        self.write_buffer_limit = write_buffer_limit
        self.client = TunnelEnd(self, client=True)
        self.target = TunnelEnd(self, client=False)
        self.stopping = False
        self._connect = connect
        self._on_end = on_end
        self._first_to_close: EndedBy | None = None
        self._closed = False

    def on_connected(self, end: TunnelEnd) -> None:
        """Handle a new connection: the client's first, then the target's."""
        if end.client:
            end.transport.pause_reading()
            self._connect(self)
            return
        if not self.client.open:
            end.close(abort=True)
            return
        self.client.connect(end)
        end.connect(self.client)
        self.client.transport.resume_reading()

    def throttle(self, *, throttled: bool) -> None:
        """Stop reading from both ends, or read again."""
        if self.client.peer is not None:  # else it does not read yet
            self.client.control_reading(throttled=throttled)
            self.target.control_reading(throttled=throttled)

    def on_connect_failure(self, reason: str) -> None:
        """Reset the client's connection: the target cannot be reached."""
        self.queue.flush()  # calls with lower ids come first
        self.connection.record_connect_failure(reason, time.time_ns())
        self.queue.flush()
        self.client.close(abort=True)

    def on_half_close(self, end: TunnelEnd) -> None:
        """Remember who closed first: a backend closes at once when its client is gone, and often before Loom does."""
        if self._first_to_close is None:
            self._first_to_close = end.side
            self.queue.put_half_close(self.connection, end.side)

    def on_lost(self, end: TunnelEnd, error: Exception | None) -> None:
        """Close the other end in the way in which this one was closed."""
        other = self.target if end.client else self.client
        if not self._closed:
            self._closed = True
            by = EndedBy.LOOM if self.stopping else self._first_to_close or end.side
            self.queue.put_close(self.connection, by)
        other.close(abort=error is not None)
        if not self.client.open and not self.target.open:
            self.client.disconnect()
            self.target.disconnect()
            self._on_end(self)

    def stop(self) -> None:
        """End both connections: reset them if there may be a call on them, else close them."""
        self.stopping = True
        abort = bool(self.connection.open_calls or self.connection.unobserved)
        self.client.close(abort=abort)
        self.target.close(abort=abort)
