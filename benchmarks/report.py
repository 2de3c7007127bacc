"""Write the results as tables and a plot between the marks of docs/explanation/performance.md."""

import os
import platform
from pathlib import Path

from .suite import Figures, Table

DOCS = Path(__file__).parent.parent / "docs"
PAGE = DOCS / "explanation" / "performance.md"
PLOT = DOCS / "images" / "performance.svg"
_COLOURS = {
    "direct": "#9aa0a6",
    "TCP pass-through": "#9aa0a6",
    "Loom wire": "#3b6fd4",
    "Loom relay": "#7aa2f0",
}
_OTHER = "#c9a15a"


def tables(table: Table) -> str:
    """Return a table per load: rate, its ratio to the direct connection, latencies, CPU, memory, recorded calls."""
    parts = []
    for load, routes in table.items():
        direct = routes["direct"].rate if "direct" in routes else 0.0
        lines = [
            f"### {load}",
            "",
            "| path | messages/s | of direct | p50 ms | p99 ms | CPU s per 10,000 | memory MiB | recorded |",
            "| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |",
        ]
        lines += [_row(name, figures, direct) for name, figures in routes.items()]
        parts.append("\n".join(lines))
    return "\n\n".join(parts)


def _row(name: str, figures: Figures, direct: float) -> str:
    cpu = f"{sorted(figures.cpu)[len(figures.cpu) // 2]:.2f}" if figures.cpu else ""
    memory = f"{figures.resident / 2**20:.0f}" if figures.resident else ""
    ratio = f"{figures.rate / direct:.2f}" if direct else ""
    recorded = ""
    if figures.recorded:
        counted, sent = figures.recorded
        recorded = "all" if counted == sent else f"**{counted} of {sent}**"
    failed = f" ({figures.failed} failed)" if figures.failed else ""
    return (
        f"| {name}{failed} | {figures.rate:,.0f} ± {figures.spread:.0%} | {ratio} | {figures.p50 * 1000:.2f} "
        f"| {figures.p99 * 1000:.2f} | {cpu} | {memory} | {recorded} |"
    )


def machine() -> str:
    """Describe the machine in one line."""
    model = next(
        (line.partition(":")[2].strip() for line in _lines("/proc/cpuinfo") if line.startswith("model name")),
        "?",
    )
    return f"{os.cpu_count()} cores of {model}, {platform.system()}, Python {platform.python_version()}"


def _lines(path: str) -> list[str]:
    try:
        return Path(path).read_text().splitlines()
    except OSError:
        return []


def plot(table: Table) -> str:
    """Draw the rate of each path as a share of the direct connection, as bars grouped by load."""
    width, bar, gap, left = 960, 13, 16, 330
    rows: list[str] = []
    y = 34
    for load, routes in table.items():
        direct = (
            routes["direct"].rate if "direct" in routes else max(figures.rate for figures in routes.values())
        )
        rows.append(f'<text x="8" y="{y + 10}" class="load">{load}</text>')
        for name, figures in routes.items():
            if name == "direct":
                continue
            share = min(1.0, figures.rate / direct)
            colour = _COLOURS.get(name, _OTHER)
            length = max(1.0, share * (width - left - 70))
            rows.append(
                f'<text x="{left - 8}" y="{y + 10}" class="route">{name}</text>'
                f'<rect x="{left}" y="{y}" width="{length:.0f}" height="{bar - 3}" fill="{colour}"/>'
                f'<text x="{left + length + 5:.0f}" y="{y + 10}">{share:.2f}</text>'
            )
            y += bar
        y += gap
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {y}" font-family="sans-serif" font-size="10">'
        "<style>text{fill:#666}.load{font-weight:600;fill:#888}.route{text-anchor:end}</style>"
        f'<text x="{left}" y="18" font-size="12">messages a second, as a share of the direct connection</text>'
        + "\n".join(rows)
        + "</svg>\n"
    )


def write(section: str, text: str) -> None:
    """Replace the text between ``<!-- section -->`` and ``<!-- /section -->``; append both if they are missing."""
    begin, end = f"<!-- {section} -->", f"<!-- /{section} -->"
    page = PAGE.read_text(encoding="utf-8") if PAGE.exists() else "# Performance\n"
    block = f"{begin}\n{text.strip()}\n{end}"
    if begin in page and end in page:
        before, _, rest = page.partition(begin)
        page = before + block + rest.partition(end)[2]
    else:
        page = page.rstrip() + f"\n\n{block}\n"
    PAGE.write_text(page, encoding="utf-8")
