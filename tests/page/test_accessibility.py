"""Accessibility: axe in both themes, keyboard, roles."""

from pathlib import Path

import pytest
from playwright.async_api import Page, expect

from loom.model import StatusCode
from tests.page.fake_feed import FakeFeed, summary
from tests.page.test_feed import held, opened
from tests.page.test_hostile import body, leaf, root

pytestmark = pytest.mark.asyncio(loop_scope="module")
AXE = Path(__file__).parents[2] / "web" / "node_modules" / "axe-core" / "axe.min.js"
DETAIL = "section[aria-label='Call 5']"
STATUSES = ("OK", "CANCELLED", "DEADLINE_EXCEEDED", "NOT_FOUND", "INTERNAL", "UNAVAILABLE")


def traffic(feed: FakeFeed) -> None:
    for number, name in enumerate(STATUSES, 1):
        status = {"code": StatusCode[name].value, "name": name, "message": "why"}
        feed.calls[number] = summary(number, status=status, flags=["truncated"])
    feed.calls[7] = summary(7, state="live", status=None, duration_us=None, ended_by=None, kind="bidi")
    feed.calls[8] = summary(8, kind="server", messages=[1, 5])
    feed.bodies = {
        number: [body(root(leaf("text", "value")), '{"text":"value"}', "text")] for number in feed.calls
    }
    feed.bodies[8] = [feed.bodies[8][0] | {"index": index} for index in range(6)]


async def violations(page: Page, within: str = "html") -> list[str]:
    """Violations of WCAG 2.2 A and AA and of axe's best practices in the elements that a selector matches.

    It is run beside the page, whose policy allows no other script.
    """
    if not await page.evaluate("'axe' in window"):
        await page.evaluate(AXE.read_text())
    problems = await page.evaluate("within => axe.run(document.querySelector(within))", within)
    assert len(problems["passes"]) > 15, "axe checked almost nothing"
    return [
        f"{one['id']}: {node['html'][:200]} {node['failureSummary'][:300]}"
        for one in problems["violations"]
        for node in one["nodes"]
        # The grid around the rows takes the focus, and its keys scroll them (test_table).
        if not (
            one["id"] == "scrollable-region-focusable" and node["html"].startswith('<div class="scroller')
        )
    ]


@pytest.mark.parametrize("theme", ["light", "dark"])
async def test_axe_finds_nothing(page: Page, feed: FakeFeed, theme: str) -> None:
    traffic(feed)
    await page.emulate_media(color_scheme=theme, reduced_motion="reduce")  # type: ignore[arg-type]
    await opened(page, feed, "/calls/5")
    await held(page, 8)
    await expect(page.get_by_role("tree", name="Message 0")).to_be_visible()
    problems = await violations(page)
    for tab in "23456":
        await page.keyboard.press(tab)
        await expect(page.get_by_role("tab").nth(int(tab) - 1)).to_have_attribute("aria-selected", "true")
        problems += await violations(page, DETAIL)
    await page.keyboard.press("?")
    await expect(page.get_by_role("dialog")).to_be_visible()
    problems += await violations(page)
    await page.keyboard.press("Escape")
    await page.goto(feed.address + "/calls/8?q=nothing-matches-this")
    await expect(page.get_by_text("Nothing matches")).to_be_visible()
    problems += await violations(page)
    assert problems == []


@pytest.mark.parametrize("theme", ["light", "dark"])
async def test_axe_finds_nothing_in_menus_dialogs_and_states(page: Page, feed: FakeFeed, theme: str) -> None:
    traffic(feed)
    feed.bodies[8] = [one | {"json": {"text": "a"}} for one in feed.bodies[8]]
    await page.emulate_media(color_scheme=theme, reduced_motion="reduce")  # type: ignore[arg-type]
    await opened(page, feed, "/calls/8?message=3")
    await held(page, 8)
    problems = await violations(page)
    for menu in ("Columns", "Export"):
        await page.get_by_role("button", name=menu).click()
        problems += await violations(page)
        await page.keyboard.press("Escape")
    await page.keyboard.press("m")
    await page.keyboard.press("]")
    await page.keyboard.press("d")
    await expect(page.get_by_role("textbox", name="Right")).to_be_visible()
    problems += await violations(page)
    await page.keyboard.press("Escape")
    await page.keyboard.press("Shift+X")
    await expect(page.get_by_role("dialog", name="Clear the view or the history?")).to_be_visible()
    problems += await violations(page)
    await page.keyboard.press("Escape")
    await page.keyboard.press("/")
    await page.keyboard.type("is:")
    await expect(page.get_by_role("listbox")).to_be_visible()
    problems += await violations(page)
    await page.keyboard.type("nonsense")
    await expect(page.get_by_role("alert")).to_be_visible()
    problems += await violations(page)
    await page.keyboard.press("Escape")
    await page.keyboard.press("p")
    feed.tick(
        target={
            "address": "localhost:50051",
            "tls": False,
            "insecure": False,
            "state": "down",
            "error": "connection refused",
        },
        breaker={"state": "open", "failures": 5, "retry_in_ms": 300},
    )
    feed.gap(3)
    await expect(page.get_by_text("3 updates were skipped")).to_be_visible()
    await expect(page.get_by_text("Can't connect to localhost:50051 (connection refused).")).to_be_visible()
    problems += await violations(page)
    feed.refusing = True
    feed.disconnect()
    await expect(page.get_by_role("button", name="disconnected · retrying")).to_be_visible()
    problems += await violations(page)
    assert problems == []


async def test_the_grid_says_how_many_rows_there_are_and_which_is_meant(page: Page, feed: FakeFeed) -> None:
    feed.calls = {number: summary(number) for number in range(1, 501)}
    await opened(page, feed)
    await held(page, 500)
    grid = page.get_by_role("grid", name="Calls")
    await expect(grid).to_have_attribute("aria-rowcount", "501")
    await grid.focus()
    await page.keyboard.press("Home")
    await expect(grid).to_have_attribute("aria-activedescendant", "call-1")
    await page.keyboard.press("j")
    await expect(page.locator("#call-2")).to_have_attribute("aria-rowindex", "3")
    feed.evict(below=400)
    await held(page, 101)
    await expect(grid).to_be_focused()


async def test_tab_walks_on_and_tabs_and_splitter_move_by_arrows(page: Page, feed: FakeFeed) -> None:
    traffic(feed)
    await opened(page, feed, "/calls/5")
    await page.get_by_role("tab", name="Messages").focus()
    await page.keyboard.press("ArrowRight")
    await expect(page.get_by_role("tab", name="Metadata")).to_be_focused()
    await expect(page.get_by_role("tab", name="Metadata")).to_have_attribute("aria-selected", "true")
    splitter = page.get_by_role("separator", name="Size of the detail pane")
    before = int(await splitter.get_attribute("aria-valuenow") or 0)
    await splitter.press("ArrowRight")
    await expect(splitter).to_have_attribute("aria-valuenow", str(before - 24))
    await page.get_by_role("combobox", name="Filter").focus()
    await page.keyboard.press("Tab")
    await expect(page.get_by_role("combobox", name="Filter")).not_to_be_focused()


async def test_keys_are_off_while_typing(page: Page, feed: FakeFeed) -> None:
    traffic(feed)
    await opened(page, feed)
    await held(page, 8)
    await page.keyboard.press("/")
    await page.keyboard.type("p")
    await expect(page.get_by_role("combobox", name="Filter")).to_have_value("p")
    await expect(page.get_by_role("button", name="Pause")).to_have_attribute("aria-pressed", "false")
