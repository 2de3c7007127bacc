"""The table: columns, sort order, export, theme."""

import json

import pytest
from playwright.async_api import Locator, Page, expect

from tests.page.fake_feed import FakeFeed, summary
from tests.page.test_feed import held, opened

pytestmark = pytest.mark.asyncio(loop_scope="module")
COLUMNS = ["#", "Time", "Method", "Kind", "Status", "Duration", "Messages", "Bytes", "Peer", "Flags"]


def heading(page: Page, name: str) -> Locator:
    return page.get_by_role("columnheader", name=name)


async def ids(page: Page) -> list[int]:
    ids: list[int] = await page.locator("[data-grid] [data-id]").evaluate_all(
        "all => all.map(row => Number(row.dataset.id))"
    )
    return ids


async def width(column: Locator) -> float:
    box = await column.bounding_box()
    assert box is not None
    return box["width"]


async def test_a_row_says_what_a_call_was(page: Page, feed: FakeFeed) -> None:
    await page.set_viewport_size({"width": 1600, "height": 800})
    feed.calls = {
        1: summary(1, kind="bidi", messages=[3, 1500], bytes=[24, 2_620_000], flags=["replayed", "truncated"]),
        2: summary(2, state="live", status=None, duration_us=None, ended_by=None, kind="server", flags=["truncated"],
                   peer="ipv4:127.0.0.1:50413"),
    }  # fmt: skip
    await opened(page, feed)
    texts = [text.strip() for text in await page.get_by_role("columnheader").all_inner_texts()]
    assert texts == COLUMNS
    ended = page.locator("#call-1")
    for text in (
        "GetOrder",
        "acme.shop.v1.",
        "Shop",
        "⇄",
        "bidi",
        "OK",
        "ms",
        "1\u202f500",
        "2.50\u00a0MiB",
        "127.0.0.1:50412",
    ):
        await expect(ended).to_contain_text(text)
    assert await ended.locator(".flag").all_inner_texts() == ["replayed", "truncated"]
    live = page.locator("#call-2")
    await expect(live).to_contain_text("in flight")
    assert await live.locator(".flag").all_inner_texts() == ["live", "truncated"]


async def test_headings_sort_turn_round_and_give_the_order_of_arrival_back(
    page: Page, feed: FakeFeed
) -> None:
    feed.calls = {
        number: summary(number, duration_us=took) for number, took in ((1, 500), (2, 900), (3, 100))
    }
    await opened(page, feed)
    await held(page, 3)
    for order, sort in (([2, 1, 3], "descending"), ([3, 1, 2], "ascending"), ([1, 2, 3], None)):
        await heading(page, "Duration").get_by_role("button").click()
        if sort is None:
            await expect(heading(page, "#")).to_have_attribute("aria-sort", "ascending")
        else:
            await expect(heading(page, "Duration")).to_have_attribute("aria-sort", sort)
        assert await ids(page) == order
    feed.put(summary(4, duration_us=1))
    await held(page, 4)
    await heading(page, "Duration").get_by_role("button").click()
    feed.put(summary(5, duration_us=700))
    await held(page, 5)
    assert await ids(page) == [2, 5, 1, 3, 4]


async def test_columns_are_made_wider_by_mouse_and_by_key_and_stay_so(page: Page, feed: FakeFeed) -> None:
    feed.calls = {1: summary(1)}
    await opened(page, feed)
    before = await width(heading(page, "Status"))
    edge = page.get_by_role("separator", name="Width of Status", include_hidden=True)
    box = await edge.bounding_box()
    assert box is not None
    await page.mouse.move(box["x"] + 4, box["y"] + 8)
    await page.mouse.down()
    await page.mouse.move(box["x"] - 16, box["y"] + 8, steps=4)
    await page.mouse.up()
    assert await width(heading(page, "Status")) == before - 20
    await heading(page, "Status").get_by_role("button").press("Shift+ArrowRight")
    assert await width(heading(page, "Status")) == before - 12
    await page.reload()
    assert await width(heading(page, "Status")) == before - 12
    await page.get_by_role("button", name="Columns").click()
    await page.get_by_role("button", name="Reset widths and columns").click()
    assert await width(heading(page, "Status")) == before


async def test_columns_are_hidden_and_those_without_room_say_so(page: Page, feed: FakeFeed) -> None:
    feed.calls = {1: summary(1), 2: summary(2, peer="ipv4:127.0.0.1:50413")}
    await opened(page, feed)
    await page.get_by_role("button", name="Columns").click()
    await page.get_by_role("checkbox", name="Peer").uncheck()
    await expect(heading(page, "Peer")).to_have_count(0)
    await expect(page.get_by_role("grid", name="Calls")).to_have_attribute("aria-colcount", "9")
    await expect(page.locator("#call-1")).not_to_contain_text("127.0.0.1", use_inner_text=True)
    await page.set_viewport_size({"width": 800, "height": 800})
    await expect(page.locator("label").filter(has_text="Bytes")).to_contain_text("no room")
    await page.keyboard.press("Escape")
    await expect(heading(page, "Status")).to_be_visible()


async def test_an_export_is_of_the_filter_or_of_the_call(page: Page, feed: FakeFeed) -> None:
    feed.calls = {number: summary(number, kind="bidi" if number == 2 else "unary") for number in range(1, 5)}
    await opened(page, feed, "/calls/2?q=kind:bidi")
    await held(page, 1)
    await page.get_by_role("button", name="Export").click()
    links = page.get_by_role("link", name="NDJSON")
    addresses = ["/api/export?format=ndjson&q=kind%3Abidi", "/api/export?format=ndjson&ids=2"]
    assert [await link.get_attribute("href") for link in await links.all()] == addresses
    await page.get_by_label("Include secrets").check()
    await expect(page.get_by_text("The file will contain tokens and cookies.")).to_be_visible()
    assert [await link.get_attribute("href") for link in await links.all()] == [
        f"{address}&reveal=1" for address in addresses
    ]
    await page.keyboard.press("Escape")
    await page.get_by_role("button", name="Export").click()
    await expect(page.get_by_label("Include secrets")).not_to_be_checked()
    assert await links.first.get_attribute("href") == addresses[0]
    await expect(page.get_by_text("Calls matching the filter", exact=True)).to_be_visible()
    await page.keyboard.press("Escape")
    await expect(links.first).not_to_be_visible()
    await expect(page.get_by_role("heading", name="GetOrder")).to_be_visible()


async def test_the_theme_follows_the_system_until_it_is_chosen(page: Page, feed: FakeFeed) -> None:
    ground = "getComputedStyle(document.body).backgroundColor"
    await page.emulate_media(color_scheme="dark")
    await opened(page, feed)
    dark = await page.evaluate(ground)
    await page.emulate_media(color_scheme="light")
    light = await page.evaluate(ground)
    assert dark != light
    await page.get_by_role("button", name="Theme: system").click()
    await page.get_by_role("button", name="Theme: light").click()
    await expect(page.get_by_role("button", name="Theme: dark")).to_be_visible()
    assert await page.evaluate(ground) == dark
    await page.reload()
    assert await page.evaluate(ground) == dark
    assert json.loads(await page.evaluate("localStorage['loom.theme']")) == "dark"


async def test_nothing_is_animated_with_reduced_motion(page: Page, feed: FakeFeed) -> None:
    moving = "document.getAnimations().filter(one => one.playState === 'running').length"
    feed.calls = {1: summary(1, state="live", status=None, duration_us=None, ended_by=None)}
    await page.emulate_media(reduced_motion="no-preference")
    await opened(page, feed)
    await held(page, 1)
    assert await page.evaluate(moving) == 1
    await page.emulate_media(reduced_motion="reduce")
    assert await page.evaluate(moving) == 0
