"""What one connection that floods Loom costs the calls of the others: their p50 with and without it, and the ratio.

python -m benchmarks.flood [--engine wire|relay] [--seconds 4] [--rate 20] [--only KIND]

The flood is sent at ``--rate`` MB a second to a backend that discards it. "direct" is the same without Loom: what the
machine itself loses to the flood.
"""

import argparse
import asyncio
import contextlib
import itertools
import json
import math
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import uvloop

from . import proxies
from .peers import (
    DATA,
    END_HEADERS,
    HEADERS,
    HELLO,
    MESSAGE,
    PATH,
    PING,
    PREFACE,
    RST,
    SETTINGS,
    WINDOW,
    Backend,
    frame,
    literal,
)
from .processes import LOAD_CORE, Running, free_port, running

_MARK = frame(PING, 0, 0, b"discard!")
_PRIORITY, _CONTINUATION, _ACK = 2, 9, 1
_BLOCK = b"\x83\x86" + literal(":path", PATH) + literal(":authority", "flood") + literal("te", "trailers")
_CHUNK = 64 * 1024
_INDEXED = b"\x84"  # one byte for a field
_FIELDS = 190


def _repeated(*frames: bytes) -> Iterator[bytes]:
    one = b"".join(frames)
    return itertools.repeat(one * max(1, _CHUNK // len(one)))


def _calls(*, reset: bool, fields: bytes = b"") -> Iterator[bytes]:
    """Calls that start, each on a stream of its own, and are reset or end with a message."""
    numbers = itertools.count(3, 2)
    while True:
        parts: list[bytes] = []
        size = 0
        while size < _CHUNK:
            number = next(numbers)
            end = frame(RST, 0, number, bytes(4)) if reset else frame(DATA, 1, number, MESSAGE)
            parts += [frame(HEADERS, END_HEADERS, number, _BLOCK + fields), end]
            size += len(parts[-1]) + len(parts[-2])
        yield b"".join(parts)


FLOODS: dict[str, Callable[[], Iterator[bytes]]] = {
    "empty DATA": lambda: _repeated(frame(DATA, 0, 1)),
    "WINDOW_UPDATE": lambda: _repeated(frame(WINDOW, 0, 1, b"\0\0\0\1")),
    "PRIORITY": lambda: _repeated(frame(_PRIORITY, 0, 1, bytes(5))),
    "PING": lambda: _repeated(frame(PING, 0, 0, bytes(8))),
    "SETTINGS": lambda: _repeated(frame(SETTINGS, 0, 0), frame(SETTINGS, _ACK, 0)),
    "CONTINUATION": lambda: _repeated(
        frame(HEADERS, 0, 1, b"\x82"), frame(_CONTINUATION, END_HEADERS, 1, b"\x84")
    ),
    "HPACK, 10,000 fields": lambda: _repeated(frame(HEADERS, END_HEADERS, 1, _INDEXED * 10_000)),
    "HPACK, table changes": lambda: _repeated(
        frame(HEADERS, END_HEADERS, 1, b"".join(b"\x40\x01a\x02" + b"%02d" % n for n in range(50)))
    ),
    "messages": lambda: _repeated(frame(DATA, 0, 1, MESSAGE)),
    "calls": lambda: _calls(reset=False),
    "calls reset": lambda: _calls(reset=True),
    "calls of 190 fields": lambda: _calls(reset=True, fields=_INDEXED * _FIELDS),
}


class _Backend(Backend):
    """Answers calls; discards all that follows the mark on a connection."""

    _discard = False

    def data_received(self, data: bytes) -> None:
        if self._discard:
            return
        if _MARK in data:
            self._discard = True
            return
        super().data_received(data)


async def _serve(port: int) -> None:
    server = await asyncio.get_running_loop().create_server(_Backend, "127.0.0.1", port)
    await server.serve_forever()


async def _flood(port: int, kind: str, rate: float) -> None:
    """Send the flood until the process is killed or the connection is closed."""
    _, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(PREFACE + HELLO + _MARK + frame(HEADERS, END_HEADERS, 1, _BLOCK))
    start, sent = time.monotonic(), 0
    with contextlib.suppress(OSError):
        for chunk in FLOODS[kind]():
            writer.write(chunk)
            await writer.drain()
            sent += len(chunk)
            await asyncio.sleep(max(0.0, start + sent / rate / 1e6 - time.monotonic()))


def _p50(port: int, seconds: float) -> float:
    command = [sys.executable, "-m", "benchmarks.peers", "client", str(port), "1", str(seconds)]
    done = subprocess.run(["taskset", "-c", LOAD_CORE, *command], check=False, capture_output=True)
    if done.returncode:  # no call came back
        print(done.stderr.decode())
        return math.inf
    p50: float = json.loads(done.stdout)["p50_us"]
    return p50


@contextlib.contextmanager
def _flooding(port: int, kind: str, rate: float) -> Iterator[None]:
    command = [sys.executable, "-m", "benchmarks.flood", "--flood", kind, str(port), str(rate)]
    process = subprocess.Popen(["taskset", "-c", LOAD_CORE, *command])
    try:
        time.sleep(1)  # until it is under way
        yield
    finally:
        process.kill()
        process.wait()


@contextlib.contextmanager
def _backend(work: Path) -> Iterator[int]:
    port = free_port()
    command = [sys.executable, "-m", "benchmarks.flood", "--backend", str(port)]
    with running(command, port, LOAD_CORE, work / "backend.log"):
        yield port


def _measure(
    port: int, kinds: list[str], seconds: float, rate: float, loom: Running | None
) -> dict[str, str]:
    rows = {}
    for kind in kinds:
        quiet = _p50(port, seconds)
        with _flooding(port, kind, rate):
            flooded = _p50(port, seconds)
        quiet = min(quiet, _p50(port, seconds))
        resident = f", {loom.cost().resident / 2**20:.0f} MiB" if loom else ""
        rows[kind] = f"{quiet:,.0f} µs, {flooded:,.0f} µs, {flooded / quiet:.1f}{resident}"
        print(f"{'loom' if loom else 'direct'}: {kind}: {rows[kind]}", flush=True)
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--engine", choices=["wire", "relay"], default="wire")
    parser.add_argument("--seconds", type=float, default=4, help="for each p50")
    parser.add_argument("--rate", type=float, default=20, help="of the flood, in MB a second")
    parser.add_argument("--only", action="append", choices=list(FLOODS))
    parser.add_argument("--backend", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--flood", nargs=3, help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.backend:
        uvloop.run(_serve(chosen.backend))
    elif chosen.flood:
        kind, port, rate = chosen.flood
        uvloop.run(_flood(int(port), kind, float(rate)))
    else:
        kinds = chosen.only or list(FLOODS)
        with tempfile.TemporaryDirectory(prefix="loom-flood-") as folder:
            work = Path(folder)
            with _backend(work) as port:
                direct = _measure(port, kinds, chosen.seconds, chosen.rate, None)
                with proxies.loom("--engine", chosen.engine)(port, work) as route:
                    through = _measure(route.port, kinds, chosen.seconds, chosen.rate, route.process)
        print("\n| flood | direct: quiet, flooded, ratio | Loom: quiet, flooded, ratio, memory |")
        print("| --- | --- | --- |")
        for kind in kinds:
            print(f"| {kind} | {direct[kind]} | {through[kind]} |")


if __name__ == "__main__":
    main()
