"""What it would cost to accept the relay's connections in Python, in front of C-core's server.

    python -m benchmarks.gateway [--rounds 9] [--seconds 1] [--write]

One relay listens on a port and on a Unix socket, and gateways (:mod:`benchmarks.splice`) forward to either, on the
relay's own event loop and in processes of their own. Every load is sent through all of them in turn, the order reversed
from round to round, and a ratio is of two loads of the same round, so that what else the machine does is in both. The
CPU time is that of the relay and the gateway together. --write puts the table into docs/explanation/performance.md.
"""

import argparse
import contextlib
import dataclasses
import statistics
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import uvloop

import loom.proxy.relay
from loom.grpc_core.facade import Server
from loom.model import Address
from loom.proxy.relay import RelayEngine
from loom.runtime.loom import Loom
from loom.runtime.settings import Settings

from . import report
from .loads import LOADS, Load, run
from .processes import LOAD_CORE, PROXY_CORE, Running, free_port, running
from .splice import listen
from .suite import backend

_RATES = {
    "unary 100 B, 1 at a time": 1_500,
    "unary 64 KiB, 8 at a time": 1_500,
    "unary 1 MiB, 4 at a time": 150,
}
"""Calls in about a second of the loads that take the relay longer than small calls at a time."""
_CALLS = 3_500
_STREAM_MESSAGES = 30_000
BARE = "relay alone"


@dataclass
class Figures:
    """The results of one way to the relay under one load: a value per round."""

    rates: list[float] = field(default_factory=list)
    p50s: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)
    """Seconds of CPU time per 10,000 messages."""
    failed: int = 0


Table = dict[str, dict[str, Figures]]


def main() -> None:
    """Measure and print, or be the relay that is measured."""
    if sys.argv[1:2] == ["relay"]:
        target, port, path, over_tcp, over_unix = sys.argv[2:]
        uvloop.run(_relay(int(target), int(port), path, int(over_tcp), int(over_unix)))
        return
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--seconds", type=float, default=1.0, help="about the length of each load")
    parser.add_argument("--write", action="store_true")
    arguments = parser.parse_args()
    text = summary(measure(arguments.rounds, arguments.seconds), arguments.rounds)
    print(text)
    if arguments.write:
        report.write("gateway", text)


async def _relay(target: int, port: int, path: str, over_tcp: int, over_unix: int) -> None:
    """Run a Loom that listens on ``path`` too, and two gateways on its event loop."""

    class UnixRelay(RelayEngine):
        def _bind(self, server: Server, addresses: list[Address]) -> bool:
            return bool(server.bind(f"unix:{path}", None)) and super()._bind(server, addresses)

    loom.proxy.relay.RelayEngine = UnixRelay  # type: ignore[misc]
    proxy = Loom(
        Settings(
            target=Address("127.0.0.1", target),
            listen=Address("127.0.0.1", port),
            ui=None,
            session=None,
            reflection=False,
        )
    )
    await proxy.start()
    gateways = [await listen(over_tcp, str(port)), await listen(over_unix, path)]
    with proxy.signals():
        await proxy.run_until_stopped()
    for gateway in gateways:
        gateway.close()


def measure(rounds: int, seconds: float) -> Table:
    """Send every load over every way once in each round."""
    with contextlib.ExitStack() as stack:
        work = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="loom-bench-")))
        target = stack.enter_context(backend(work))
        ports = [free_port() for _ in range(6)]
        path = str(work / "relay.sock")

        def start(core: str, *words: object, port: int) -> Running:
            command = [sys.executable, "-m", *map(str, words)]
            return stack.enter_context(running(command, port, core, work / "log"))

        command = ("benchmarks.gateway", "relay", target, ports[0], path, ports[1], ports[2])
        relay = start(PROXY_CORE, *command, port=ports[2])
        unix = start(PROXY_CORE, "benchmarks.splice", ports[3], path, port=ports[3])
        gathering = start(PROXY_CORE, "benchmarks.splice", ports[4], path, "gather", port=ports[4])
        apart = start(LOAD_CORE, "benchmarks.splice", ports[5], path, port=ports[5])
        ways: dict[str, tuple[int, list[Running]]] = {
            BARE: (ports[0], [relay]),
            "on its loop, TCP": (ports[1], [relay]),
            "on its loop, Unix": (ports[2], [relay]),
            "own process, Unix": (ports[3], [relay, unix]),
            "own process, Unix, gathers": (ports[4], [relay, gathering]),
            "own process, Unix, another core": (ports[5], [relay, apart]),
        }
        loads = [_shorten(load) for load in LOADS]
        table: Table = {load.name: {name: Figures() for name in ways} for load in loads}
        for number in range(
            -1, rounds
        ):  # the first round is not measured: the history fills, memory is in use
            for load in loads:
                for name in list(ways) if number % 2 else reversed(ways):
                    figures = Figures() if number < 0 else table[load.name][name]
                    _measure_way(figures, load, *ways[name], seconds, work)
            print(f"  round {number + 1} of {rounds}", file=sys.stderr, flush=True)
    return table


def _shorten(load: Load) -> Load:
    """The load with what the relay does of it in about a second."""
    if load.seconds:
        return dataclasses.replace(
            load, name=f"{load.name.partition(', sustained')[0]}, sustained", seconds=2.0
        )
    if load.answer:
        return dataclasses.replace(load, answer=_STREAM_MESSAGES)
    return dataclasses.replace(load, calls=_RATES.get(load.name, _CALLS))


def _measure_way(
    figures: Figures, load: Load, port: int, processes: Sequence[Running], share: float, work: Path
) -> None:
    before = sum(process.cost().cpu for process in processes)
    result = run(load, port, work, share=share)
    cpu = sum(process.cost().cpu for process in processes) - before
    messages = result.answered * (max(1, int(load.answer * share)) if load.answer else 1)
    figures.rates.append(result.rate)
    figures.p50s.append(result.p50)
    figures.cpu.append(cpu / max(1, messages) * 10_000)
    figures.failed += result.failed


def summary(table: Table, rounds: int) -> str:
    """A Markdown table per load: medians, and ratios to the relay alone with half the range of their quartiles."""
    lines = [
        f"Measured on {report.machine()}; medians of {rounds} interleaved rounds,",
        "± half the range of their quartiles.",
        "",
        "| load | way to the relay | messages/s | of alone | p50 ms | of alone | CPU s per 10,000 | of alone |",
        "| --- | --- | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    for load, ways in table.items():
        bare = ways[BARE]
        for name, figures in ways.items():
            failed = f" ({figures.failed} failed)" if figures.failed else ""
            cells = [load if figures is bare else "", f"{name}{failed}"]
            for values, bare_values, form in (
                (figures.rates, bare.rates, "{:,.0f}"),
                ([value * 1000 for value in figures.p50s], [value * 1000 for value in bare.p50s], "{:.2f}"),
                (figures.cpu, bare.cpu, "{:.2f}"),
            ):
                cells.append(form.format(statistics.median(values)))
                cells.append("" if figures is bare else _ratio(values, bare_values))
            lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def _ratio(values: list[float], bare: list[float]) -> str:
    ratios = [value / other for value, other in zip(values, bare, strict=True) if other]
    if len(ratios) < 2:
        return f"{ratios[0]:.2f}" if ratios else ""
    first, _, third = statistics.quantiles(ratios, n=4)
    return f"{statistics.median(ratios):.2f} ± {(third - first) / 2:.2f}"


if __name__ == "__main__":
    main()
