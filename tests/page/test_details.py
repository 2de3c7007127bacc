"""Metadata, timing and replay of real calls through a real Loom."""

import contextlib
from collections.abc import AsyncIterator
from typing import Any

import grpc
import pytest
import pytest_asyncio
from playwright.async_api import Page, expect

from loom.interception.breakpoints import Breakpoint
from loom.interception.matching import parse_match
from loom.model.interception import Point
from tests.page.test_accessibility import violations
from tests.page.test_call import opened
from tests.support.holding import wait_for_holds
from tests.support.loom_instance import LoomInstance, running_instance
from tests.support.mirror import SERVICE, running_mirror, thing
from tests.support.narrowing import required
from tests.support.raw_calls import unary_unary

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(loop_scope="module")
async def api() -> AsyncIterator[LoomInstance]:
    """A Loom in front of a mirror backend."""
    async with running_mirror() as mirror, running_instance(mirror) as made:
        yield made


async def test_metadata_stands_apart_by_who_sent_it_and_binary_values_say_what_they_hold(
    page: Page, api: LoomInstance
) -> None:
    await api.call(
        "Say",
        thing(text="a"),
        metadata=[("x-tenant", "42"), ("note-bin", "héllo".encode()), ("key-bin", b"\x00\xff")],
    )
    await opened(page, api, "/calls/1/metadata")
    request = page.get_by_role("region", name="Request metadata")
    await expect(request).to_contain_text("x-tenant")
    await expect(request).to_contain_text("42")
    await expect(request).to_contain_text("héllo")
    await expect(request).to_contain_text("00 ff")
    await expect(request).not_to_contain_text("mirrored")
    await expect(page.get_by_role("region", name="Initial metadata")).to_contain_text(
        "The backend sent no initial metadata."
    )
    await expect(page.get_by_role("region", name="Trailing metadata")).to_contain_text("mirrored")
    await request.get_by_role("button", name="Copy x-tenant").press("Enter")
    await expect(page.get_by_text("Copied x-tenant.")).to_be_visible()
    assert await page.evaluate("navigator.clipboard.readText()") == "42"


async def test_timing_distinguishes_a_deadline_from_a_cancelling_client(
    page: Page, api: LoomInstance
) -> None:
    say: Any = api.channel.unary_unary(f"/{SERVICE}/Say")
    with contextlib.suppress(grpc.aio.AioRpcError):
        await say(thing(text="a"), metadata=[("mirror-hang", "1")], timeout=0.2)
    await api.ended.wait(1)
    call = say(thing(text="b"), metadata=[("mirror-hang", "1")], timeout=3600)
    await opened(page, api, "/calls/1/timing")
    await expect(page.locator("#call-2")).to_contain_text("in flight")
    call.cancel()
    await api.ended.wait(2)
    panel = page.get_by_role("tabpanel")
    await expect(panel).to_contain_text("The deadline expired before the backend responded.")
    await expect(panel).to_contain_text("missed by")
    rows = panel.get_by_role("row")
    await expect(rows.filter(has_text="call started")).to_contain_text("client")
    await expect(rows.filter(has_text="deadline expired")).to_contain_text(
        "\N{MINUS SIGN}"
    )  # the remaining time is negative
    await expect(panel.get_by_role("img", name="of the deadline")).to_be_visible()
    await page.keyboard.press("j")
    await expect(panel).to_contain_text("The client cancelled before the backend responded.")
    await expect(panel).to_contain_text("remaining.")
    await expect(rows.filter(has_text="cancelled")).to_contain_text("client")


async def test_timing_has_a_band_for_what_breakpoints_held(page: Page, api: LoomInstance) -> None:
    holds = required(api.loom.interceptor).holds
    leave = holds.watch()
    made = Breakpoint("b", parse_match("method:Say"), frozenset({Point.REQUEST_MESSAGE, Point.STATUS}))
    holds.add_breakpoint(made)
    call = unary_unary(api.channel, f"/{SERVICE}/Say")(thing(text="a"))
    for _ in made.points:
        [hold] = await wait_for_holds(holds)
        holds.decide(hold, hold.decision(hold.items, "sent"))
    await call
    holds.remove_breakpoints(made)
    leave()
    await api.ended.wait(1)
    await opened(page, api, "/calls/1/timing")
    lane = page.locator(".lane", has_text="held at a breakpoint")
    await expect(lane.locator("i")).to_have_count(2)
    assert await violations(page) == []


async def test_a_replay_and_its_original_lead_to_each_other(page: Page, api: LoomInstance) -> None:
    await api.call("Say", thing(text="again"))
    await opened(page, api)
    await expect(page.locator("#call-1")).to_contain_text("OK")
    await page.keyboard.press("Home")
    await page.keyboard.press("r")
    await page.keyboard.press("r")
    await expect(page.get_by_text("Replayed #1 as #2.")).to_be_visible()
    await page.get_by_role("button", name="Open", exact=True).click()
    await expect(page.locator("#call-2")).to_contain_text("replayed")
    await expect(page.get_by_role("tree", name="Message 1")).to_contain_text("again")
    await page.get_by_role("button", name="of #1").click()
    await expect(page.get_by_role("region", name="Call 1", exact=True)).to_be_visible()
    await page.keyboard.press("6")
    await page.get_by_role("tabpanel").get_by_role("button", name="#2", exact=True).click()
    await expect(page.get_by_role("region", name="Call 2", exact=True)).to_be_visible()


async def test_e_goes_from_the_table_into_the_editor(page: Page, api: LoomInstance) -> None:
    await page.set_viewport_size({"width": 800, "height": 700})
    await api.call("Say", thing(text="before"))
    await opened(page, api)
    await expect(page.locator("#call-1")).to_contain_text("OK")
    await page.keyboard.press("Home")
    await page.keyboard.press("e")
    editor = page.get_by_role("textbox", name="Request message")
    await expect(editor).to_be_focused()
    await expect(editor).to_be_in_viewport()
    await page.keyboard.press("ControlOrMeta+a")
    await page.keyboard.type('{"text": "typed"}')
    for _ in range(3):
        await page.keyboard.press("Tab")
        if (
            await page.get_by_role("tabpanel")
            .get_by_role("button", name="Send edited")
            .evaluate("one => one === document.activeElement")
        ):
            break
    await page.keyboard.press("Enter")
    await expect(page.get_by_text("Replayed #1, edited, as #2.")).to_be_visible()
    assert (await api.mirror.call(1)).messages == [thing(text="typed")]
    await page.keyboard.press("Escape")
    await api.call("Say", thing(text="another"))
    await expect(page.locator("#call-3")).to_contain_text("OK")
    await page.goto(f"http://{api.loom.ui_address}/calls/3/replay")
    await expect(page.get_by_role("button", name="Edit the message")).to_be_visible()
