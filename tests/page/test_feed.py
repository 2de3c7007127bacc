"""The table and the feed: updates, gaps, reconnects, evictions, hidden tabs."""

import pytest
from playwright.async_api import Locator, Page, expect

from tests.page.fake_feed import FakeFeed, summary

pytestmark = pytest.mark.asyncio(loop_scope="module")


def rows(page: Page) -> Locator:
    return page.get_by_role("row").filter(has=page.get_by_role("gridcell"))


async def opened(page: Page, feed: FakeFeed, path: str = "/") -> None:
    await page.goto(feed.address + path)
    await expect(page.locator("[data-connection=open]")).to_be_visible()


async def held(page: Page, count: int) -> None:
    await expect(page.locator(f"[data-shown='{count}']")).to_be_visible()


async def test_an_empty_page_shows_the_address_and_a_command(page: Page, feed: FakeFeed) -> None:
    await opened(page, feed)
    await expect(page.get_by_text("No calls yet")).to_be_visible()
    await expect(page.get_by_text("grpcurl -plaintext localhost:9999 list")).to_be_visible()


async def test_the_first_call_appears_and_is_updated_in_place(page: Page, feed: FakeFeed) -> None:
    await opened(page, feed)
    feed.put(summary(1, state="live", status=None, duration_us=None, ended_by=None))
    await expect(rows(page)).to_have_count(1)
    await expect(rows(page).first).to_contain_text("live")
    feed.put(summary(1, version=2, status={"code": 5, "name": "NOT_FOUND", "message": "gone"}))
    await expect(rows(page).first).to_contain_text("NOT_FOUND")
    await expect(rows(page)).to_have_count(1)


async def test_an_older_version_never_replaces_a_newer_one(page: Page, feed: FakeFeed) -> None:
    await opened(page, feed)
    feed.put(summary(1, version=9))
    await expect(rows(page).first).to_contain_text("OK")
    feed.put(summary(1, version=3, status=None, state="live"), summary(2))
    await held(page, 2)
    await expect(rows(page).first).to_contain_text("OK")


async def test_pause_freezes_the_view_counts_what_is_new_and_catches_up(page: Page, feed: FakeFeed) -> None:
    feed.calls = {number: summary(number) for number in range(1, 6)}
    await opened(page, feed)
    await held(page, 5)
    await page.keyboard.press("p")
    feed.put(*[summary(number) for number in range(6, 9)])
    await expect(page.get_by_role("button", name="paused · 3 new")).to_be_visible()
    await held(page, 5)
    await page.keyboard.press("p")
    await held(page, 8)


async def test_a_gap_says_how_many_and_fetches_what_was_missed(page: Page, feed: FakeFeed) -> None:
    feed.calls = {1: summary(1)}
    await opened(page, feed)
    await held(page, 1)
    feed.put(summary(2), summary(3), notify=False)
    feed.gap(2)
    await expect(page.get_by_text("2 updates were skipped")).to_be_visible()
    await expect(page.get_by_text("nothing is missing")).to_be_visible()
    await held(page, 3)


async def test_a_lost_feed_counts_down_and_resumes_from_where_it_was(page: Page, feed: FakeFeed) -> None:
    feed.calls = {1: summary(1)}
    await page.clock.install()
    await opened(page, feed)
    await held(page, 1)
    feed.put(summary(2))
    await held(page, 2)
    feed.refusing = True
    feed.disconnect()
    retry = page.get_by_role("button", name="disconnected · retrying")
    await expect(retry).to_be_visible()
    # From here on the page's time stands still: it retries at the click, and not automatically a moment before.
    await page.clock.pause_at(await page.evaluate("Date.now() + 10"))
    await expect(retry).to_be_visible()
    feed.refusing = False
    await retry.click()
    await expect(page.locator("[data-connection=open]")).to_be_visible()
    assert f"last={feed.boot}%3A{feed.seq}" in [url for url in feed.requests if "/api/events" in url][-1]


# A headless browser has no window that could be covered: visibility is simulated.
_AWAY = """
(hidden) => {
  Object.defineProperty(document, 'hidden', { value: hidden, configurable: true });
  document.dispatchEvent(new Event('visibilitychange'));
}
"""


async def test_a_hidden_tab_does_nothing_and_catches_up_when_shown(page: Page, feed: FakeFeed) -> None:
    feed.calls = {number: summary(number) for number in range(1, 4)}
    await opened(page, feed)
    await held(page, 3)
    await page.evaluate(_AWAY, True)
    await expect(page.locator("[data-connection=hidden]")).to_be_attached()
    await expect(page.locator(".row.fresh")).to_have_count(0)
    asked = list(feed.requests)
    await page.evaluate("""() => {
      window.changes = 0;
      new MutationObserver((all) => (window.changes += all.length))
        .observe(document, { subtree: true, childList: true, attributes: true, characterData: true });
    }""")
    feed.put(*[summary(number) for number in range(4, 2000)], summary(1, version=2, flags=["truncated"]))
    feed.tick(rate=900)
    feed.evict(below=3)
    await page.evaluate(
        "new Promise((done) => setTimeout(done, 300))"
    )  # time in which it could make a request
    assert await page.evaluate("window.changes") == 0
    assert feed.requests == asked
    await page.evaluate(_AWAY, False)
    await held(page, 1997)
    await expect(page.get_by_text("2 evicted")).to_be_visible()
    assert f"last={feed.boot}%3A" in next(url for url in feed.requests[len(asked) :] if "/api/events" in url)


async def test_a_tab_opened_in_the_background_waits_until_it_is_shown(page: Page, feed: FakeFeed) -> None:
    feed.calls = {1: summary(1)}
    await page.add_init_script(f"({_AWAY})(true)")
    await page.goto(feed.address)
    await expect(page.locator("[data-connection=hidden]")).to_be_attached()
    assert not [url for url in feed.requests if "/api/events" in url]
    feed.put(summary(2))
    await page.evaluate(_AWAY, False)
    await held(page, 2)


async def test_evicted_calls_leave_the_table(page: Page, feed: FakeFeed) -> None:
    feed.calls = {number: summary(number) for number in range(1, 101)}
    await opened(page, feed)
    await held(page, 100)
    feed.evict(below=91)
    await held(page, 10)
    await expect(page.get_by_text("90 evicted")).to_be_visible()


async def test_a_deep_link_to_an_evicted_call_says_so(page: Page, feed: FakeFeed) -> None:
    feed.calls = {50: summary(50)}
    await opened(page, feed, "/calls/7/status")
    await expect(page.get_by_text("Call #7 is no longer in the history")).to_be_visible()


async def test_a_deep_link_survives_a_reload(page: Page, feed: FakeFeed) -> None:
    feed.calls = {number: summary(number) for number in range(1, 2001)}
    await opened(page, feed, "/calls/40/timing?q=id%3A%3C%3D500")
    for _ in range(2):
        await held(page, 500)
        await expect(page.get_by_role("tab", name="Timing")).to_have_attribute("aria-selected", "true")
        await expect(page.locator("#call-40")).to_be_in_viewport()
        await page.reload()


async def test_the_row_of_the_open_call_is_in_view_above_the_pane(page: Page, feed: FakeFeed) -> None:
    await page.set_viewport_size({"width": 800, "height": 900})
    feed.calls = {number: summary(number) for number in range(1, 1001)}
    await opened(page, feed, "/calls/997")
    await expect(page.locator("#call-997")).to_be_in_viewport()
    await page.keyboard.press("Escape")
    last = page.get_by_role("gridcell", name="1000", exact=True)
    await page.keyboard.press("End")
    await expect(last).to_be_in_viewport()
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("separator", name="Size of the detail pane")).to_be_visible()
    await expect(last).to_be_in_viewport()


async def test_clear_says_which_and_the_view_comes_back(page: Page, feed: FakeFeed) -> None:
    feed.calls = {1: summary(1), 2: summary(2)}
    await opened(page, feed)
    await held(page, 2)
    await page.keyboard.press("Shift+X")
    await page.get_by_role("button", name="Clear the view").click()
    await held(page, 0)
    assert len(feed.calls) == 2
    await page.get_by_role("button", name="Show cleared calls").click()
    await held(page, 2)
    await page.keyboard.press("Shift+X")
    await page.get_by_role("button", name="Clear the history").click()
    await held(page, 0)
    assert feed.calls == {}


async def test_a_target_that_is_down_is_said_at_the_top(page: Page, feed: FakeFeed) -> None:
    await opened(page, feed)
    feed.tick(
        target={
            "address": "localhost:50051",
            "tls": False,
            "insecure": False,
            "state": "down",
            "error": "connection refused",
        }
    )
    await expect(page.get_by_text("Can't connect to localhost:50051")).to_be_visible()
    await expect(page.get_by_text("connection refused")).to_be_visible()


async def test_rows_stay_where_they_are_read_while_others_come_and_go(page: Page, feed: FakeFeed) -> None:
    feed.calls = {number: summary(number) for number in range(1, 1001)}
    await opened(page, feed)
    await held(page, 1000)
    await page.keyboard.press("End")
    for _ in range(3):
        await page.keyboard.press("PageUp")
    top = page.locator("[data-grid] [aria-selected=true]")
    before = await top.bounding_box()
    feed.put(*[summary(number) for number in range(1001, 1201)])
    await held(page, 1200)
    feed.evict(below=500)
    await held(page, 701)
    assert await top.bounding_box() == before
