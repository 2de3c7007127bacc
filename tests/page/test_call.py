"""A call on the page, with real traffic through a real Loom, from its start to its grpcurl command."""

from collections.abc import AsyncIterator
from typing import Any

import grpc
import pytest
import pytest_asyncio
from playwright.async_api import Page, expect

from tests.grpcurl.test_run import run
from tests.support.loom_instance import LoomInstance, running_instance
from tests.support.mirror import SERVICE, make, running_mirror, thing

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(loop_scope="module")
async def api() -> AsyncIterator[LoomInstance]:
    """A Loom in front of a mirror backend."""
    async with running_mirror() as mirror, running_instance(mirror) as made:
        yield made


async def opened(page: Page, api: LoomInstance, path: str = "/") -> None:
    await page.goto(f"http://{api.loom.ui_address}{path}")
    await expect(page.locator("[data-connection=open]")).to_be_visible()


async def retyped(page: Page, text: str) -> None:
    """Replace text as a user does: select all, delete, type."""
    await page.get_by_role("textbox", name="Request message").focus()
    await page.keyboard.press("ControlOrMeta+a")
    await page.keyboard.press("Delete")
    await page.keyboard.type(text)


async def test_from_an_empty_page_to_a_copied_command_that_runs_by_keys_alone(
    page: Page, api: LoomInstance
) -> None:
    await opened(page, api)
    await expect(page.get_by_text("No calls yet")).to_be_visible()
    await api.call("Say", thing(text="it's a $HOME"), metadata=[("x-tenant", "42")])
    await expect(page.locator("#call-1")).to_contain_text("Say")
    await page.keyboard.press("j")
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("tree", name="Message 0")).to_contain_text("it's a $HOME")
    await page.keyboard.press("c")
    await expect(page.get_by_text("Copied grpcurl command of #1.")).to_be_visible()
    command = await page.evaluate("navigator.clipboard.readText()")
    code, out, err = await run(command)
    assert code == 0, err
    assert "it's a $HOME" in out
    first, second = api.mirror.received[0], await api.mirror.call(len(api.mirror.received) - 1)
    assert second.messages == first.messages
    assert ("x-tenant", "42") in second.metadata


async def test_a_stream_grows_live_and_ends_with_half_close_and_trailers(
    page: Page, api: LoomInstance
) -> None:
    chat: Any = api.channel.stream_stream(f"/{SERVICE}/Chat")()
    await chat.write(thing(text="first"))
    await chat.read()
    await opened(page, api, "/calls/1")
    messages = page.locator("[data-message]")
    await expect(messages).to_have_count(2)
    await expect(page.get_by_role("list", name="Messages")).to_contain_text('text: "first"')
    await chat.write(thing(text="second"))
    await expect(messages).to_have_count(4)
    await chat.done_writing()
    assert await chat.read() is not None
    await expect(page.locator("[data-event=half-close]")).to_be_visible()
    await expect(page.locator("[data-event=trailers]")).to_contain_text("OK")
    await expect(page.locator("[data-event=trailers]")).to_contain_text("mirrored")


async def test_a_message_opens_as_tree_json_wire_and_hex(page: Page, api: LoomInstance) -> None:
    message = make("Thing", text="é", data=b"\x00\xff", big=2**62 + 1, mood=2, lasting={"seconds": 90})
    message.when.FromJsonString("2026-01-02T03:04:05.678Z")
    await api.call("Say", message.SerializeToString())
    await opened(page, api, "/calls/1")
    body = page.locator("[data-body='0']")
    await expect(body).to_contain_text(str(2**62 + 1))
    await expect(body).to_contain_text("MOOD_WILD")
    await expect(body).to_contain_text("00 ff")
    await expect(body).to_contain_text("2026-01-02T03:04:05.678Z")
    await body.get_by_role("button", name="JSON", exact=True).first.click()
    await expect(body).to_contain_text(f'"big": "{2**62 + 1}"')
    await body.get_by_role("button", name="Wire").click()
    await expect(body.get_by_role("tree", name="Wire fields of message 0")).to_be_visible()
    await body.get_by_role("button", name="Hex").click()
    await expect(body).to_contain_text("00000000")


async def test_an_edited_message_is_sent_and_the_replay_is_listed(page: Page, api: LoomInstance) -> None:
    await api.call("Say", thing(text="before", big=2**62 + 1))
    await opened(page, api, "/calls/1/replay")
    await page.keyboard.press("e")
    editor = page.get_by_role("textbox", name="Request message")
    await expect(editor).to_contain_text("before")
    await retyped(page, f'{{"text": "after", "big": {2**62 + 1}}}')
    await page.get_by_role("tabpanel").get_by_role("button", name="Send edited").click()
    await expect(page.get_by_text("Replayed #1, edited, as #2.")).to_be_visible()
    sent = await api.mirror.call(1)
    assert sent.messages == [thing(text="after", big=2**62 + 1)]
    await expect(page.get_by_role("tabpanel").get_by_role("button", name="#2", exact=True)).to_be_visible()
    await page.get_by_role("button", name="Compare", exact=True).click()
    await expect(page.get_by_role("dialog")).to_contain_text("after")


async def test_a_message_that_does_not_fit_says_which_field(page: Page, api: LoomInstance) -> None:
    await api.call("Say", thing(text="before"))
    await opened(page, api, "/calls/1/replay")
    await page.keyboard.press("e")
    await expect(page.get_by_role("textbox", name="Request message")).to_contain_text("before")
    await retyped(page, '{"nosuch": 1}')
    await page.get_by_role("tabpanel").get_by_role("button", name="Send edited").click()
    await expect(page.get_by_role("alert")).to_contain_text("nosuch")
    assert len(api.mirror.received) == 1


async def test_a_deadline_is_emptied_or_set_to_none(page: Page, api: LoomInstance) -> None:
    stream: Any = api.channel.stream_stream(f"/{SERVICE}/Say")
    async for _ in stream(iter([thing(text="a")]), timeout=50):
        pass
    await api.ended.wait(1)
    await opened(page, api, "/calls/1/replay")
    deadline = page.get_by_role("textbox", name="Deadline (ms)")
    send = page.get_by_role("tabpanel").get_by_role("button", name="Send edited")
    await deadline.fill("abc")
    await send.click()
    await expect(page.get_by_role("alert")).to_have_text("Expected milliseconds, or empty for no deadline")
    await expect(deadline).to_have_attribute("aria-invalid", "true")
    assert len(api.mirror.received) == 1
    await deadline.fill("")
    await send.click()
    await expect(page.get_by_text("Replayed #1, edited, as #2.")).to_be_visible()
    assert (await api.mirror.call(1)).remaining is None


async def test_messages_without_a_schema_are_compared_by_their_bytes(page: Page) -> None:
    async with running_mirror(described=False) as mirror, running_instance(mirror) as api:
        for text in ("one", "two"):
            await api.call("Say", thing(text=text))
        await opened(page, api, "/calls/1?message=1")
        await page.keyboard.press("m")
        await page.keyboard.press("j")
        await page.keyboard.press("]")
        await page.keyboard.press("]")
        await page.keyboard.press("d")
        dialog = page.get_by_role("dialog", name="#1, message 1 compared with #2, message 1")
        await expect(dialog.get_by_role("status")).to_have_text("1 difference")
        await expect(dialog).to_contain_text("5 bytes: 0a036f6e65")
        paths = dialog.get_by_label("Paths to ignore")
        await paths.fill("response:text[")
        await expect(dialog.get_by_role("alert")).to_have_text('Column 14: write [0], [*] or ["key"]')
        await expect(paths).to_have_attribute("aria-invalid", "true")
        await paths.fill("response:")
        await expect(dialog.get_by_role("status")).to_have_text("No differences.")


async def test_the_schema_lists_services_messages_and_enums_and_is_searched(
    page: Page, api: LoomInstance
) -> None:
    await api.call("Say", thing(text="a"))
    await opened(page, api, "/calls/1/schema")
    panel = page.get_by_role("tabpanel")
    await expect(panel).to_contain_text("reflection v1")
    method = panel.get_by_role("listitem")
    await expect(method.filter(has_text="Chat")).to_contain_text("bidi")
    await expect(method.filter(has_text="Gather")).to_contain_text("stream Thing → Thing")
    whole = panel.locator("[data-type='mirror.v1.Thing']")
    row = whole.get_by_role("row")
    await expect(row.filter(has_text="numbers")).to_contain_text("9numbersrepeated int32")
    await expect(row.filter(has_text="named")).to_contain_text("map<string, Part>")
    await expect(row.filter(has_text="left")).to_contain_text("oneof choice")
    await row.filter(has_text="mood").get_by_role("button", name="Mood").click()
    mood = panel.locator("[data-type='mirror.v1.Mood']")
    await expect(mood.get_by_role("row").filter(has_text="MOOD_WILD")).to_contain_text("2")
    await expect(mood.get_by_role("button").first).to_be_focused()
    await panel.get_by_role("searchbox").fill("wild")
    await expect(panel.locator("[data-type]")).to_have_count(1)
    await expect(mood).to_contain_text("MOOD_WILD")
    await panel.get_by_role("searchbox").fill("no such thing")
    await expect(panel).to_contain_text("No matches in this schema.")


async def test_an_error_is_the_first_thing_seen(page: Page, api: LoomInstance) -> None:
    try:
        await api.call("Say", thing(text="a"), metadata=[("mirror-code", "9")])
    except grpc.aio.AioRpcError:
        await api.ended.wait(1)
    await opened(page, api, "/calls/1")
    await expect(page.get_by_role("button", name="FAILED_PRECONDITION (9)")).to_contain_text("as asked")
    await page.keyboard.press("3")
    await expect(page.get_by_role("tabpanel")).to_contain_text(
        "The backend is not in the state required for this call."
    )


async def test_secrets_show_only_when_asked_for(page: Page, api: LoomInstance) -> None:
    await api.call("Say", thing(text="a"), metadata=[("authorization", "s3cret")])
    await opened(page, api, "/calls/1/metadata")
    panel = page.get_by_role("tabpanel")
    await expect(panel).to_contain_text("authorization")
    await expect(panel).not_to_contain_text("s3cret")
    await page.get_by_label("Show secrets").check()
    await expect(panel).to_contain_text("s3cret")


async def test_bodies_and_metadata_are_searched_on_the_server(page: Page, api: LoomInstance) -> None:
    await api.call("Say", thing(text="alice"), metadata=[("x-tenant", "42")])
    await api.call("Say", thing(text="bob"))
    await opened(page, api)
    box = page.get_by_role("combobox", name="Filter")
    for text, expected in (("body:alice", "1"), ("-body:alice", "2"), ("meta:x-tenant=42", "1")):
        await box.fill(text)
        await box.press("Enter")
        await expect(page.locator("[data-grid] [data-id]")).to_have_count(1)
        assert await page.locator("[data-grid] [data-id]").get_attribute("data-id") == expected
    await api.call("Say", thing(text="late"), metadata=[("x-tenant", "42")])
    await expect(page.locator("[data-grid] [data-id]")).to_have_count(2)
