"""Measurements inside the browser."""

import json
from dataclasses import dataclass
from typing import Any

from playwright.async_api import CDPSession, Page

# Before anything of the page runs: note long tasks, and when the first row is there.
WATCH = """
window.bench = { tasks: [], firstRow: null };
new PerformanceObserver((list) => {
  for (const task of list.getEntries()) window.bench.tasks.push([task.startTime, task.duration]);
}).observe({ type: 'longtask', buffered: true });
new MutationObserver((_, observer) => {
  if (document.querySelector('[data-grid] [data-id]') === null) return;
  window.bench.firstRow = performance.now();
  observer.disconnect();
}).observe(document, { childList: true, subtree: true });
"""

# Frames of the browser while every one of them scrolls on by more than a screen.
SCROLL = """
async (seconds) => {
  const box = document.querySelector('[data-grid] > [role=rowgroup]:last-child');
  const gaps = [];
  let last = performance.now();
  const end = last + seconds * 1000;
  const step = (box.scrollHeight - box.clientHeight) / (seconds * 60);
  box.scrollTop = 0;
  let blank = 0;
  while (last < end) {
    await new Promise(requestAnimationFrame);
    box.scrollTop += step;
    const now = performance.now();
    gaps.push(now - last);
    last = now;
    if (document.querySelectorAll('[data-grid] [data-id]').length < 20) blank += 1;
  }
  gaps.sort((a, b) => a - b);
  return { fps: gaps.length / seconds, p95: gaps[Math.floor(gaps.length * 0.95)], worst: gaps.at(-1), blank };
}
"""

# What the table shows at a place: number, version-dependent text, as a person reads it.
ROWS_AT = """
async (index) => {
  const box = document.querySelector('[data-grid] > [role=rowgroup]:last-child');
  box.scrollTop = index * 28;
  await new Promise(requestAnimationFrame);
  await new Promise(requestAnimationFrame);
  return [...document.querySelectorAll('[data-grid] [data-id]')].map((row) => [
    Number(row.getAttribute('aria-rowindex')) - 2, Number(row.dataset.id),
    row.children[4].textContent.trim(), row.children[2].querySelector('strong').textContent,
  ]);
}
"""


@dataclass
class Tasks:
    """Return the durations of tasks over 50 ms, the only ones that the browser reports."""

    first_second_worst: float
    later_worst: float
    later_over_100: int
    later: int

    @property
    def later_text(self) -> str:
        return f"{self.later_worst:.0f} ms" if self.later else "none over 50 ms"


async def tasks(page: Page, opened_ms: float = 0) -> Tasks:
    found: list[list[float]] = await page.evaluate("window.bench.tasks")
    later = [length for start, length in found if start > opened_ms + 1000]
    early = [length for start, length in found if start <= opened_ms + 1000]
    return Tasks(
        max(early, default=0), max(later, default=0), sum(length > 100 for length in later), len(later)
    )


def cpu_ms(trace: bytes) -> list[float]:
    """Return the CPU time of each task on the page's main thread, longest first."""
    events = json.loads(trace)["traceEvents"]
    mains = {
        (event["pid"], event["tid"])
        for event in events
        if event["name"] == "thread_name" and event["args"].get("name") == "CrRendererMain"
    }
    found = (
        event["tdur"] / 1000
        for event in events
        if event["name"] == "RunTask" and "tdur" in event and (event["pid"], event["tid"]) in mains
    )
    return sorted(found, reverse=True)


async def heap_mb(cdp: CDPSession) -> float:
    """Return the JavaScript heap size after a garbage collection."""
    await cdp.send("HeapProfiler.collectGarbage")
    metrics: dict[str, Any] = await cdp.send("Performance.getMetrics")
    used = next(metric["value"] for metric in metrics["metrics"] if metric["name"] == "JSHeapUsedSize")
    return float(used) / 1e6
