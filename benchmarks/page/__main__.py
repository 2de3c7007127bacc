"""Run the page's benchmark and check its limits: exit code 1 if one is exceeded."""

import asyncio
import os
import sys
from dataclasses import dataclass

import click
from playwright.async_api import Browser, Page, async_playwright

from benchmarks import report
from benchmarks.page import load, measure
from tests.page.fake_feed import FakeFeed, fake_feed
from tests.support import browser as chromium

OPENINGS = 9
PLACES = 60
TASKS = ["disabled-by-default-devtools.timeline"]  # what a trace has to hold for the CPU time of tasks


@dataclass
class Promise:
    """One result, its limit, and whether it is within."""

    name: str
    measured: str
    promised: str
    kept: bool


async def first_rows(browser: Browser, feed: FakeFeed) -> list[float]:
    """Return milliseconds from the start of navigation to the first row, in new profiles, sorted."""
    found = []
    for _ in range(OPENINGS):
        context = await browser.new_context(viewport={"width": 1280, "height": 800})
        page = await context.new_page()
        await page.add_init_script(measure.WATCH)
        await page.goto(feed.address)
        await page.locator("[data-grid] [data-id]").first.wait_for()
        # At rest before it is closed: what it still fetches would be measured with the next opening.
        await page.locator(f"[data-held='{len(feed.calls)}']").wait_for(timeout=60_000)
        found.append(float(await page.evaluate("window.bench.firstRow")))
        await context.close()
    return sorted(found)


async def under_load(browser: Browser, feed: FakeFeed, rate: int, seconds: float) -> list[Promise]:
    """Send load, compare the shown calls with the API's, then scroll through them."""
    context = await browser.new_context(viewport={"width": 1280, "height": 800})
    page = await context.new_page()
    cdp = await context.new_cdp_session(page)
    await cdp.send("Performance.enable")
    await page.add_init_script(measure.WATCH)
    await browser.start_tracing(page=page, categories=TASKS)
    await page.goto(feed.address)
    await page.locator(f"[data-held='{len(feed.calls)}']").wait_for(timeout=60_000)
    opening = measure.cpu_ms(await browser.stop_tracing())
    filling = await measure.tasks(page)
    before = await measure.heap_mb(cdp)
    loaded_ms = float(await page.evaluate("performance.now()"))
    assert feed.loop is not None
    await browser.start_tracing(page=page, categories=TASKS)
    running = asyncio.run_coroutine_threadsafe(load.run(feed, rate, seconds), feed.loop)
    sent = await asyncio.wrap_future(running)
    newest = max(feed.calls)
    await page.locator(f"[data-held='{len(feed.calls)}']").wait_for(timeout=60_000)
    await page.locator(f"#call-{newest}").wait_for(timeout=60_000)
    cpu = measure.cpu_ms(await browser.stop_tracing())
    under = await measure.tasks(page, loaded_ms - 1000)
    after = await measure.heap_mb(cdp)
    compared, wrong = await compare(page, feed)
    scrolled = await page.evaluate(measure.SCROLL, 5)
    await context.close()
    return [
        Promise(
            "summaries sent", f"{sent:,} in {seconds:.0f} s", f"{rate:,}/s", sent >= rate * seconds * 0.99
        ),
        Promise(
            "longest tasks while the page opens and fetches 100,000 calls, CPU time",
            f"{opening[0]:.0f} ms (the page's mounting), then {opening[1]:.0f} ms",
            "100 ms",
            opening[0] <= 100,
        ),
        Promise(
            "the same by the clock",
            f"{filling.first_second_worst:.0f} ms in the first second, then {filling.later_text}",
            "100 ms after the first second",
            filling.later_worst <= 100,
        ),
        Promise(
            "longest task under load, CPU time",
            f"{cpu[0]:.0f} ms (95 % of {len(cpu):,} within {cpu[len(cpu) // 20]:.1f} ms)",
            "100 ms",
            cpu[0] <= 100,
        ),
        Promise(
            "longest task under load, by the clock",
            f"{under.later_text} ({under.later_over_100} over 100 ms)",
            "100 ms on a machine that is free",
            kept=True,  # other programs on the machine stretch it: judged by CPU time
        ),
        Promise(
            "JavaScript heap before and after",
            f"{before:.0f} → {after:.0f} MB",
            "bounded",
            after < before * 1.5 + 20,
        ),
        Promise("rows compared with the API", f"{compared:,}, {wrong} differ", "0 differ", wrong == 0),
        Promise(
            "frames a second while scrolling through all rows in 5 s",
            f"{scrolled['fps']:.0f} (95 % within {scrolled['p95']:.0f} ms, {scrolled['blank']} blank)",
            "50 or more, none blank",
            scrolled["fps"] >= 50 and scrolled["blank"] == 0,
        ),
    ]


async def compare(page: Page, feed: FakeFeed) -> tuple[int, int]:
    """Compare rows at positions spread over the whole table with the API's calls."""
    calls = [feed.calls[number] for number in sorted(feed.calls)]
    compared = wrong = 0
    for place in range(PLACES):
        index = place * (len(calls) - 1) // (PLACES - 1)
        for row, number, status, method in await page.evaluate(measure.ROWS_AT, index):
            call = calls[row]
            expected = (
                call["id"],
                (call["status"] or {"name": "in flight"})["name"],
                call["method"].rpartition("/")[2],
            )
            compared += 1
            wrong += (number, status, method) != expected
    return compared, wrong


def section(promises: list[Promise], rate: int, seconds: float) -> str:
    """Return Markdown for docs/explanation/performance.md."""
    rows = "\n".join(f"| {one.name} | {one.measured} | {one.promised} |" for one in promises)
    return f"""`make bench-page`: a real Chromium at 1280 by 800 pixels on two cores, which it shares with the feed;
100,000 calls held, {rate:,} summaries a second for {seconds:.0f} s, every call announced when it begins and
when it ends, the oldest evicted as new ones come. The load average of the machine was {os.getloadavg()[0]:.1f}
at the end: the less free it was, the more the clock overstates what the page takes.

| figure | measured | promised |
| --- | --- | --- |
{rows}
"""


async def run(rate: int, seconds: float) -> list[Promise]:
    """Run all parts."""
    with fake_feed() as feed:
        load.fill(feed)
        async with async_playwright() as playwright:
            browser = await playwright.chromium.launch(
                executable_path=str(chromium.find_or_install()), args=chromium.arguments()
            )
            opened = await first_rows(browser, feed)
            promises = await under_load(browser, feed, rate, seconds)
            await browser.close()
    median = opened[len(opened) // 2]
    first = Promise(
        "first rows after the page opens",
        f"{median:.0f} ms (worst of {OPENINGS}: {opened[-1]:.0f} ms)",
        "300 ms",
        median < 300,
    )
    return [first, *promises]


@click.command()
@click.option("--rate", default=5000, help="Summaries a second.")
@click.option("--seconds", default=60.0, help="How long.")
@click.option("--write", is_flag=True, help="Put the figures into docs/explanation/performance.md.")
def main(rate: int, seconds: float, *, write: bool) -> None:
    """Measure the page under load."""
    promises = asyncio.run(run(rate, seconds))
    text = section(promises, rate, seconds)
    click.echo(text)
    if write:
        report.write("page", text)
    sys.exit(0 if all(one.kept for one in promises) else 1)


if __name__ == "__main__":
    main()
