"""A restart of Loom while the page is open: ids mean other calls, and versions start again."""

import pytest
from playwright.async_api import Page, expect

from tests.page.fake_feed import FakeFeed, summary
from tests.page.test_feed import held, opened, rows
from tests.page.test_hostile import body, leaf, root

pytestmark = pytest.mark.asyncio(loop_scope="module")
AFTER = "/acme.shop.v1.Shop/AfterRestart"
LIVE = {"state": "live", "status": None, "duration_us": None, "ended_by": None}


async def test_its_history_replaces_the_old_one(page: Page, feed: FakeFeed) -> None:
    feed.calls = {number: summary(number) for number in range(1, 4)}
    await opened(page, feed)
    await held(page, 3)
    feed.restart(summary(7, method=AFTER))
    await held(page, 1)
    await expect(rows(page).first).to_contain_text("AfterRestart")


async def test_its_calls_replace_those_of_the_same_number_whatever_their_versions(
    page: Page, feed: FakeFeed
) -> None:
    feed.calls = {1: summary(1, version=900, **LIVE), 2: summary(2, version=5)}
    await opened(page, feed)
    await held(page, 2)
    feed.restart(summary(1, version=4, flags=["restored"]), summary(2, version=1, method=AFTER))
    await expect(page.locator("#call-2")).to_contain_text("AfterRestart")
    await expect(page.locator("#call-1")).to_contain_text("restored")
    await expect(page.locator("#call-1")).not_to_contain_text("in flight")
    await held(page, 2)


async def test_the_open_call_is_reloaded(page: Page, feed: FakeFeed) -> None:
    feed.calls = {5: summary(5, messages=[1, 0])}
    feed.bodies = {5: [body(root(leaf("text", "before")), '{"text":"before"}')]}
    await opened(page, feed, "/calls/5")
    tree = page.get_by_role("tree", name="Message 0")
    await expect(tree).to_contain_text("before")
    feed.bodies = {5: [body(root(leaf("text", "after")), '{"text":"after"}')]}
    feed.restart(summary(5, messages=[1, 0], method=AFTER))
    await expect(page.get_by_role("heading", name="AfterRestart")).to_be_visible()
    await expect(tree).to_contain_text("after")


async def test_an_open_call_that_does_not_exist_any_more_says_so(page: Page, feed: FakeFeed) -> None:
    feed.calls = {5: summary(5)}
    await opened(page, feed, "/calls/5")
    await expect(page.get_by_role("heading", name="GetOrder")).to_be_visible()
    feed.restart(summary(1))
    await expect(page.get_by_text("Call #5 is no longer in the history")).to_be_visible()


async def test_a_paused_view_stays_and_counts_what_is_new(page: Page, feed: FakeFeed) -> None:
    feed.calls = {number: summary(number) for number in range(1, 10)}
    await opened(page, feed)
    await held(page, 9)
    await page.keyboard.press("p")
    feed.restart(summary(1, method=AFTER), summary(2, method=AFTER))
    await expect(page.get_by_role("button", name="paused · 2 new")).to_be_visible()
    await held(page, 9)
    await page.keyboard.press("p")
    await held(page, 2)
    await expect(rows(page).first).to_contain_text("AfterRestart")
