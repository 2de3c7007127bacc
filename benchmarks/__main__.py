"""``python -m benchmarks [--quick] [--only NAME]…``: measure, print, write docs/performance.md."""

import argparse
import sys

from . import report, suite
from .proxies import WAYS

_QUICK = ["direct", "TCP pass-through", "Loom wire", "Loom relay", "Envoy"]


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument(
        "--quick", action="store_true", help="fewer calls and ways, nothing written: two minutes"
    )
    parser.add_argument("--rounds", type=int, default=0, help="interleaved rounds (default: 3, quick: 1)")
    parser.add_argument(
        "--share", type=float, default=0.0, help="of the calls of each load (default: 1, quick: 0.3)"
    )
    parser.add_argument("--only", action="append", choices=list(WAYS), help="measure this way; repeatable")
    parser.add_argument("--no-write", action="store_true", help="print only")
    chosen = parser.parse_args()
    names = chosen.only or (_QUICK if chosen.quick else list(WAYS))
    rounds = chosen.rounds or (1 if chosen.quick else 3)
    share = chosen.share or (0.3 if chosen.quick else 1.0)
    table, missing = suite.measure(rounds, share, list(names))
    listened, _ = suite.measure(
        1,
        share,
        [name for name in ("direct", "Loom wire") if name in names],
        listeners=2,
    )
    text = report.tables(table)
    page_open = report.tables(listened)
    print(text, "\n\n## With two pages open\n\n", page_open, sep="")
    for line in missing:
        print("not measured:", line)
    if not (chosen.quick or chosen.no_write or chosen.only):
        report.PLOT.parent.mkdir(parents=True, exist_ok=True)
        report.PLOT.write_text(report.plot(table), encoding="utf-8")
        left_out = "".join(f"\n\nNot measured: {line}" for line in missing)
        head = f"Measured on {report.machine()}; medians of {rounds} interleaved rounds, ± half their range."
        report.write("traffic", f"{head}\n\n![rates](images/performance.svg)\n\n{text}{left_out}")
        report.write("traffic with pages", f"{page_open}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
