"""Cost of rules that act on no call.

    python -m benchmarks.rules [--rounds 12] [--seconds 2]

A Loom without rules and others with 100 of them run side by side on one core, and get the same load in turns, the order
reversed from round to round. A ratio is of two loads of the same round, so that what else the machine does is in both.
Prints a table; the lookup alone is in docs/explanation/performance.md.
"""

import argparse
import contextlib
import statistics
import tempfile
from pathlib import Path

from . import report
from .sessions import Round, load, loom, process

COUNT = 100
RULE = """
[[rule]]
name = "{number}"
match = "{match}"
when.point = "response-message"
do = [{{ set = "name", to = "x" }}]
"""
BARE = "no rules"
MATCHES = {
    "rules of other methods": "method:Method{number}",
    "rules of metadata that the calls lack": "meta:x-tenant=tenant-{number}",
    "rules of another value of their metadata": "meta:user-agent=agent-{number}",
}
"""A filter for each of the rules; the calls are of ``/bench.Bench/Call``, with a user-agent and nothing else."""


def measure(rounds: int, seconds: float) -> dict[str, list[Round]]:
    """Load each Loom once in each round."""
    table: dict[str, list[Round]] = {name: [] for name in (BARE, *MATCHES)}
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="loom-bench-")))
        backend = stack.enter_context(process("benchmarks.peers", "backend", core=-1))
        assert backend.stdout is not None
        port = int(backend.stdout.readline())
        looms = {}
        for place, name in enumerate(table):
            home = folder / str(place)
            home.mkdir()
            flags = ["--no-session"]
            if name in MATCHES:
                file = home / "rules.toml"
                rules = [
                    RULE.format(number=number, match=MATCHES[name].format(number=number))
                    for number in range(COUNT)
                ]
                file.write_text("\n".join(rules), encoding="utf-8")
                flags += ["--rules", str(file)]
            looms[name] = stack.enter_context(loom("relay", port, home, *flags))
        for listening, pid in looms.values():  # once unmeasured: the history fills, memory is in use
            load(listening, pid, seconds)
        for number in range(rounds):
            for name in list(table) if number % 2 else reversed(table):
                table[name].append(load(*looms[name], seconds))
    return table


def summary(table: dict[str, list[Round]]) -> str:
    """A Markdown table: medians, and ratios to the Loom without rules with half their range between the quartiles."""
    lines = [
        "| 100 rules | calls/s | of no rules | CPU s per 10,000 calls | of no rules |",
        "| --- | ---: | ---: | ---: | ---: |",
    ]
    for name, rounds in table.items():
        rate = statistics.median(row.rate for row in rounds)
        cpu = statistics.median(row.cpu for row in rounds)
        pairs = list(zip(rounds, table[BARE], strict=True))
        ratios = ("", "")
        if name != BARE:
            ratios = (
                _spread([row.rate / bare.rate for row, bare in pairs]),
                _spread([row.cpu / bare.cpu for row, bare in pairs]),
            )
        lines.append(f"| {name} | {rate:,.0f} | {ratios[0]} | {cpu:.2f} | {ratios[1]} |")
    return "\n".join(lines)


def _spread(ratios: list[float]) -> str:
    first, _, third = statistics.quantiles(ratios, n=4)
    return f"{statistics.median(ratios):.3f} ± {(third - first) / 2:.3f}"


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=12)
    parser.add_argument("--seconds", type=float, default=2.0, help="of each load")
    arguments = parser.parse_args()
    print(
        f"\n{report.machine()}; medians of {arguments.rounds} rounds, ± half the range of their quartiles\n"
    )
    print(summary(measure(arguments.rounds, arguments.seconds)))


if __name__ == "__main__":
    main()
