"""Cost of storing calls on disk, and speed of searching them.

    python -m benchmarks.sessions [--engine relay|wire] [--rounds 9] [--seconds 3] [--search 100000]

Throughput: a real Loom with and without a session, in turns, the light peers of :mod:`benchmarks.peers` around it;
Loom on one core and everything else on another where there are two. Search: a session of N calls, filters over
it in the process that the page uses, and what the traffic feels of it meanwhile.
"""

import argparse
import asyncio
import contextlib
import json
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from loom.model import (
    CallEnded,
    CallStarted,
    Direction,
    HalfClosed,
    MessageSeen,
    MetadataSeen,
    Section,
    Status,
)
from loom.recording.history import History
from loom.search import Done, SearchClient, SearchJob
from loom.sessions import SessionWriter, session_path

from .peers import PATH, PAYLOAD

_TICKS = os.sysconf("SC_CLK_TCK")
_CORES = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []
_QUERIES = ("status:NOT_FOUND", "id:>99000", "/Call$/", "meta:x-tenant=42", "body:nothing-like-it")


@dataclass
class Round:
    """One round of load: calls per second, latency, and Loom's CPU time per 10,000 calls."""

    rate: float
    p50_us: int
    p99_us: int
    cpu: float


@contextlib.contextmanager
def process(*words: str, core: int, **variables: str) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-m", *words]
    if len(_CORES) > 1 and shutil.which("taskset"):
        command = ["taskset", "-c", str(_CORES[core]), *command]
    environment = {**os.environ, **variables}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as started:
        try:
            yield started
        finally:
            started.terminate()


@contextlib.contextmanager
def loom(engine: str, backend: int, folder: Path, *more: str) -> Iterator[tuple[int, int]]:
    """Start a Loom; yield its port and process id."""
    addresses = ("--target", f"127.0.0.1:{backend}", "--listen", "127.0.0.1:0")
    words = ("loom", *addresses, "--no-ui", "--quiet", "--engine", engine, "--no-reflection", *more)
    with process(*words, core=0, LOOM_DATA_DIR=str(folder), NO_COLOR="1") as started:
        assert started.stdout is not None
        found = re.search(r"127\.0\.0\.1:(\d+)", started.stdout.readline())
        assert found is not None
        yield int(found[1]), started.pid


def cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS


def load(port: int, pid: int, seconds: float, concurrency: int = 32) -> Round:
    before = cpu_seconds(pid)
    start = time.perf_counter()
    words = ("benchmarks.peers", "client", str(port), str(concurrency), str(seconds))
    with process(*words, core=-1) as client:
        assert client.stdout is not None
        result = json.loads(client.stdout.readline())
    took = time.perf_counter() - start
    rate = result["calls"] / result["seconds"]
    # The warm-up counts into the processor time: set it against all calls, at the measured rate.
    used = (cpu_seconds(pid) - before) / (rate * min(took, seconds * 1.2)) * 10_000
    return Round(rate, result["p50_us"], result["p99_us"], used)


def throughput(engine: str, rounds: int, seconds: float) -> None:
    found: dict[str, list[Round]] = {"without": [], "with a session": []}
    with process("benchmarks.peers", "backend", core=-1) as backend:
        assert backend.stdout is not None
        port = int(backend.stdout.readline())
        for number in range(rounds):
            for name, rows in sorted(found.items(), reverse=bool(number % 2)):
                with tempfile.TemporaryDirectory() as folder:
                    more = ("--no-session",) if name == "without" else ("--session", "bench")
                    with loom(engine, port, Path(folder), *more) as (listening, pid):
                        rows.append(load(listening, pid, seconds))
    print(f"\n{engine}, 32 calls at a time, 100-byte messages, median of {rounds} rounds\n")
    print("| | calls/s | p50 ms | p99 ms | CPU s per 10,000 calls |\n| --- | --- | --- | --- | --- |")
    for name, rows in found.items():
        middle = [
            statistics.median(getattr(row, field) for row in rows)
            for field in ("rate", "p50_us", "p99_us", "cpu")
        ]
        print(
            f"| {name} | {middle[0]:,.0f} | {middle[1] / 1000:.2f} | {middle[2] / 1000:.2f} | {middle[3]:.2f} |"
        )
    # A machine's own speed changes from round to round; what is compared was measured one after the other.
    shares = sorted(kept.rate / bare.rate for bare, kept in zip(*found.values(), strict=True))
    print(f"\nwith a session: {statistics.median(shares):.1%} of the throughput without, in the middle round")
    print(f"(from {shares[0]:.1%} to {shares[-1]:.1%})")


def fill(path: Path, calls: int) -> SessionWriter:
    """Create a session with ``calls`` unary calls."""
    store = SessionWriter(path)
    store.open()
    start = time.time_ns() - calls * 1_000_000
    for call_id in range(1, calls + 1):
        at = start + call_id * 1_000_000
        store.emit(CallStarted(call_id, at, PATH, "ipv4:127.0.0.1:5000", "bench", "bench:1"))
        store.emit(
            MetadataSeen(
                call_id, at, Section.REQUEST, (("x-tenant", str(call_id % 100)), ("user-agent", "b"))
            )
        )
        store.emit(MessageSeen(call_id, at, Direction.REQUEST, PAYLOAD))
        store.emit(HalfClosed(call_id, at))
        store.emit(MetadataSeen(call_id, at, Section.INITIAL, (("content-type", "application/grpc"),)))
        store.emit(MessageSeen(call_id, at, Direction.RESPONSE, PAYLOAD))
        store.emit(MetadataSeen(call_id, at, Section.TRAILING, ()))
        store.emit(CallEnded(call_id, at + 500_000, Status(5 if not call_id % 50 else 0)))
        if not call_id % 1000:
            store.flush(60)
    store.flush(60)
    return store


async def search(store: SessionWriter, text: str) -> tuple[float, Done]:
    async def nothing() -> list[object]:
        return []

    reading = SearchClient(History(), store, nothing)  # type: ignore[arg-type]
    start = time.perf_counter()
    async for answer in reading.run(SearchJob(origin=await reading.origin(), q=text)):
        last = answer
    assert isinstance(last, Done)
    return time.perf_counter() - start, last


async def searching(calls: int, engine: str, seconds: float) -> None:
    with tempfile.TemporaryDirectory() as folder, process("benchmarks.peers", "backend", core=-1) as backend:
        assert backend.stdout is not None
        store = fill(session_path("bench", Path(folder) / "sessions"), calls)
        size = store.path.stat().st_size / 1e6
        start = time.perf_counter()
        restored = len(store.restore(5000))
        took = time.perf_counter() - start
        print(f"\n{calls:,} calls in a session ({size:.0f} MB); {restored:,} restored in {took:.2f} s\n")
        print("| filter | seconds | found |\n| --- | --- | --- |")
        for text in _QUERIES:
            took, done = await search(store, text)
            print(f"| `{text}` | {took:.1f} | {done.found:,} |")
        port = int(backend.stdout.readline())
        with loom(engine, port, Path(folder), "--no-session") as (listening, pid):
            alone = await asyncio.to_thread(load, listening, pid, seconds)
            beside = asyncio.create_task(asyncio.to_thread(load, listening, pid, seconds))
            while not beside.done():
                await search(store, _QUERIES[-1])
            during = await beside
        print(
            f"\np99 of the traffic: {alone.p99_us / 1000:.1f} ms alone, {during.p99_us / 1000:.1f} ms beside searches"
        )
        store.close()


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--engine", choices=("relay", "wire"), action="append")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--seconds", type=float, default=3)
    parser.add_argument("--search", type=int, default=100_000, metavar="CALLS")
    chosen = parser.parse_args()
    for engine in chosen.engine or ["relay"]:
        throughput(engine, chosen.rounds, chosen.seconds)
    if chosen.search:
        asyncio.run(searching(chosen.search, (chosen.engine or ["relay"])[0], chosen.seconds))


if __name__ == "__main__":
    main()
