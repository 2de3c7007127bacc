"""Ten minutes of connections that open, close and die at random: no crash, no leaked descriptor, constant memory.

python -m benchmarks.soak [--seconds 600] [--engine wire|relay]
"""

import argparse
import asyncio
import contextlib
import random
import socket
import struct
import sys
import tempfile
import time
from pathlib import Path

import grpc
import grpc.aio
import uvloop

from tests.support.raw_calls import unary_stream, unary_unary

from . import proxies, suite
from .processes import Running

_RESET = struct.pack("ii", 1, 0)
_PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00"


async def _call(port: int, chance: random.Random) -> None:
    """Open a channel, make a few calls, cancel some of them."""
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        for _ in range(chance.randint(1, 20)):
            call = unary_unary(channel, "/bench.Bench/Echo")(
                b"x" * chance.choice([0, 100, 70_000]), timeout=5
            )
            if chance.random() < 0.2:
                call.cancel()
            with contextlib.suppress(grpc.RpcError, asyncio.CancelledError):
                await call


async def _stream(port: int, chance: random.Random) -> None:
    """Start a long response and abandon it."""
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        call = unary_stream(channel, "/bench.Bench/Stream/100000/100")(b"", timeout=5)
        with contextlib.suppress(grpc.RpcError, asyncio.CancelledError):
            for _ in range(chance.randint(1, 500)):
                await call.read()
        call.cancel()


async def _raw(port: int, chance: random.Random) -> None:
    """Send arbitrary bytes, and close in an arbitrary way."""
    with contextlib.suppress(OSError):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(chance.choice([b"", _PREFACE, b"GET / HTTP/1.1\r\n\r\n", chance.randbytes(3000)]))
        end = chance.randrange(3)
        if end == 0:
            sock = writer.get_extra_info("socket")
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
            writer.transport.abort()
            return
        if end == 1:
            writer.write_eof()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(reader.read(100), 0.2)
        writer.close()


async def _worker(port: int, until: float, seed: int, done: list[int]) -> None:
    chance = random.Random(seed)
    while time.monotonic() < until:
        await chance.choice([_call, _call, _raw, _stream])(port, chance)
        done[0] += 1


async def _soak(port: int, loom: Running, seconds: float) -> bool:
    samples: list[tuple[float, int, int]] = []
    done = [0]
    until = time.monotonic() + seconds
    workers = [asyncio.create_task(_worker(port, until, seed, done)) for seed in range(8)]
    start = time.monotonic()
    while time.monotonic() < until:
        await asyncio.sleep(min(15.0, max(0.1, until - time.monotonic())))
        samples.append((time.monotonic() - start, loom.cost().resident, loom.descriptors()))
        at, resident, descriptors = samples[-1]
        print(
            f"{at:5.0f} s  {done[0]:7} rounds  {resident / 2**20:6.0f} MiB  {descriptors:4} descriptors",
            flush=True,
        )
    await asyncio.gather(*workers)
    await asyncio.sleep(2)
    idle = loom.descriptors()
    alive = loom.process.poll() is None
    half = [resident for _, resident, _ in samples[len(samples) // 2 :]]
    growth = half[-1] / half[0] - 1
    print(f"alive: {alive}; descriptors when idle: {idle}; memory over the second half: {growth:+.1%}")
    return alive and idle < 60 and growth < 0.1


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=600)
    parser.add_argument("--engine", choices=["wire", "relay"], default="wire")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="loom-soak-") as folder:
        work = Path(folder)
        with suite.backend(work) as backend:
            start = proxies.loom("--engine", chosen.engine, "--history-bytes", "32MiB")
            with start(backend, work) as route:
                assert route.process is not None
                good = uvloop.run(_soak(route.port, route.process, chosen.seconds))
            print((work / "loom.log").read_text()[-2000:])
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
