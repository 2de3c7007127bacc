"""The table's look and manners: what gives way, what ticks, what is quiet, what can be undone."""

import re
from pathlib import Path

import pytest
from playwright.async_api import Page, expect

from loom.model import Address
from loom.runtime.settings import Settings
from loom.runtime.viewer import Viewer
from tests.page.fake_feed import FakeFeed, summary
from tests.page.test_feed import held, opened
from tests.page.test_table import heading
from tests.support.exports import export
from tests.support.traffic import began, recorded, unary

pytestmark = pytest.mark.asyncio(loop_scope="module")
LIVE = {"state": "live", "status": None, "duration_us": None, "ended_by": None}
LONG = "/acme.logistics.harbour.traffic.v2.VesselMovementService/GetMovement"


async def test_the_name_of_a_method_is_never_cut(page: Page, feed: FakeFeed) -> None:
    feed.calls = {1: summary(1, method=LONG)}
    for width in (1920, 1280, 800, 480):
        await page.set_viewport_size({"width": width, "height": 800})
        await opened(page, feed, "/calls/1")
        name = page.get_by_role("heading", name="GetMovement")
        await expect(name).to_be_visible()
        assert await name.evaluate("one => one.scrollWidth <= one.clientWidth"), width


async def test_columns_give_way_by_importance_and_counts_do_not_collide(page: Page, feed: FakeFeed) -> None:
    feed.calls = {1: summary(1, kind="bidi", messages=[1, 20_000], bytes=[24, 2_620_000])}
    await page.set_viewport_size({"width": 400, "height": 800})
    await opened(page, feed)
    await held(page, 1)
    shown = [text.strip() for text in await page.get_by_role("columnheader").all_inner_texts()]
    assert shown == ["Method", "Status", "Duration"]
    await page.set_viewport_size({"width": 660, "height": 800})
    await expect(heading(page, "Messages")).to_be_visible()
    await expect(heading(page, "Time")).to_be_visible()
    up, down = await page.locator("#call-1 .messages span").all()
    await expect(down).to_have_text("↓20.0\u00a0k")
    left, right = await up.bounding_box(), await down.bounding_box()
    assert left is not None
    assert right is not None
    assert left["x"] + left["width"] < right["x"]


async def test_a_call_in_flight_ticks_between_two_statistics(page: Page, feed: FakeFeed) -> None:
    live = summary(1, **LIVE)
    feed.calls = {1: live}
    await page.clock.install()
    await opened(page, feed)
    await held(page, 1)
    await page.clock.pause_at(await page.evaluate("Date.now() + 1000"))
    feed.tick(now_us=live["started_us"] + 2_000_000)
    row = page.locator("#call-1")
    await expect(row).to_contain_text("2.00\u00a0s")
    await page.clock.run_for(300)
    await expect(row).to_contain_text("2.30\u00a0s")
    await page.keyboard.press("p")
    await page.clock.run_for(300)
    await expect(row).to_contain_text("2.30\u00a0s")
    assert await page.evaluate("document.getAnimations().length") == 0


async def test_escape_in_the_filter_keeps_it_and_leaves_it(page: Page, feed: FakeFeed) -> None:
    feed.calls = {1: summary(1), 2: summary(2, kind="bidi")}
    await opened(page, feed)
    await held(page, 2)
    await page.keyboard.press("/")
    await page.keyboard.type("kind:bidi")
    await held(page, 1)
    await page.keyboard.press("Escape")
    await page.keyboard.press("Escape")
    box = page.get_by_role("combobox", name="Filter")
    await expect(box).to_have_value("kind:bidi")
    await expect(page.get_by_role("grid", name="Calls")).to_be_focused()
    await page.keyboard.press("j")
    await expect(box).to_have_value("kind:bidi")
    await expect(page.locator("[aria-selected=true][data-id='2']")).to_be_visible()


async def test_a_cleared_view_comes_back_after_further_calls(page: Page, feed: FakeFeed) -> None:
    feed.calls = {1: summary(1), 2: summary(2)}
    await opened(page, feed)
    await held(page, 2)
    await page.keyboard.press("Shift+X")
    await page.get_by_role("button", name="Clear the view").click()
    await expect(page.get_by_text("Cleared the view of 2 calls.")).to_be_visible()
    feed.put(summary(3))
    await held(page, 1)
    await expect(page.locator("[data-cleared]")).to_contain_text("2 cleared")
    await page.locator("[data-cleared]").get_by_role("button", name="Show").click()
    await held(page, 3)
    await expect(page.locator("[data-cleared]")).to_have_count(0)
    await page.get_by_role("log").get_by_role("button", name="Dismiss").click()
    await page.keyboard.press("Shift+X")
    await page.get_by_role("button", name="Clear the view").click()
    await page.get_by_role("log").get_by_role("button", name="Undo").click()
    await held(page, 3)


async def test_dense_rows_are_a_choice_that_stays(page: Page, feed: FakeFeed) -> None:
    feed.calls = {number: summary(number) for number in range(1, 101)}
    await opened(page, feed)
    await held(page, 100)
    row = page.locator("#call-100")
    await expect(row).to_have_css("height", "28px")
    await page.get_by_role("button", name="Columns").click()
    await page.get_by_role("checkbox", name="Dense rows").check()
    await expect(row).to_have_css("height", "22px")
    await expect(row).to_be_in_viewport()
    await page.keyboard.press("Escape")
    await page.keyboard.press("Home")
    await expect(page.locator("#call-1")).to_be_in_viewport()
    await page.reload()
    await expect(row).to_have_css("height", "22px")


async def test_the_peer_is_shown_once_there_are_two_or_on_request(page: Page, feed: FakeFeed) -> None:
    feed.calls = {1: summary(1), 2: summary(2, peer="loom", engine="replay")}
    await page.set_viewport_size({"width": 1600, "height": 800})
    await opened(page, feed)
    await held(page, 2)
    await expect(heading(page, "Peer")).to_have_count(0)
    feed.put(summary(3, peer="ipv4:127.0.0.1:50999"))
    await expect(heading(page, "Peer")).to_be_visible()
    feed.restart(summary(1))
    await page.reload()
    await expect(heading(page, "Peer")).to_have_count(0)
    await page.get_by_role("button", name="Columns").click()
    await expect(page.locator("label").filter(has_text="Peer")).to_contain_text("only one")
    await page.get_by_role("checkbox", name="Peer").click()
    await expect(heading(page, "Peer")).to_be_visible()


async def test_a_new_row_is_washed_unless_motion_is_reduced_or_many_come(page: Page, feed: FakeFeed) -> None:
    feed.calls = {1: summary(1)}
    await page.emulate_media(reduced_motion="no-preference")
    await opened(page, feed)
    await held(page, 1)
    await page.evaluate("""() => {
      const body = document.body.dataset;
      body.washed = '';
      document.addEventListener('animationstart', ({ target }) => (body.washed += `${target.dataset.id} `));
    }""")
    feed.put(summary(2))
    body = page.locator("body")
    await expect(body).to_have_attribute("data-washed", "2 ")
    feed.put(*[summary(number) for number in range(3, 60)])
    await held(page, 59)
    await page.emulate_media(reduced_motion="reduce")
    feed.put(summary(60))
    await held(page, 60)
    await expect(body).to_have_attribute("data-washed", "2 ")


async def test_tabs_stay_where_they_are_when_selected(page: Page, feed: FakeFeed) -> None:
    feed.calls = {1: summary(1, messages=[1, 1])}
    await opened(page, feed, "/calls/1")
    tabs = page.get_by_role("tab")
    before = [await tab.bounding_box() for tab in await tabs.all()]
    for tab in await tabs.all():
        await tab.click()
        await expect(tab).to_have_attribute("aria-selected", "true")
        assert [await one.bounding_box() for one in await tabs.all()] == before


async def test_a_call_that_never_left_says_so(page: Page, feed: FakeFeed) -> None:
    message = "Loom could not reach the target localhost:50051: connection refused"
    status = {"code": 14, "name": "UNAVAILABLE", "message": message}
    feed.calls = {1: summary(1, status=status, ended_by="loom", messages=[1, 0])}
    start = feed.calls[1]["started_us"]
    timing = dict.fromkeys(
        ("initial_us", "last_request_us", "first_response_us", "last_response_us", "half_closed_us",
         "half_closed_after", "deadline_us")
    )  # fmt: skip
    timing |= {"held": [], "started_us": start, "first_request_us": start + 100, "ended_us": start + 900}
    feed.details = {1: {"timing": timing}}
    await opened(page, feed, "/calls/1/timing")
    panel = page.get_by_role("tabpanel")
    await expect(panel).to_contain_text("The call never left Loom: no connection to the target.")
    await expect(panel).to_contain_text("not sent: no connection to the target")
    await expect(panel).not_to_contain_text("waiting for the first response")
    await expect(panel).not_to_contain_text("backend")


@pytest.mark.parametrize(
    ("target", "breaker", "text", "banner"),
    [
        ({"state": "idle", "error": "connection refused"}, "closed", "down", True),
        ({"state": "idle", "error": ""}, "closed", "not connected yet", False),
        ({"state": "ready", "error": ""}, "open", "failing fast (breaker open, retry in 1 s)", True),
    ],
)
async def test_the_target_has_one_state(
    page: Page, feed: FakeFeed, target: dict[str, str], breaker: str, text: str, *, banner: bool
) -> None:
    feed.stats = {
        "target": {"address": "localhost:50051", "tls": False, "insecure": False} | target,
        "breaker": {"state": breaker, "failures": 5, "retry_in_ms": 900 if breaker == "open" else None},
    }
    await opened(page, feed)
    await expect(page.locator("header").get_by_text(text, exact=True)).to_be_visible()
    await expect(page.get_by_text("Can't connect to localhost:50051")).to_have_count(int(banner))
    await expect(page.get_by_text(re.compile("ready"))).to_have_count(0)


async def test_a_file_has_no_live_parts_and_an_open_stream_in_it_is_no_failure(
    page: Page, tmp_path: Path
) -> None:
    path = tmp_path / "evidence.loom.zip"
    path.write_bytes(export("bundle", recorded(*unary(1), *began(2))))
    viewer = Viewer(path, Settings(ui=Address("127.0.0.1", 0)))
    await viewer.start()
    try:
        await page.goto(viewer.page_url)
        row = page.get_by_role("row").filter(has_text="still open")
        await expect(row).to_have_count(1)
        assert "failed" not in (await row.get_attribute("class") or "").split()
        await expect(page.get_by_role("row").filter(has_text="UNKNOWN")).to_have_count(0)
        for name in ("Pause", "Follow"):
            await expect(page.get_by_role("button", name=name, exact=True)).to_have_count(0)
        await expect(page.get_by_label("The last 2 minutes")).to_have_count(0)
        await row.click()
        await page.keyboard.press("3")
        await expect(page.get_by_role("tabpanel")).to_contain_text("Still open when the recording ended")
        await page.keyboard.press("p")
        await expect(page.get_by_text("paused")).to_have_count(0)
    finally:
        await viewer.stop()
