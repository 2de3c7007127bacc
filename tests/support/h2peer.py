"""A bare HTTP/2 client and backend, to see and to send what gRPC libraries hide.

Headers, trailers, resets and flags appear as they are on the wire; nothing is added to what a test sends.
Only for loopback and small traffic: flow control is granted at once (or never) and never waited for.
"""

import asyncio
import socket
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import cast

import h2.config
import h2.connection
import h2.events

Headers = list[tuple[str, str]]


@dataclass
class H2Stream:
    """One stream, as seen from this end. ``log`` holds what came, in order and by name."""

    peer: "H2Peer"
    id: int
    log: list[tuple[str, object]] = field(default_factory=list)
    data: bytearray = field(default_factory=bytearray)
    _changed: asyncio.Event = field(default_factory=asyncio.Event)

    def note(self, what: str, value: object = None) -> None:
        self.log.append((what, value))
        self._changed.set()

    def names(self) -> list[str]:
        return [what for what, _ in self.log]

    async def until(self, *whats: str) -> object:
        """Wait until one of ``headers``, ``data``, ``trailers``, ``end`` or ``reset`` has come; its value."""
        while True:
            for what, value in self.log:
                if what in whats:
                    return value
            self._changed.clear()
            await self._changed.wait()

    async def until_data(self, size: int) -> bytes:
        while len(self.data) < size:
            self._changed.clear()
            await self._changed.wait()
        return bytes(self.data)

    def headers(self, what: str = "headers") -> Headers:
        """The block of that name; a test's mistake if it has not come."""
        return cast("Headers", next(value for name, value in self.log if name == what))

    def header(self, key: str, what: str = "headers") -> list[str]:
        return [value for name, value in self.headers(what) if name == key]

    @property
    def room(self) -> int:
        """How many bytes of data the other end's windows allow now."""
        return self.peer.h2.local_flow_control_window(self.id)

    def send_headers(self, headers: Headers, *, end: bool = False) -> None:
        self.peer.h2.send_headers(self.id, headers, end_stream=end)
        self.peer.flush()

    def send_data(self, data: bytes, *, end: bool = False) -> None:
        self.peer.h2.send_data(self.id, data, end_stream=end)
        self.peer.flush()

    def send_message(self, message: bytes, *, end: bool = False, compressed: bool = False) -> None:
        self.send_data(prefixed(message, compressed=compressed), end=end)

    def end(self) -> None:
        self.peer.h2.end_stream(self.id)
        self.peer.flush()

    def reset(self, code: int) -> None:
        self.peer.h2.reset_stream(self.id, code)
        self.peer.flush()

    def messages(self) -> list[tuple[bool, bytes]]:
        """The whole messages among the data so far: compressed or not, and the payload."""
        found, data = [], bytes(self.data)
        while len(data) >= 5:
            compressed, size = struct.unpack(">?I", data[:5])
            if len(data) < 5 + size:
                break
            found.append((compressed, data[5 : 5 + size]))
            data = data[5 + size :]
        return found


class H2Peer(asyncio.Protocol):
    """One end of a connection. ``streams`` by id; ``opened`` gets each stream that the other end opens."""

    def __init__(
        self, *, client: bool, opened: Callable[[H2Stream], None] | None = None, grant: bool = True
    ) -> None:
        config = h2.config.H2Configuration(
            client_side=client,
            header_encoding="utf-8",
            validate_outbound_headers=False,
            normalize_outbound_headers=False,
            validate_inbound_headers=False,
            normalize_inbound_headers=False,
        )
        self.h2 = h2.connection.H2Connection(config=config)
        self.streams: dict[int, H2Stream] = {}
        self.goaway: int | None = None
        self.lost = asyncio.Event()
        self.raw = bytearray()
        """Everything received, for what is not HTTP/2."""
        self.pongs = 0
        self._pong = asyncio.Event()
        self._opened = opened
        self._grant = grant
        self._transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport  # type: ignore[assignment]
        self.h2.initiate_connection()
        if self._grant:
            self.h2.increment_flow_control_window(1 << 30)
        self.flush()

    def connection_lost(self, exc: Exception | None) -> None:
        self.lost.set()
        for stream in self.streams.values():
            stream.note("lost")

    def data_received(self, data: bytes) -> None:
        self.raw += data
        for event in self.h2.receive_data(data):
            self._handle(event)
        self.flush()

    def flush(self) -> None:
        if data := self.h2.data_to_send():
            self._transport.write(data)

    def open(self, headers: Headers, *, end: bool = False) -> H2Stream:
        stream = H2Stream(self, self.h2.get_next_available_stream_id())
        self.streams[stream.id] = stream
        stream.send_headers(headers, end=end)
        return stream

    def call(self, path: str, *extra: tuple[str, str], authority: str = "zoo.test") -> H2Stream:
        """Open a gRPC call with the least headers that a client may send."""
        return self.open(
            [
                (":method", "POST"),
                (":scheme", "http"),
                (":path", path),
                (":authority", authority),
                ("content-type", "application/grpc"),
                ("te", "trailers"),
                *extra,
            ]
        )

    async def ponged(self, count: int) -> None:
        """Wait for the answers to that many pings."""
        while self.pongs < count:
            self._pong.clear()
            await self._pong.wait()

    def close(self) -> None:
        self._transport.abort()

    def finish(self) -> None:
        """Send what is buffered, then a FIN."""
        self._transport.close()

    def abort(self) -> None:
        """Send the RST of TCP, in place of a FIN."""
        self._transport.get_extra_info("socket").setsockopt(
            socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0)
        )
        self._transport.abort()

    def _handle(self, event: h2.events.Event) -> None:
        match event:
            case h2.events.RequestReceived():
                stream = self.streams[event.stream_id] = H2Stream(self, event.stream_id)
                stream.note("headers", list(event.headers))
                if self._opened is not None:
                    self._opened(stream)
            case h2.events.DataReceived():
                self._take(self.streams[event.stream_id], event)
            case h2.events.StreamReset():
                self.streams[event.stream_id].note("reset", int(event.error_code))
            case h2.events.ConnectionTerminated():
                self.goaway = int(event.error_code or 0)
            case h2.events.PingAckReceived():
                self.pongs += 1
                self._pong.set()
            case h2.events.StreamEnded():
                self.streams[event.stream_id].note("end")
            case h2.events.ResponseReceived() | h2.events.TrailersReceived():
                initial = isinstance(event, h2.events.ResponseReceived)
                self.streams[event.stream_id].note("headers" if initial else "trailers", list(event.headers))

    def _take(self, stream: H2Stream, event: h2.events.DataReceived) -> None:
        stream.data += event.data
        stream.note("data", bytes(event.data))
        if event.flow_controlled_length and self._grant:
            self.h2.acknowledge_received_data(event.flow_controlled_length, event.stream_id)


def prefixed(message: bytes, *, compressed: bool = False) -> bytes:
    """A message with its five-byte prefix."""
    return struct.pack(">?I", compressed, len(message)) + message


@dataclass
class H2Backend:
    """A bare backend: ``port``, and every stream that was opened to it."""

    port: int
    streams: list[H2Stream]
    peers: list[H2Peer]
    opened: asyncio.Event

    async def stream(self) -> H2Stream:
        """The first stream, once it is opened."""
        await self.opened.wait()
        return self.streams[0]


@asynccontextmanager
async def h2_backend(behave: Callable[[H2Stream], Awaitable[None]]) -> AsyncIterator[H2Backend]:
    """A backend that runs ``behave`` for each stream, once its headers are there."""
    tasks: set[asyncio.Task[None]] = set()
    backend = H2Backend(0, [], [], asyncio.Event())

    def opened(stream: H2Stream) -> None:
        backend.streams.append(stream)
        backend.opened.set()
        task = asyncio.ensure_future(behave(stream))
        tasks.add(task)

    def made() -> H2Peer:
        peer = H2Peer(client=False, opened=opened)
        backend.peers.append(peer)
        return peer

    loop = asyncio.get_running_loop()
    server = await loop.create_server(made, "127.0.0.1", 0)
    backend.port = server.sockets[0].getsockname()[1]
    try:
        yield backend
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for peer in backend.peers:
            peer.close()
        server.close()
        await server.wait_closed()


@asynccontextmanager
async def h2_client(port: int, *, grant: bool = True) -> AsyncIterator[H2Peer]:
    """A bare client of that port of the loopback; without ``grant`` it takes only the first 64 KiB."""
    loop = asyncio.get_running_loop()
    transport, peer = await loop.create_connection(
        lambda: H2Peer(client=True, grant=grant), "127.0.0.1", port
    )
    try:
        yield peer
    finally:
        transport.abort()
        await peer.lost.wait()
