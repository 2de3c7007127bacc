"""The upper bound for Python: a proxy that copies bytes between two sockets.

python -m benchmarks.passthrough LISTEN_PORT TARGET_PORT
"""

import asyncio
import sys
from typing import cast

import uvloop


class End(asyncio.Protocol):
    """One end of a pair of connections."""

    def __init__(self, target: int | None) -> None:
        self.target = target
        self.other: End | None = None
        self.early: list[bytes] = []

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)
        self.transport.set_write_buffer_limits(high=1024 * 1024)  # as Loom's
        if self.target is not None:
            asyncio.get_running_loop().create_task(self.connect(self.target))

    async def connect(self, port: int) -> None:
        other = End(None)
        await asyncio.get_running_loop().create_connection(lambda: other, "127.0.0.1", port)
        self.other, other.other = other, self
        for end in (self, other):
            for data in end.early:
                cast("End", end.other).transport.write(data)

    def data_received(self, data: bytes) -> None:
        if self.other is None:
            self.early.append(data)
        else:
            self.other.transport.write(data)

    def pause_writing(self) -> None:
        if self.other is not None:
            self.other.transport.pause_reading()

    def resume_writing(self) -> None:
        if self.other is not None:
            self.other.transport.resume_reading()

    def connection_lost(self, exc: Exception | None) -> None:
        del exc
        if self.other is not None and not self.other.transport.is_closing():
            self.other.transport.close()


async def main(listen: int, target: int) -> None:
    server = await asyncio.get_running_loop().create_server(lambda: End(target), "127.0.0.1", listen)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(main(int(sys.argv[1]), int(sys.argv[2])))
