"""Run every load over every path, interleaved, in several rounds, and collect the results."""

import contextlib
import json
import statistics
import subprocess
import tempfile
import time
import urllib.request
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from .loads import LOADS, Load, Result, run
from .processes import LOAD_CORE, MissingError, free_port, program, running
from .proxies import PATHS, Route

HERE = Path(__file__).parent
_WARM_UP = 0.5  # of the calls
# The share of the calls these get: a round takes them seconds all the same.
_SLOW = {"Loom relay": 0.1, "Loom relay, session": 0.1, "mitmproxy": 0.03}


@dataclass
class Figures:
    """The results of one path under one load: a value per round."""

    rates: list[float] = field(default_factory=list)
    p50s: list[float] = field(default_factory=list)
    p99s: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)  # seconds for 10,000 messages
    resident: int = 0
    failed: int = 0
    recorded: tuple[int, int] | None = None  # calls that the page counts, and that were sent

    @property
    def rate(self) -> float:
        return statistics.median(self.rates)

    @property
    def p50(self) -> float:
        return statistics.median(self.p50s)

    @property
    def p99(self) -> float:
        return statistics.median(self.p99s)

    @property
    def spread(self) -> float:
        """Return half the range of the rates as a share of their median."""
        return (max(self.rates) - min(self.rates)) / 2 / self.rate if self.rate else 0.0


Table = dict[str, dict[str, Figures]]


def compile_backend(work: Path) -> Path:
    """Compile the C backend."""
    binary = work / "backend"
    compiler = program("cc", "apt-get install gcc libnghttp2-dev")
    subprocess.run([compiler, "-O2", "-o", str(binary), str(HERE / "backend.c"), "-lnghttp2"], check=True)
    return binary


@contextlib.contextmanager
def backend(work: Path) -> Iterator[int]:
    """Compile and start the C backend, on the core of the load."""
    binary = compile_backend(work)
    port = free_port()
    with running([str(binary), str(port)], port, LOAD_CORE, work / "backend.log"):
        yield port


def measure(rounds: int, share: float, names: list[str], listeners: int = 0) -> tuple[Table, list[str]]:
    """``listeners`` feed subscribers are connected to each Loom while it is measured."""
    table: Table = defaultdict(lambda: defaultdict(Figures))
    missing: list[str] = []
    with tempfile.TemporaryDirectory(prefix="loom-bench-") as folder:
        work = Path(folder)
        with backend(work) as port:
            for number in range(rounds):
                for name in list(names):
                    try:
                        with PATHS[name](port, work) as route, _pages(route, listeners):
                            _measure_route(table, name, route, share, work)
                    except MissingError as error:
                        names.remove(name)
                        missing.append(f"{name}: {' '.join(str(error).split())}")
                    print(f"  round {number + 1} of {rounds}: {name}", flush=True)
    return table, missing


@contextlib.contextmanager
def _pages(route: Route, count: int) -> Iterator[None]:
    """Subscribe to the feed, as an open page does."""
    if route.page is None or not count:
        yield
        return
    command = [
        "curl",
        "--silent",
        "--no-buffer",
        "--output",
        "/dev/null",
        f"http://127.0.0.1:{route.page}/api/events",
    ]
    listening = [subprocess.Popen(["taskset", "-c", LOAD_CORE, *command]) for _ in range(count)]
    try:
        yield
    finally:
        for process in listening:
            process.kill()
            process.wait()


def _measure_route(table: Table, name: str, route: Route, share: float, work: Path) -> None:
    share *= _SLOW.get(name, 1.0)
    run(Load("warm-up", 500, 8, 1), route.port, work, share=max(share, 0.1), tls=route.tls)
    for load in LOADS:
        # Once unmeasured: a Loom that is kept open has its history full and its memory in use.
        run(load, route.port, work, share=share * _WARM_UP, tls=route.tls)
        before = _recorded_calls(route) if route.page else None
        start = route.process.cost() if route.process else None
        result: Result = run(load, route.port, work, share=share, tls=route.tls)
        figures = table[load.name][name]
        figures.rates.append(result.rate)
        figures.p50s.append(result.p50)
        figures.p99s.append(result.p99)
        figures.failed += result.failed
        counted = None if before is None else _recorded_calls(route) - before
        if route.process and start:
            end = route.process.cost()
            messages = max(1.0, result.answered * load.messages * (share if load.answer else 1.0))
            figures.cpu.append((end.cpu - start.cpu) / messages * 10_000)
            figures.resident = max(figures.resident, end.resident)
        if counted is not None:
            sent = result.answered + result.failed
            if load.seconds:  # calls that were cut off at the end are counted, too
                counted = min(counted, sent)
            earlier = figures.recorded or (0, 0)
            figures.recorded = (earlier[0] + counted, earlier[1] + sent)


def _counted(route: Route) -> int:
    with urllib.request.urlopen(f"http://127.0.0.1:{route.page}/api/stats", timeout=20) as answer:
        counted: int = json.load(answer)["calls_total"]
        return counted


def _recorded_calls(route: Route) -> int:
    """Return how many calls Loom has recorded once it has caught up, at most five seconds later."""
    until = time.monotonic() + 5
    before, counted = -1, _counted(route)
    while counted != before and time.monotonic() < until:
        time.sleep(0.5)  # more than the looking may lag behind the forwarding
        before, counted = counted, _counted(route)
    return counted
