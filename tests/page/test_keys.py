"""Key bindings."""

import re

import pytest
from playwright.async_api import Page, expect

from tests.page.fake_feed import FakeFeed, summary
from tests.page.test_feed import held, opened
from tests.page.test_hostile import body, leaf, root

pytestmark = pytest.mark.asyncio(loop_scope="module")
SELECTED = "[data-grid] [aria-selected=true]"


def many(feed: FakeFeed, count: int = 500) -> None:
    feed.calls = {number: summary(number) for number in range(1, count + 1)}


def with_messages(feed: FakeFeed, *numbers: int) -> None:
    """Give each of these calls five messages."""
    for number in numbers:
        feed.calls[number] = summary(number, kind="server", messages=[1, 4])
        feed.bodies[number] = [
            body(root(leaf("text", f"{number}/{index}")), f'{{"text":"{number}/{index}"}}', f"text: {index}")
            | {"index": index, "json": {"text": f"{number}/{index}"}}
            for index in range(5)
        ]


async def at(page: Page, number: int) -> None:
    await expect(page.locator(SELECTED)).to_have_attribute("data-id", str(number))


async def test_the_first_step_begins_where_one_looks(page: Page, feed: FakeFeed) -> None:
    many(feed)
    await opened(page, feed)
    await held(page, 500)
    await page.keyboard.press("k")
    await at(page, 500)
    await page.reload()
    await held(page, 500)
    await expect(page.locator("[data-grid] [data-id='500']")).to_be_in_viewport()
    scroller = page.locator("[data-grid] > [role=rowgroup]").last
    end = await scroller.evaluate("scroller => scroller.scrollTop")
    await scroller.hover()
    await page.mouse.wheel(0, -28 * 200)
    await expect(scroller).to_have_js_property("scrollTop", end - 28 * 200)  # scrolling is animated
    await expect(page.get_by_role("button", name="Follow", exact=True)).to_have_attribute(
        "aria-pressed", "false"
    )
    await page.keyboard.press("j")
    await expect(page.locator(SELECTED)).to_be_in_viewport()


async def test_steps_pages_and_ends(page: Page, feed: FakeFeed) -> None:
    many(feed)
    await opened(page, feed)
    await held(page, 500)
    for key, number in (
        ("Home", 1),
        ("j", 2),
        ("ArrowDown", 3),
        ("k", 2),
        ("ArrowUp", 1),
        ("k", 1),
        ("End", 500),
    ):
        await page.keyboard.press(key)
        await at(page, number)
    await page.keyboard.press("PageUp")
    above = int(await page.locator(SELECTED).get_attribute("data-id") or 0)
    assert 470 < above < 490
    await page.keyboard.press("PageDown")
    await at(page, 500)


async def test_enter_opens_and_the_call_follows_the_cursor_until_escape(page: Page, feed: FakeFeed) -> None:
    many(feed)
    await opened(page, feed)
    await held(page, 500)
    await page.keyboard.press("Home")
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("region", name="Call 1", exact=True)).to_be_visible()
    await page.keyboard.press("3")
    await page.keyboard.press("j")
    await expect(page.get_by_role("region", name="Call 2", exact=True)).to_be_visible()
    await expect(page.get_by_role("tab", name="Status")).to_have_attribute("aria-selected", "true")
    await expect(page).to_have_url(re.compile(r"/calls/2/status$"))
    await page.keyboard.press("Escape")
    await expect(page.get_by_role("tab")).to_have_count(0)
    await expect(page.get_by_role("grid", name="Calls")).to_be_focused()
    await page.go_back()
    await expect(page.get_by_role("tab", name="Status")).to_be_visible()


async def test_brackets_walk_the_messages_and_braces_go_to_their_ends(page: Page, feed: FakeFeed) -> None:
    with_messages(feed, 1)
    await opened(page, feed, "/calls/1")
    for key, index in (("]", 0), ("]", 1), ("]", 2), ("[", 1), ("}", 4), ("]", 4), ("{", 0), ("[", 0)):
        await page.keyboard.press(key)
        await expect(page.locator(f"[data-body='{index}']")).to_contain_text(f"1/{index}")
        await expect(page).to_have_url(re.compile(rf"message={index}$"))


async def test_a_message_is_marked_and_compared_with_another(page: Page, feed: FakeFeed) -> None:
    with_messages(feed, 1, 2)
    await opened(page, feed, "/calls/1?message=3")
    await page.keyboard.press("m")
    await expect(page.get_by_text("Marked #1, message 3.")).to_be_visible()
    await page.keyboard.press("j")
    for _ in range(5):
        await page.keyboard.press("]")
    await page.keyboard.press("d")
    dialog = page.get_by_role("dialog", name="#1, message 3 compared with #2, message 4")
    await expect(dialog.get_by_role("row").filter(has_text="changed")).to_contain_text("1/3")
    await expect(dialog.get_by_text("1 difference", exact=True)).to_be_visible()
    await expect(dialog.get_by_role("textbox", name="Left")).to_contain_text('"1/3"')
    await expect(dialog.get_by_role("textbox", name="Right")).to_contain_text('"2/4"')
    await dialog.get_by_label("Paths to ignore").fill("text")
    await expect(dialog.get_by_text("No differences.")).to_be_visible()
    await page.keyboard.press("Escape")
    await expect(page.get_by_role("dialog")).to_have_count(0)
    await expect(page.get_by_role("region", name="Call 2", exact=True)).to_be_visible()


async def test_what_a_diff_does_not_show_is_said_with_its_number(page: Page, feed: FakeFeed) -> None:
    with_messages(feed, 1, 2)
    for number in (1, 2):
        feed.bodies[number][0]["json"] = {"numbers": [number] * 10_500}
    await opened(page, feed, "/calls/1?message=0")
    await page.keyboard.press("m")
    await page.keyboard.press("j")
    await page.keyboard.press("]")
    await page.keyboard.press("d")
    dialog = page.get_by_role("dialog")
    expected = "10\u202f500 differences, first 2\u202f000 shown"
    await expect(dialog.get_by_role("status")).to_have_text(expected)
    await expect(dialog.get_by_role("row")).to_have_count(2001)


async def test_f_toggles_following_the_newest(page: Page, feed: FakeFeed) -> None:
    many(feed)
    await opened(page, feed)
    await held(page, 500)
    await page.keyboard.press("Home")
    feed.put(summary(501))
    await held(page, 501)
    await expect(page.locator("#call-501")).to_have_count(0)
    await page.keyboard.press("f")
    await expect(page.locator("#call-501")).to_be_in_viewport()
    feed.put(summary(502))
    await expect(page.locator("#call-502")).to_be_in_viewport()


async def test_a_key_right_after_the_one_that_closes_a_dialog_counts(page: Page, feed: FakeFeed) -> None:
    many(feed, 3)
    await opened(page, feed)
    await page.keyboard.press("?")
    await expect(page.get_by_role("dialog", name="Keys and filters")).to_be_visible()
    await page.evaluate("""() => {
      document.querySelector('dialog').close();
      window.dispatchEvent(new KeyboardEvent('keydown', { key: 'X', shiftKey: true }));
    }""")
    await expect(page.get_by_role("dialog", name="Clear the view or the history?")).to_be_visible()
    await expect(page.get_by_role("button", name="Clear the view")).to_be_focused()


async def test_letters_work_wherever_the_focus_is_and_arrows_where_they_are_free(
    page: Page, feed: FakeFeed
) -> None:
    with_messages(feed, 1, 2, 3)
    await opened(page, feed, "/calls/1?message=1")
    await held(page, 3)
    await page.get_by_role("tree", name="Message 1").click()
    await page.keyboard.press("j")
    await at(page, 2)
    await page.get_by_role("tab", name="Status").click()
    await page.keyboard.press("j")
    await at(page, 3)
    await page.keyboard.press("ArrowRight")
    await expect(page.get_by_role("tab", name="Timing")).to_be_focused()
    await at(page, 3)


async def test_what_is_marked_is_not_compared_with_itself(page: Page, feed: FakeFeed) -> None:
    many(feed, 3)
    await opened(page, feed, "/calls/2")
    await page.keyboard.press("m")
    await page.keyboard.press("d")
    await expect(page.get_by_text("#2 is marked itself. Select another")).to_be_visible()
    await expect(page.get_by_role("dialog")).to_have_count(0)


async def test_escape_closes_a_menu_and_leaves_the_call(page: Page, feed: FakeFeed) -> None:
    many(feed, 3)
    await opened(page, feed, "/calls/2")
    await page.get_by_role("button", name="Columns").press("Enter")
    await expect(page.get_by_role("checkbox", name="Peer")).to_be_visible()
    await page.keyboard.press("Escape")
    await expect(page.get_by_role("checkbox", name="Peer")).not_to_be_visible()
    await expect(page.get_by_role("region", name="Call 2", exact=True)).to_be_visible()


async def test_keys_of_the_browser_stay_the_browsers(page: Page, feed: FakeFeed) -> None:
    many(feed, 3)
    await opened(page, feed)
    await held(page, 3)
    taken = await page.evaluate("""() => ['Control', 'Meta', 'Alt'].flatMap((modifier) =>
      ['c', 'r', 'f', 'd', 'p', '1', 'Enter', 'ArrowDown'].filter((key) => {
        const event = new KeyboardEvent('keydown', {
          key, bubbles: true, cancelable: true,
          ctrlKey: modifier === 'Control', metaKey: modifier === 'Meta', altKey: modifier === 'Alt',
        });
        document.body.dispatchEvent(event);
        return event.defaultPrevented;
      }).concat(['Tab'].filter((key) => {
        const event = new KeyboardEvent('keydown', { key, bubbles: true, cancelable: true });
        document.body.dispatchEvent(event);
        return event.defaultPrevented;
      })))""")
    assert taken == []
