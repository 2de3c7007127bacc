"""A backend and a client of negligible cost: HTTP/2 frames with fixed contents, without a gRPC library.

    python -m benchmarks.peers backend          prints its port, answers every call with the same message
    python -m benchmarks.peers client PORT CONCURRENCY SECONDS [CONNECTIONS]

The client prints one JSON object: calls, seconds, p50_us, p99_us.
"""

import asyncio
import json
import struct
import sys
import time
from collections import deque

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, RST, SETTINGS, PING, GOAWAY, WINDOW = 0, 1, 3, 4, 6, 7, 8
END_STREAM, END_HEADERS, ACK = 1, 4, 1
PATH = "/bench.Bench/Call"
PAYLOAD = b"\x0a\x62" + b"x" * 98
MESSAGE = b"\x00" + struct.pack(">I", len(PAYLOAD)) + PAYLOAD
_WINDOW = 1 << 30
_REFILL = 1 << 20


def frame(kind: int, flags: int, stream: int, payload: bytes = b"") -> bytes:
    return struct.pack(">I", len(payload))[1:] + bytes((kind, flags)) + struct.pack(">I", stream) + payload


def literal(name: str, value: str) -> bytes:
    """Encode a header field without indexing (RFC 7541, 6.2.2): the block is the same for every call."""
    return b"\x00" + bytes([len(name)]) + name.encode() + bytes([len(value)]) + value.encode()


HELLO = frame(SETTINGS, 0, 0, struct.pack(">HIHI", 4, _WINDOW, 3, 10_000)) + frame(
    WINDOW, 0, 0, struct.pack(">I", _WINDOW)
)


class Peer(asyncio.Protocol):
    """Splits bytes into frames and answers settings and pings; subclasses handle the end of a stream."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._received = 0
        self.transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport  # type: ignore[assignment]  # uvloop's has no such base class

    def data_received(self, data: bytes) -> None:
        buffer = self._buffer
        buffer += data
        at, out = 0, []
        while len(buffer) - at >= 9:
            length = int.from_bytes(buffer[at : at + 3], "big")
            if len(buffer) - at < 9 + length:
                break
            kind, flags = buffer[at + 3], buffer[at + 4]
            stream = int.from_bytes(buffer[at + 5 : at + 9], "big")
            if kind == SETTINGS and not flags & ACK:
                out.append(frame(SETTINGS, ACK, 0))
            elif kind == PING and not flags & ACK:
                out.append(frame(PING, ACK, 0, bytes(buffer[at + 9 : at + 9 + length])))
            elif kind in (DATA, HEADERS):
                self._received += length if kind == DATA else 0
                if flags & END_STREAM:
                    out.append(self.ended(stream))
            elif kind == RST:
                self.reset(stream)
            at += 9 + length
        del buffer[:at]
        if self._received > _REFILL:
            out.append(frame(WINDOW, 0, 0, struct.pack(">I", self._received)))
            self._received = 0
        if out:
            self.transport.write(b"".join(out))

    def ended(self, stream: int) -> bytes:
        raise NotImplementedError

    def reset(self, stream: int) -> None:
        raise NotImplementedError


class Backend(Peer):
    _HEAD = b"\x88" + literal("content-type", "application/grpc")
    _TAIL = literal("grpc-status", "0")

    def __init__(self) -> None:
        super().__init__()
        self._greeted = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self.transport.write(HELLO)

    def data_received(self, data: bytes) -> None:
        if not self._greeted:
            self._greeted = True
            data = data[len(PREFACE) :]
        super().data_received(data)

    def ended(self, stream: int) -> bytes:
        return (
            frame(HEADERS, END_HEADERS, stream, self._HEAD)
            + frame(DATA, 0, stream, MESSAGE)
            + frame(HEADERS, END_HEADERS | END_STREAM, stream, self._TAIL)
        )

    def reset(self, stream: int) -> None:
        pass


class Client(Peer):
    """Keeps ``concurrency`` calls in flight until it is stopped."""

    def __init__(self, authority: str, concurrency: int) -> None:
        super().__init__()
        self._block = b"\x83\x86" + b"".join(
            literal(name, value)
            for name, value in (
                (":path", PATH), (":authority", authority), ("content-type", "application/grpc"),
                ("te", "trailers"), ("user-agent", "bench/1"),
            )
        )  # fmt: skip
        self._concurrency = concurrency
        self._next = 1
        self._started: dict[int, float] = {}
        self.running = True
        self.latencies: deque[float] = deque()
        self.resets = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self.transport.write(PREFACE + HELLO + b"".join(self._call() for _ in range(self._concurrency)))

    def _call(self) -> bytes:
        stream, self._next = self._next, self._next + 2
        self._started[stream] = time.perf_counter()
        head = frame(HEADERS, END_HEADERS, stream, self._block)
        return head + frame(DATA, END_STREAM, stream, MESSAGE)

    def ended(self, stream: int) -> bytes:
        self.latencies.append(time.perf_counter() - self._started.pop(stream))
        return self._call() if self.running else b""

    def reset(self, stream: int) -> None:
        self.resets += 1
        if self._started.pop(stream, None) is not None and self.running:
            self.transport.write(self._call())


async def backend() -> None:
    server = await asyncio.get_running_loop().create_server(Backend, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


async def client(port: int, concurrency: int, seconds: float, connections: int) -> None:
    loop = asyncio.get_running_loop()
    clients = []
    for _ in range(connections):
        _, made = await loop.create_connection(
            lambda: Client(f"127.0.0.1:{port}", concurrency // connections), "127.0.0.1", port
        )
        clients.append(made)
    await asyncio.sleep(seconds / 5)  # let everything warm up
    for made in clients:
        made.latencies.clear()
    start = time.perf_counter()
    await asyncio.sleep(seconds)
    took = time.perf_counter() - start
    found = sorted(latency for made in clients for latency in made.latencies)
    for made in clients:
        made.running = False
        made.transport.close()
    if not found:
        sys.exit(f"no call came back from port {port}")
    result = {
        "calls": len(found),
        "seconds": took,
        "p50_us": round(found[len(found) // 2] * 1e6),
        "p99_us": round(found[len(found) * 99 // 100] * 1e6),
        "resets": sum(made.resets for made in clients),
    }
    print(json.dumps(result), flush=True)


if __name__ == "__main__":
    import uvloop

    if sys.argv[1] == "backend":
        uvloop.run(backend())
    else:
        port, concurrency, seconds, *more = sys.argv[2:]
        uvloop.run(client(int(port), int(concurrency), float(seconds), int(more[0]) if more else 1))
