"""Several calls at once: selecting, comparing, exporting, replaying."""

from collections.abc import AsyncIterator

import grpc
import pytest
import pytest_asyncio
from playwright.async_api import Page, expect

from tests.page.fake_feed import FakeFeed, summary
from tests.page.test_call import opened as opened_loom
from tests.page.test_feed import held, opened
from tests.page.test_keys import with_messages
from tests.support.loom_instance import LoomInstance, running_instance
from tests.support.mirror import running_mirror, thing

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(loop_scope="module")
async def api() -> AsyncIterator[LoomInstance]:
    """A Loom in front of a mirror backend."""
    async with running_mirror() as mirror, running_instance(mirror) as made:
        yield made


async def selected(page: Page) -> list[int]:
    ids: list[int] = await page.locator("[data-grid] [aria-selected=true]").evaluate_all(
        "all => all.map(row => Number(row.dataset.id))"
    )
    return ids


async def test_shift_selects_a_range_of_rows_and_no_text(page: Page, feed: FakeFeed) -> None:
    feed.calls = {number: summary(number) for number in range(1, 9)}
    await opened(page, feed)
    await held(page, 8)
    await page.keyboard.press("Home")
    await page.keyboard.press("j")
    await page.locator("#call-5").click(modifiers=["Shift"])
    await expect(page.get_by_role("group", name="Selected calls")).to_contain_text("4 selected")
    assert await selected(page) == [2, 3, 4, 5]
    assert await page.evaluate("String(getSelection())") == ""
    await expect(page.get_by_role("tab")).to_have_count(0)
    await page.locator("#call-3").click(modifiers=["Shift"])
    await expect(page.get_by_role("group", name="Selected calls")).to_contain_text("2 selected")
    await page.locator("#call-7").click(modifiers=["Control"])
    await page.locator("#call-2").click(modifiers=["Control"])
    await expect(page.get_by_role("group", name="Selected calls")).to_contain_text("2 selected")
    await page.get_by_role("button", name="Export").click()
    await expect(
        page.get_by_role("group", name="2 selected calls").get_by_role("link", name="NDJSON")
    ).to_have_attribute("href", "/api/export?format=ndjson&ids=3%2C7")
    await page.keyboard.press("Escape")
    await page.keyboard.press("Escape")
    await expect(page.get_by_role("group", name="Selected calls")).to_have_count(0)


async def test_two_calls_selected_by_keys_are_compared(page: Page, feed: FakeFeed) -> None:
    with_messages(feed, 1, 2)
    await opened(page, feed)
    await held(page, 2)
    await page.keyboard.press("Home")
    await page.keyboard.press("Shift+J")
    await expect(page.get_by_role("group", name="Selected calls")).to_contain_text("2 selected")
    await page.keyboard.press("d")
    dialog = page.get_by_role("dialog", name="#1 compared with #2")
    await expect(dialog.get_by_role("status")).to_have_text("1 difference")
    await dialog.get_by_label("Paths to ignore").fill("text")
    await expect(dialog.get_by_role("status")).to_have_text("No differences.")
    await page.keyboard.press("Escape")
    await page.get_by_role("group", name="Selected calls").get_by_role("button", name="Compare").click()
    await expect(dialog.get_by_label("Paths to ignore")).to_have_value("text")
    await expect(dialog.get_by_role("status")).to_have_text("No differences.")


async def test_selected_calls_are_replayed(page: Page, api: LoomInstance) -> None:
    for text in ("one", "two", "three"):
        await api.call("Say", thing(text=text))
    await opened_loom(page, api)
    await expect(page.locator("#call-3")).to_contain_text("OK")
    await page.locator("#call-3").click(modifiers=["Control"])
    await page.locator("#call-1").click(modifiers=["Control"])
    await page.get_by_role("button", name="Replay 2").click()
    await expect(page.get_by_text("Replayed 2 of 2 calls.")).to_be_visible()
    assert [(await api.mirror.call(number)).messages for number in (3, 4)] == [
        [thing(text="one")],
        [thing(text="three")],
    ]


async def test_a_failure_is_compared_with_the_last_call_that_was_ok(page: Page, api: LoomInstance) -> None:
    await api.call("Say", thing(text="fine"))
    await api.call("Gather", thing(text="another method"))
    with pytest.raises(grpc.aio.AioRpcError):
        await api.call("Say", thing(text="wrong"), metadata=[("mirror-code", "9")])
    await api.ended.wait(3)
    await opened_loom(page, api, "/calls/3")
    await page.get_by_role("button", name="compare with the last OK").click()
    dialog = page.get_by_role("dialog", name="#1 compared with #3")
    await expect(dialog).to_contain_text("FAILED_PRECONDITION")
    await page.keyboard.press("Escape")


async def test_an_edited_replay_is_marked(page: Page, api: LoomInstance) -> None:
    await api.call("Say", thing(text="first"))
    await opened_loom(page, api, "/calls/1")
    for body in ({"deadline_ms": 5000}, {}):
        status, _ = await api.post("/api/calls/1/replay", body)
        assert status == 200
    await page.set_viewport_size({"width": 1600, "height": 800})
    await expect(page.locator("#call-2 .flag")).to_have_text(["edited"])
    await expect(page.locator("#call-3 .flag")).to_have_text(["replayed"])
    await page.locator("#call-2").click()
    await expect(page.get_by_text("edited", exact=True).last).to_have_attribute("title", "deadline")
