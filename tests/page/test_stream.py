"""A stream of a million messages: fetched in pages, navigated by the minimap, with bounded memory."""

import re
from typing import Any

import pytest
from playwright.async_api import Locator, Page, expect

from tests.page.fake_feed import FakeFeed, summary
from tests.page.test_feed import opened

pytestmark = pytest.mark.asyncio(loop_scope="module")
MILLION = 1_000_000


def million(feed: FakeFeed, **changes: Any) -> None:
    """Make call 1 a stream of a million messages over ten seconds."""
    call = {"kind": "server", "messages": [1, MILLION - 1], "duration_us": MILLION * 10 + 2000}
    feed.calls = {1: summary(1, **(call | changes))}
    feed.streams = {1: MILLION}


def pages(feed: FakeFeed) -> list[str]:
    return [url for url in feed.requests if "/messages?" in url]


def message(page: Page, index: int) -> Locator:
    return page.locator(f"[data-message='{index}']")


async def shown(page: Page) -> list[int]:
    """Indices of the visible messages whose rows have been fetched."""
    numbers: list[int] = await page.locator("[data-message]:has-text('number: ')").evaluate_all(
        "all => all.map(row => Number(row.dataset.message)).sort((a, b) => a - b)"
    )
    return numbers


# A fetched row of a message within 1 % of the stream's length of the wanted one.
NEAR = """
(wanted) => [...document.querySelectorAll('[data-message]')].some(
  (row) => row.textContent.includes('number: ') && Math.abs(Number(row.dataset.message) - wanted) < 10_000)
"""


BEYOND = """
(last) => [...document.querySelectorAll('[data-message]')].some(
  (row) => row.textContent.includes('number: ') && Number(row.dataset.message) > last)
"""


async def pick(page: Page, share: float) -> None:
    """Click the minimap at this share of the stream's time."""
    minimap = page.get_by_role("img", name="1 requests and 999\u202f999 responses")
    box = await minimap.bounding_box()
    assert box is not None
    await minimap.click(position={"x": share * (box["width"] - 1), "y": 5})


async def heap(page: Page) -> int:
    """Size of the JavaScript heap in bytes, after a garbage collection."""
    cdp = await page.context.new_cdp_session(page)
    await cdp.send("HeapProfiler.collectGarbage")
    used = await cdp.send("Runtime.getHeapUsage")
    await cdp.detach()
    return int(used["usedSize"])


async def test_pages_are_fetched_as_they_become_visible(page: Page, feed: FakeFeed) -> None:
    million(feed)
    await opened(page, feed, "/calls/1")
    await expect(message(page, 0)).to_contain_text("number: 0")
    assert len(pages(feed)) == 1
    await pick(page, 0.5)
    await page.wait_for_function(NEAR, arg=MILLION // 2)
    middle = await shown(page)
    assert len(pages(feed)) <= 4
    await page.get_by_role("list", name="Messages").press("PageDown")
    await page.wait_for_function(BEYOND, arg=middle[-1])
    assert len(pages(feed)) <= 5


async def test_the_end_is_a_step_away_by_button_by_key_and_by_address(page: Page, feed: FakeFeed) -> None:
    million(feed)
    await opened(page, feed, "/calls/1")
    await page.get_by_role("button", name="Last message").click()
    await expect(page.locator("[data-event=trailers]")).to_be_visible()
    await expect(message(page, MILLION - 1)).to_contain_text(f"number: {MILLION - 1}")
    await page.get_by_role("button", name="First message").click()
    await expect(message(page, 0)).to_contain_text("number: 0")
    await page.keyboard.press("}")
    await expect(message(page, MILLION - 1)).to_be_in_viewport()
    await expect(page).to_have_url(re.compile(rf"message={MILLION - 1}\b"))
    await page.keyboard.press("{")
    await expect(message(page, 0)).to_be_in_viewport()
    await opened(page, feed, f"/calls/1?message={MILLION - 7}")
    await expect(message(page, MILLION - 7)).to_be_in_viewport()


async def test_memory_and_document_stay_small_wherever_one_looks(page: Page, feed: FakeFeed) -> None:
    million(feed)
    await opened(page, feed, "/calls/1")
    await expect(message(page, 0)).to_contain_text("number: 0")
    before = await heap(page)
    for step in range(1, 30):
        await pick(page, step / 30)
        await page.wait_for_function(NEAR, arg=step * MILLION // 30)
    assert len(pages(feed)) >= 30, "clicks on the minimap did not scroll"
    assert await page.locator("[data-message]").count() < 100
    assert await heap(page) - before < 20_000_000


async def test_a_live_one_is_followed_as_it_grows(page: Page, feed: FakeFeed) -> None:
    live = {"state": "live", "status": None, "duration_us": None, "ended_by": None}
    million(feed, **live)
    await opened(page, feed, "/calls/1")
    await expect(message(page, MILLION - 1)).to_contain_text(f"number: {MILLION - 1}")
    feed.streams[1] = MILLION + 50_000
    feed.put(summary(1, version=2, kind="server", messages=[1, MILLION + 49_999], **live))
    await expect(message(page, MILLION + 49_999)).to_contain_text(f"number: {MILLION + 49_999}")
    assert len(pages(feed)) <= 6


async def test_a_fast_one_is_followed_to_its_trailers(page: Page, feed: FakeFeed) -> None:
    live = {"state": "live", "status": None, "duration_us": None, "ended_by": None}
    feed.calls = {1: summary(1, kind="server", messages=[1, 99], **live)}
    feed.streams = {1: 100}
    await opened(page, feed, "/calls/1")
    await expect(message(page, 99)).to_contain_text("number: 99")
    for step in range(1, 60):
        feed.streams[1] = 100 + step * 700
        feed.put(summary(1, version=1 + step, kind="server", messages=[1, feed.streams[1] - 1], **live))
    last = feed.streams[1] - 1
    await expect(message(page, last)).to_contain_text(f"number: {last}")
    feed.put(summary(1, version=100, kind="server", messages=[1, last]))
    await expect(page.locator("[data-event=trailers]")).to_be_in_viewport()


async def test_scrolling_back_stops_following_and_follow_resumes_it(page: Page, feed: FakeFeed) -> None:
    live = {"state": "live", "status": None, "duration_us": None, "ended_by": None}
    feed.calls = {1: summary(1, kind="server", messages=[1, 999], **live)}
    feed.streams = {1: 1000}
    await opened(page, feed, "/calls/1")
    await expect(message(page, 999)).to_be_in_viewport()
    await message(page, 999).hover()
    await page.mouse.wheel(0, -2000)
    follow = page.get_by_role("tabpanel").get_by_role("button", name="Follow")
    await expect(follow).to_be_visible()
    feed.streams[1] = 1100
    feed.put(summary(1, version=2, kind="server", messages=[1, 1099], **live))
    await expect(page.get_by_role("tab", name="Messages")).to_contain_text("1\u202f100")
    await expect(message(page, 1099)).to_have_count(0)
    await follow.click()
    await expect(message(page, 1099)).to_be_in_viewport()
