"""A gateway in Python: accepts connections and copies their bytes to and from another address.

    python -m benchmarks.splice LISTEN_PORT TO [gather]

TO is a port of 127.0.0.1 or the path of a Unix socket. uvloop writes what one turn of the loop has read with one call.
With "gather", an end from which small chunks come faster than four in a millisecond is read once in a millisecond only.
``python -m benchmarks.gateway`` measures it in front of the relay.
"""

import asyncio
import sys
from typing import cast

import uvloop

_WRITE_BUFFER = 1024 * 1024  # as Loom's
_GATHERED_BYTES = 16 * 1024  # of a chunk that is small
_GATHER_SECONDS = 0.001
_GATHER_CHUNKS = 4


class SpliceEnd(asyncio.Protocol):
    """One end of a spliced connection; that of the client connects the other."""

    def __init__(self, to: str = "", *, gathers: bool = False) -> None:
        self._to = to
        self._gathers = gathers
        self._gathering = False
        self.peer_is_full = False
        self._chunks = 0  # read since
        self._since = 0.0
        self.peer: SpliceEnd | None = None
        self.early_data: list[bytes] = []
        self.transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)
        self.transport.set_write_buffer_limits(high=_WRITE_BUFFER)
        if self._to:
            self._connecting = asyncio.get_running_loop().create_task(self._connect())

    async def _connect(self) -> None:
        loop = asyncio.get_running_loop()
        peer = SpliceEnd(gathers=self._gathers)
        try:
            if self._to.isdigit():
                await loop.create_connection(lambda: peer, "127.0.0.1", int(self._to))
            else:
                await loop.create_unix_connection(lambda: peer, self._to)
        except OSError:
            self.transport.abort()
            return
        self.peer, peer.peer = peer, self
        for data in self.early_data:
            peer.transport.write(data)
        for data in peer.early_data:
            self.transport.write(data)

    def data_received(self, data: bytes) -> None:
        if self.peer is None:
            self.early_data.append(data)
        else:
            self.peer.transport.write(data)
            if self._gathers and len(data) < _GATHERED_BYTES:
                self._count_chunk()

    def _count_chunk(self) -> None:
        loop = asyncio.get_running_loop()
        now = loop.time()
        if now - self._since > _GATHER_SECONDS:
            self._chunks, self._since = 0, now
        self._chunks += 1
        if self._chunks >= _GATHER_CHUNKS and not self._gathering:
            self._gathering = True
            self.transport.pause_reading()
            loop.call_later(_GATHER_SECONDS, self._stop_gathering)

    def _stop_gathering(self) -> None:
        self._gathering = False
        self.resume()

    def resume(self) -> None:
        if not self._gathering and not self.peer_is_full and not self.transport.is_closing():
            self.transport.resume_reading()

    def pause_writing(self) -> None:
        if self.peer is not None:
            self.peer.peer_is_full = True
            self.peer.transport.pause_reading()

    def resume_writing(self) -> None:
        if self.peer is not None:
            self.peer.peer_is_full = False
            self.peer.resume()

    def connection_lost(self, exc: Exception | None) -> None:
        del exc
        if self.peer is not None and not self.peer.transport.is_closing():
            self.peer.transport.close()


async def listen(port: int, to: str, *, gathers: bool = False) -> asyncio.Server:
    """Listen on a port of 127.0.0.1."""
    loop = asyncio.get_running_loop()
    return await loop.create_server(lambda: SpliceEnd(to, gathers=gathers), "127.0.0.1", port)


async def _main(port: int, to: str, *, gathers: bool) -> None:
    await (await listen(port, to, gathers=gathers)).serve_forever()


if __name__ == "__main__":
    uvloop.run(_main(int(sys.argv[1]), sys.argv[2], gathers="gather" in sys.argv[3:]))
