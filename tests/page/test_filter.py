"""The filter on the page, with the fixture shared by Python and TypeScript."""

import json
from pathlib import Path

import pytest
from playwright.async_api import Page, expect

from tests.page.fake_feed import FakeFeed
from tests.page.test_feed import held, opened

pytestmark = pytest.mark.asyncio(loop_scope="module")
FIXTURE = json.loads((Path(__file__).parent.parent / "fixtures" / "filters.json").read_text())
TERMS = (
    "method:Get*", "service:acme.*", "status:NOT_FOUND,INTERNAL", "-status:OK", 'message:"no such"', "kind:bidi",
    "duration:>250ms", "bytes:>1MB", "bytes.up:>1mb", "bytes.down:>=1kb", "messages:>=10", "messages.up:>1",
    "messages.down:0", "id:>=7", "peer:ipv6", "authority:CHAT", "target:50052", "engine:wire", "ended:loom",
    "is:live,error", "/Get|Talk/",
)  # fmt: skip


async def test_every_term_answers_as_the_fixture_says(page: Page, feed: FakeFeed) -> None:
    feed.calls = {call["id"]: call for call in FIXTURE["calls"]}
    await opened(page, feed)
    box = page.get_by_role("combobox", name="Filter")
    expected = {case["filter"]: case["ids"] for case in FIXTURE["cases"] if "ids" in case}
    for term in TERMS:
        await box.fill(term)
        await box.press("Enter")
        await held(page, len(expected[term]))
        shown = await page.locator("[data-grid] [data-id]").evaluate_all(
            "all => all.map(row => Number(row.dataset.id))"
        )
        assert shown == expected[term], term


async def test_a_wrong_filter_keeps_the_last_good_one_and_points_at_the_column(
    page: Page, feed: FakeFeed
) -> None:
    feed.calls = {call["id"]: call for call in FIXTURE["calls"]}
    await opened(page, feed)
    box = page.get_by_role("combobox", name="Filter")
    await box.fill("kind:bidi")
    await held(page, 1)
    await box.fill("kind:bidi statuz:OK")
    await expect(page.get_by_role("alert")).to_contain_text('Unknown filter "statuz:". Did you mean status:?')
    await expect(page.get_by_role("alert").locator("mark")).to_have_text("statuz:OK")
    await held(page, 1)


async def test_completion_is_chosen_by_keys_and_nothing_matching_says_so(page: Page, feed: FakeFeed) -> None:
    feed.calls = {call["id"]: call for call in FIXTURE["calls"]}
    await opened(page, feed)
    await page.keyboard.press("/")
    await page.keyboard.type("is:unob")
    await page.keyboard.press("ArrowDown")
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("combobox", name="Filter")).to_have_value("is:unobserved")
    await expect(page.get_by_text("Nothing matches")).to_be_visible()
    await page.get_by_role("button", name="Remove the filter").last.click()
    await held(page, 9)


async def test_a_search_on_the_server_shows_its_progress_and_is_cancelled(page: Page, feed: FakeFeed) -> None:
    feed.calls = {call["id"]: call for call in FIXTURE["calls"]}
    feed.found = [3]
    await opened(page, feed)
    await page.get_by_role("combobox", name="Filter").fill("body:alice")
    await expect(page.get_by_title("Searched 1\u202f200 of 5\u202f000 calls")).to_have_text(
        "searched 24\u00a0%"
    )
    await held(page, 1)
    assert feed.searching == 1
    await page.get_by_role("button", name="Cancel").click()
    await expect(page.get_by_role("button", name="Cancel")).to_have_count(0)
    for _ in range(100):
        if feed.searching == 0:
            break
        await page.evaluate("new Promise(requestAnimationFrame)")
    assert feed.searching == 0
    await held(page, 1)


async def test_while_nothing_is_found_yet_the_search_says_that_it_goes_on(page: Page, feed: FakeFeed) -> None:
    feed.calls = {call["id"]: call for call in FIXTURE["calls"]}
    await opened(page, feed, "/?q=body:alice")
    await expect(page.get_by_role("heading", name="Searching…")).to_be_visible()
    await page.get_by_role("button", name="Cancel").click()
    await expect(page.get_by_role("heading", name="Nothing matches")).to_be_visible()


async def test_a_quick_filter_adds_its_term_to_what_is_there(page: Page, feed: FakeFeed) -> None:
    feed.calls = {call["id"]: call for call in FIXTURE["calls"]}
    await opened(page, feed)
    box = page.get_by_role("combobox", name="Filter")
    await box.fill('message:"no such"')
    await box.press("Enter")
    await page.get_by_role("button", name="Errors").click()
    await expect(box).to_have_value('message:"no such" is:error')
    await expect(page.get_by_role("button", name="Errors")).to_have_attribute("aria-pressed", "true")
    await page.get_by_role("button", name="Errors").click()
    await expect(box).to_have_value('message:"no such"')
