"""The loads that h2load sends, and the parser of its log."""

import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

from .processes import LOAD_CORE, program


@dataclass(frozen=True)
class Load:
    """``concurrent`` calls at a time, spread over ``connections``, ``calls`` in all, or for ``seconds`` on end.

    ``answer`` is 0 for an echo, else how many messages of ``size`` bytes one call is answered with.
    """

    name: str
    calls: int
    concurrent: int
    connections: int
    size: int = 100
    answer: int = 0
    seconds: float = 0.0

    @property
    def messages(self) -> int:
        return self.answer or 1


LOADS = (
    Load("unary 100 B, 1 at a time", 4_000, 1, 1),
    Load("unary 100 B, 32 at a time, 1 connection", 40_000, 32, 1),
    Load("unary 100 B, 32 at a time, 8 connections", 40_000, 32, 8),
    Load("unary 100 B, 100 at a time, 1 connection", 60_000, 100, 1),
    Load("unary 100 B, 100 at a time, 8 connections", 60_000, 104, 8),
    Load("unary 100 B, 100 at a time, 1 connection, sustained for 8 s", 0, 100, 1, seconds=8.0),
    Load("server stream, 100 B messages", 1, 1, 1, answer=200_000),
    Load("unary 64 KiB, 8 at a time", 4_000, 8, 1, size=64 * 1024),
    Load("unary 1 MiB, 4 at a time", 300, 4, 1, size=1024 * 1024),
)

_STALLED_SECONDS = 120.0  # a load takes seconds: a proxy that has not answered by then does not
_UNITS = {"us": 1e-6, "ms": 1e-3, "s": 1.0}


@dataclass(frozen=True)
class Result:
    """``rate`` in messages per second; latencies in seconds; numbers of answered and of failed calls."""

    rate: float
    p50: float
    p99: float
    answered: int
    failed: int


def run(load: Load, port: int, work: Path, *, share: float = 1.0, tls: bool = False) -> Result:
    """Send a load, or a share of its calls, and parse h2load's log; every call counts as failed if h2load stalls."""
    body = work / f"message-{load.size}"
    if not body.exists():
        payload = b"" if load.answer else b"x" * load.size
        body.write_bytes(b"\0" + len(payload).to_bytes(4, "big") + payload)
    calls = max(load.connections, int(load.calls * share))
    duration = max(1, round(load.seconds * share))
    answer = max(1, int(load.answer * share)) if load.answer else 0
    path = f"/bench.Bench/Stream/{answer}/{load.size}" if answer else "/bench.Bench/Echo"
    log = work / "h2load.log"
    log.unlink(missing_ok=True)
    command = ["taskset", "-c", LOAD_CORE, program("h2load", "apt-get install nghttp2-client")]
    command += ["-D", str(duration)] if load.seconds else ["-n", str(calls)]
    command += ["-c", str(load.connections)]
    command += ["-m", str(max(1, load.concurrent // load.connections))]
    command += ["-w", "22", "-W", "24", "-d", str(body), f"--log-file={log}"]
    command += ["-H", "content-type: application/grpc", "-H", "te: trailers"]
    command.append(f"{'https' if tls else 'http'}://127.0.0.1:{port}{path}")
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=_STALLED_SECONDS)
    except subprocess.TimeoutExpired:
        return Result(rate=0.0, p50=_STALLED_SECONDS, p99=_STALLED_SECONDS, answered=0, failed=calls)
    if done.returncode:
        raise RuntimeError(done.stdout + done.stderr)
    seconds = duration if load.seconds else _seconds(r"finished in ([\d.]+)(us|ms|s)", done.stdout)
    found = re.search(r"(\d+) succeeded", done.stdout)
    succeeded = int(found[1]) if found else 0
    took = sorted(int(line.split("\t")[2]) / 1e6 for line in log.read_text().splitlines())
    return Result(
        rate=succeeded * (answer or 1) / seconds,
        p50=took[len(took) // 2] if took else 0.0,
        p99=took[min(len(took) - 1, len(took) * 99 // 100)] if took else 0.0,
        answered=succeeded,
        failed=0 if load.seconds else calls - succeeded,
    )


def _seconds(pattern: str, text: str) -> float:
    match = re.search(pattern, text)
    if match is None:
        raise RuntimeError(f"h2load said nothing of {pattern!r}: {text}")
    return float(match[1]) * _UNITS[match[2]]
