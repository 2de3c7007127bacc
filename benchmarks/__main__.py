"""``python -m benchmarks [--quick] [--only NAME]…``: measure, print, write docs/explanation/performance.md."""

import argparse
import sys

from . import report, suite
from .proxies import PATHS

_QUICK = ["direct", "TCP pass-through", "Loom wire", "Loom relay", "Envoy"]


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument(
        "--quick", action="store_true", help="fewer calls and paths, nothing is written: two minutes"
    )
    parser.add_argument("--rounds", type=int, default=0, help="interleaved rounds (default: 3, quick: 1)")
    parser.add_argument(
        "--share",
        type=float,
        default=0.0,
        help="share of the calls of each load to send (default: 1, quick: 0.3)",
    )
    parser.add_argument(
        "--only", action="append", choices=list(PATHS), help="measure only this path; may be repeated"
    )
    parser.add_argument("--no-write", action="store_true", help="print the results without writing them")
    arguments = parser.parse_args()
    names = arguments.only or (_QUICK if arguments.quick else list(PATHS))
    rounds = arguments.rounds or (1 if arguments.quick else 3)
    share = arguments.share or (0.3 if arguments.quick else 1.0)
    table, missing = suite.measure(rounds, share, list(names))
    with_listeners, _ = suite.measure(
        1,
        share,
        [name for name in ("direct", "Loom wire") if name in names],
        listeners=2,
    )
    text = report.tables(table)
    page_open = report.tables(with_listeners)
    print(text, "\n\n## With two pages open\n\n", page_open, sep="")
    for line in missing:
        print("not measured:", line)
    if not (arguments.quick or arguments.no_write or arguments.only):
        report.PLOT.parent.mkdir(parents=True, exist_ok=True)
        report.PLOT.write_text(report.plot(table), encoding="utf-8")
        omissions = "".join(f"\n\nNot measured: {line}" for line in missing)
        caption = (
            f"Measured on {report.machine()}; medians of {rounds} interleaved rounds, ± half their range."
        )
        report.write("traffic", f"{caption}\n\n![rates](../images/performance.svg)\n\n{text}{omissions}")
        report.write("traffic with pages", f"{page_open}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
