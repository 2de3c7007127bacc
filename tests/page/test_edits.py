"""Editing and sending a call again: no edit is lost, the answer is shown, Back goes back."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import Locator, Page, expect

from tests.page.fake_feed import FakeFeed, summary
from tests.page.test_call import opened, retyped
from tests.page.test_feed import opened as opened_feed
from tests.page.test_hostile import body, leaf, root
from tests.support.loom_instance import LoomInstance, running_instance
from tests.support.mirror import SERVICE, running_mirror, thing

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(loop_scope="module")
async def api() -> AsyncIterator[LoomInstance]:
    """A Loom in front of a mirror backend, with two recorded calls."""
    async with running_mirror() as mirror, running_instance(mirror) as made:
        await made.call("Say", thing(text="first"))
        await made.call("Say", thing(text="second"))
        yield made


def editor(page: Page) -> Locator:
    return page.get_by_role("textbox", name="Request message")


async def edited(page: Page, text: str = '{"text": "changed"}') -> None:
    """Edit the message of call 1."""
    await page.keyboard.press("e")
    await expect(editor(page)).to_contain_text("first")
    await retyped(page, text)
    await expect(page.get_by_role("button", name="Send edited").last).to_be_visible()


async def test_an_edit_survives_tabs_other_calls_closing_and_a_reload(page: Page, api: LoomInstance) -> None:
    await opened(page, api, "/calls/1")
    await edited(page)
    await page.get_by_label("Deadline (ms)").fill("1234")
    await page.get_by_role("tab", name="Timing").click()
    await page.get_by_role("tab", name="Replay").click()
    await expect(editor(page)).to_contain_text("changed")
    await page.keyboard.press("Escape")
    await page.keyboard.press("Escape")
    await expect(page.get_by_role("tab")).to_have_count(0)
    await page.keyboard.press("j")
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("region", name="Call 2", exact=True)).to_be_visible()
    await page.keyboard.press("e")
    await expect(editor(page)).to_contain_text("second")
    await page.keyboard.press("Escape")
    await page.keyboard.press("k")
    await expect(page.get_by_role("tab", name="Replay")).to_contain_text("edited")
    await expect(editor(page)).to_contain_text("changed")
    await page.reload()
    await expect(editor(page)).to_contain_text("changed")
    await expect(page.get_by_label("Deadline (ms)")).to_have_value("1234")
    assert len(api.mirror.received) == 2
    await page.get_by_role("button", name="Discard changes").click()
    await expect(editor(page)).to_contain_text("first")
    await expect(page.get_by_label("Deadline (ms)")).to_have_value("")
    await page.reload()
    await expect(page.get_by_role("button", name="Edit the message")).to_be_visible()


async def test_the_answer_is_shown_beside_the_edit_and_sending_again_replaces_it(
    page: Page, api: LoomInstance
) -> None:
    await opened(page, api, "/calls/1")
    await edited(page)
    await page.get_by_role("tabpanel").get_by_role("button", name="Send edited").click()
    answer = page.get_by_role("region", name="Answer")
    await expect(answer.get_by_role("status")).to_have_text("Replayed #1, edited, as #3.")
    await expect(answer).to_contain_text("OK")
    await expect(answer.get_by_role("tree")).to_contain_text("changed")
    await expect(editor(page)).to_contain_text("changed")
    await page.get_by_role("tabpanel").get_by_role("button", name="Send edited").click()
    await expect(answer.get_by_role("status")).to_have_text("Replayed #1, edited, as #4.")
    assert [call.messages for call in api.mirror.received[2:]] == [[thing(text="changed")]] * 2
    await answer.get_by_role("button", name="Compare with #1").click()
    await expect(page.get_by_role("dialog")).to_contain_text("changed")
    await page.keyboard.press("Escape")
    await answer.get_by_role("button", name="Open").click()
    await expect(page.get_by_role("region", name="Call 4", exact=True)).to_be_visible()
    await page.go_back()
    await expect(page.get_by_role("region", name="Call 1", exact=True)).to_be_visible()
    await expect(editor(page)).to_contain_text("changed")


async def test_the_header_and_r_send_the_unsent_edits(page: Page, api: LoomInstance) -> None:
    await opened(page, api, "/calls/1")
    await edited(page)
    await page.get_by_role("tab", name="Messages").click()
    toolbar = page.get_by_role("toolbar", name="Call")
    await toolbar.get_by_role("button", name="Send edited").click()
    await expect(page.get_by_text("Replayed #1, edited, as #3.")).to_be_visible()
    await page.keyboard.press("r")
    await expect(page.get_by_text("Press r again to send Mirror/Say with your edits to")).to_be_visible()
    await page.keyboard.press("r")
    await expect(page.get_by_text("Replayed #1, edited, as #4.")).to_be_visible()
    await toolbar.get_by_role("button", name="More ways to replay").click()
    await page.get_by_role("button", name="Replay as recorded").click()
    await expect(page.get_by_text("Replayed #1 as #5.")).to_be_visible()
    sent = [(await api.mirror.call(number)).messages for number in (2, 3, 4)]
    assert sent == [[thing(text="changed")], [thing(text="changed")], [thing(text="first")]]


async def test_one_press_of_r_sends_nothing(page: Page, api: LoomInstance) -> None:
    await opened(page, api)
    await page.keyboard.press("Home")
    await page.keyboard.press("r")
    await expect(page.get_by_text("Press r again to send Mirror/Say to")).to_be_visible()
    await page.keyboard.press("j")
    await page.keyboard.press("r")
    await expect(page.get_by_text("Press r again to send Mirror/Say to")).to_have_count(2)
    assert len(api.mirror.received) == 2
    await page.keyboard.press("r")
    await expect(page.get_by_text("Replayed #2 as #3.")).to_be_visible()


async def test_an_edit_that_is_not_json_is_brought_back_and_says_why(page: Page, api: LoomInstance) -> None:
    await opened(page, api, "/calls/1")
    await edited(page, "{")
    await page.get_by_role("tab", name="Messages").click()
    await page.get_by_role("toolbar", name="Call").get_by_role("button", name="Send edited").click()
    await expect(page.get_by_role("alert")).to_contain_text("Not valid JSON")
    await expect(editor(page)).to_contain_text("{")
    assert len(api.mirror.received) == 2


async def test_a_notice_covers_no_new_row_and_open_can_be_undone_with_back(
    page: Page, api: LoomInstance
) -> None:
    await opened(page, api, "/calls/1")
    await page.get_by_role("button", name="Replay", exact=True).click()
    notice = page.get_by_role("log").get_by_text("Replayed #1 as #3.")
    await expect(notice).to_be_visible()
    row = await page.locator("#call-3").bounding_box()
    box = await page.locator("[data-tone=ok]").bounding_box()
    assert row is not None
    assert box is not None
    assert box["y"] + box["height"] < row["y"]
    await page.get_by_role("log").get_by_role("button", name="Open").click()
    await expect(page.get_by_role("region", name="Call 3", exact=True)).to_be_visible()
    await page.go_back()
    await expect(page.get_by_role("region", name="Call 1", exact=True)).to_be_visible()


async def test_an_edited_stream_keeps_its_edit(page: Page, api: LoomInstance) -> None:
    chat: Any = api.channel.stream_stream(f"/{SERVICE}/Chat")
    async for _ in chat(iter([thing(text="one"), thing(text="two")])):
        pass
    await api.ended.wait(3)
    await opened(page, api, "/calls/3/replay")
    await page.keyboard.press("e")
    messages = page.get_by_role("textbox", name="Request messages")
    await expect(messages).to_contain_text("two")
    await retyped(page, '[{"text": "three"}]')
    await page.get_by_label("Timing").select_option("in step with the responses")
    await page.keyboard.press("Escape")
    await page.keyboard.press("1")
    await page.keyboard.press("6")
    await expect(messages).to_contain_text("three")
    await expect(page.get_by_label("Timing")).to_have_value("turns")
    await page.get_by_role("tabpanel").get_by_role("button", name="Send edited").click()
    await expect(page.get_by_role("region", name="Answer").get_by_role("tree")).to_contain_text("three")
    assert (await api.mirror.call(3)).messages == [thing(text="three")]


async def test_the_edit_of_an_evicted_call_can_still_be_copied(page: Page, feed: FakeFeed) -> None:
    feed.calls = {1: summary(1, messages=[1, 0]), 2: summary(2)}
    feed.bodies = {1: [body(root(leaf("text", "a")), '{"text":"a"}')]}
    await opened_feed(page, feed, "/calls/1/replay")
    await page.get_by_role("button", name="Edit the message").click()
    await retyped(page, '{"text": "kept"}')
    await expect(page.get_by_role("tab", name="Replay")).to_contain_text("edited")
    feed.evict(below=2)
    await page.reload()
    await expect(page.get_by_role("heading", name="Call #1 is no longer in the history")).to_be_visible()
    await page.get_by_role("region", name="Unsent edits").get_by_role("button", name="Copy").click()
    await expect(page.get_by_text("Copied unsent edits.")).to_be_visible()
    assert await page.evaluate("navigator.clipboard.readText()") == '{"text": "kept"}'
