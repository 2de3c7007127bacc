"""Connections that open, close, die and send rubbish, at random: memory, descriptors, and whether calls are missing.

python -m benchmarks.soak [--seconds 600] [--engine wire|relay] [--pages 20] [--memory MIB]

Meanwhile the history is over its budget all the time, a session is written and pruned, feeds of pages are read, and
searches run. At the end Loom must be alive, with the descriptors that it had at the start and memory that does not
grow, and have recorded every call that a client saw end. With ``--memory`` Loom and its workers run in a cgroup of that
size, with the budget that Loom chooses, and the kernel must have killed none of them.
"""

import argparse
import asyncio
import contextlib
import json
import random
import re
import socket
import struct
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
import grpc.aio
import uvloop

from tests.support.memory_cgroup import memory_cgroup
from tests.support.raw_calls import unary_stream, unary_unary

from . import proxies, suite
from .flood import FLOODS
from .processes import Running

_RESET = struct.pack("ii", 1, 0)
_PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00"


@dataclass
class _Counts:
    """What the clients did."""

    rounds: int = 0
    calls: int = 0  # of Echo
    answered: int = 0  # of those
    searches: int = 0
    failed_searches: int = 0


async def _call(port: int, chance: random.Random, counts: _Counts) -> None:
    """Open a channel, make a few calls, cancel some of them."""
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        for _ in range(chance.randint(1, 20)):
            call = unary_unary(channel, "/bench.Bench/Echo")(
                b"x" * chance.choice([0, 100, 70_000]), timeout=5
            )
            counts.calls += 1
            if chance.random() < 0.2:
                call.cancel()
            with contextlib.suppress(grpc.RpcError, asyncio.CancelledError):
                await call
                counts.answered += 1


async def _stream(port: int, chance: random.Random, _counts: _Counts) -> None:
    """Start a long response and abandon it."""
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        call = unary_stream(channel, "/bench.Bench/Stream/100000/100")(b"", timeout=5)
        with contextlib.suppress(grpc.RpcError, asyncio.CancelledError):
            for _ in range(chance.randint(1, 500)):
                await call.read()
        call.cancel()


async def _raw(port: int, chance: random.Random, _counts: _Counts) -> None:
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


async def _flood(port: int, chance: random.Random, _counts: _Counts) -> None:
    """Send frames that carry nothing, for a moment."""
    chunks = FLOODS[chance.choice(list(FLOODS))]()
    with contextlib.suppress(
        OSError, TimeoutError, RuntimeError
    ):  # uvloop's, of a connection that was closed
        _, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(_PREFACE)
        for _ in range(chance.randint(1, 4)):
            writer.write(next(chunks))
            await asyncio.wait_for(writer.drain(), 0.5)
            await asyncio.sleep(0.02)  # the clients of this process have to get their turn, too
        writer.transport.abort()


async def _worker(port: int, until: float, seed: int, counts: _Counts) -> None:
    chance = random.Random(seed)
    kinds = [_call] * 10 + [_raw] * 4 + [_stream] * 2 + [_flood]
    while time.monotonic() < until:
        await chance.choice(kinds)(port, chance, counts)
        counts.rounds += 1


async def _get(page: int, path: str, seconds: float | None = None, keep: int = 1 << 22) -> bytes:
    """Ask Loom's inspector; read for that many seconds, or to the end, and return the first ``keep`` bytes."""
    reader, writer = await asyncio.open_connection("127.0.0.1", page)
    body = bytearray()
    try:
        writer.write(f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode())
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while part := await reader.read(1 << 16):
                    body += part[: keep - len(body)]
    finally:
        writer.close()
    return bytes(body)


async def _page(page: int, until: float, seed: int) -> None:
    """Read a feed as a page does, and connect again from time to time."""
    chance = random.Random(seed)
    while (left := until - time.monotonic()) > 0:
        await _get(page, "/api/events", min(left, chance.uniform(5, 60)), keep=100)


async def _search(page: int, until: float, counts: _Counts) -> None:
    while time.monotonic() < until:
        for path in (
            "/api/calls?q=body:nothing-like-it",
            "/api/calls?q=status:CANCELLED",
            "/api/export?format=har",
        ):
            answer = await _get(page, path, keep=100)
            counts.searches += 1
            counts.failed_searches += not answer.startswith(b"HTTP/1.1 200")
        await asyncio.sleep(2)


async def _stats(page: int) -> dict[str, Any]:
    body = await _get(page, "/api/stats")
    found: dict[str, Any] = json.loads(body[body.index(b"\r\n\r\n") :])
    return found


async def _recorded(page: int) -> tuple[int, int]:
    """How many calls of Echo Loom says have ended, with OK and in all."""
    body = (await _get(page, "/metrics")).decode()
    found = re.findall(r'loom_calls_total{code="(\w*)",method="/bench.Bench/Echo"} ([\d.e+]+)', body)
    return int(sum(float(count) for code, count in found if code == "OK")), int(
        sum(float(count) for _, count in found)
    )


async def _soak(route: proxies.Route, loom: Running, seconds: float, pages: int) -> bool:
    assert route.page is not None
    samples: list[tuple[float, int, int]] = []
    counts = _Counts()
    idle_before = loom.descriptors()
    until = time.monotonic() + seconds
    workers = [asyncio.create_task(_worker(route.port, until, seed, counts)) for seed in range(8)]
    workers += [asyncio.create_task(_page(route.page, until, seed)) for seed in range(pages)]
    workers += [asyncio.create_task(_search(route.page, until, counts))]
    start = time.monotonic()
    while time.monotonic() < until:
        await asyncio.sleep(min(15.0, max(0.1, until - time.monotonic())))
        samples.append((time.monotonic() - start, loom.resident(), loom.descriptors()))
        at, resident, descriptors = samples[-1]
        print(
            f"{at:5.0f} s  {counts.rounds:7} rounds  {resident / 2**20:6.0f} MiB  {descriptors:4} descriptors",
            flush=True,
        )
    await asyncio.gather(*workers)
    await asyncio.sleep(5)  # until the last calls are recorded, and connections to the target are closed
    idle, alive = loom.descriptors(), loom.process.poll() is None
    half = [resident for _, resident, _ in samples[len(samples) // 2 :]]
    growth = half[-1] / half[0] - 1
    ok, ended = await _recorded(route.page)
    stats = await _stats(route.page)
    session = stats["sinks"]["session"]
    print(
        f"alive: {alive}; descriptors before {idle_before}, after {idle}; memory over the second half: {growth:+.1%}"
    )
    print(
        f"calls of clients: {counts.calls:,}, answered {counts.answered:,}; recorded {ended:,}, with OK {ok:,}"
    )
    print(
        f"evicted {stats['evicted']:,}; recording failures {stats['recording_failures']}; session: {session}"
    )
    print(f"searches and exports: {counts.searches}, failed {counts.failed_searches}")
    lost = stats["recording_failures"] + session["dropped"] + counts.failed_searches
    return alive and idle <= idle_before + 20 and growth < 0.1 and counts.answered <= ok and not lost


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=600)
    parser.add_argument("--engine", choices=["wire", "relay"], default="wire")
    parser.add_argument("--pages", type=int, default=20, help="feeds that are read")
    parser.add_argument("--memory", type=int, help="MiB of memory that Loom may have (needs a cgroup: root)")
    chosen = parser.parse_args()
    with contextlib.ExitStack() as stack:
        work = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="loom-soak-")))
        flags = ["--engine", chosen.engine, "--session", "soak", "--session-bytes", "64MiB"]
        cgroup = None
        if chosen.memory:
            cgroup = stack.enter_context(memory_cgroup(chosen.memory * 2**20))
            if cgroup is None:
                parser.error("--memory: this user may not make a cgroup with a memory limit")
        else:
            flags += ["--history-bytes", "8MiB"]
        backend = stack.enter_context(suite.backend(work))
        with proxies.loom(*flags, cgroup=cgroup)(backend, work) as route:
            assert route.process is not None
            good = uvloop.run(_soak(route, route.process, chosen.seconds, chosen.pages))
        if cgroup is not None:
            print(
                f"cgroup: at most {cgroup.peak() / 2**20:.0f} MiB with files' caches, {cgroup.kills()} killed"
            )
            good = good and not cgroup.kills()
        print((work / "loom.log").read_text()[-2000:])
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
