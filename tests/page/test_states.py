"""Empty, paused, failed and undecodable states, and calls without a schema."""

import base64
from typing import Any

import pytest
from playwright.async_api import Page, expect

from tests.page.fake_feed import FakeFeed, summary
from tests.page.test_feed import held, opened
from tests.page.test_hostile import body, leaf, root

pytestmark = pytest.mark.asyncio(loop_scope="module")
SESSION = {
    "name": "default", "path": "default.db", "written": 0, "dropped": 0, "dropped_bytes": 0, "waiting_bytes": 0,
    "bytes": 0, "budget": 0, "pruned": 0, "error": "", "problems": [],
}  # fmt: skip
FAILED = {"code": 3, "name": "INVALID_ARGUMENT", "message": "two fields are wrong"}
VIOLATIONS = [
    {"field": "sku", "description": "is unknown", "reason": "SKU_UNKNOWN"},
    {"field": "amount", "description": "must be positive"},
]
DETAILS = {
    "type": "google.rpc.Status", "code": 3, "message": "two fields are wrong", "raw_base64": "", "error": None,
    "details": [
        {"type": "google.rpc.BadRequest", "json": {"fieldViolations": VIOLATIONS}, "error": None},
        {"type": "google.rpc.RetryInfo", "json": {"retryDelay": "1.5s"}, "error": None},
    ],
}  # fmt: skip


def undecoded(payload: bytes, wire: dict[str, Any], **changes: Any) -> dict[str, Any]:
    """A message without a schema."""
    return body(root(), "") | {
        "type": None, "json_text": None, "tree": None, "wire": wire, "data_base64": base64.b64encode(payload).decode(),
        "hex": payload.hex(), "size": len(payload), "schema_error": "reflection does not know acme.Shop",
    } | changes  # fmt: skip


async def test_paused_and_empty_says_so_and_counts_what_comes(page: Page, feed: FakeFeed) -> None:
    await opened(page, feed)
    await expect(page.get_by_role("heading", name="No calls yet")).to_be_visible()
    await page.keyboard.press("p")
    await expect(page.get_by_role("heading", name="Paused")).to_be_visible()
    await expect(page.get_by_text("No new calls. Recording continues.")).to_be_visible()
    feed.put(summary(1), summary(2))
    await expect(page.get_by_text("2 new calls.")).to_be_visible()
    await page.get_by_role("button", name="Resume", exact=True).last.click()
    await held(page, 2)


async def test_nothing_matches_says_what_came_in_during_a_pause(page: Page, feed: FakeFeed) -> None:
    feed.calls = {1: summary(1)}
    await opened(page, feed, "/?q=kind:bidi")
    await expect(page.get_by_role("heading", name="Nothing matches")).to_be_visible()
    await page.keyboard.press("p")
    feed.put(summary(2, kind="bidi"), summary(3))
    await expect(page.get_by_text("1 new call since the pause matches.")).to_be_visible()
    await page.get_by_role("button", name="Resume", exact=True).last.click()
    await held(page, 1)


async def test_a_message_without_schema_is_a_tree_whatever_view_was_used_before(
    page: Page, feed: FakeFeed
) -> None:
    feed.calls = {1: summary(1, messages=[1, 0]), 2: summary(2, messages=[1, 0])}
    feed.bodies = {
        1: [body(root(leaf("text", "described")), '{"text":"described"}')],
        2: [undecoded(b"\x0a\x05hello", root(leaf("1", "hello")))],
    }
    await opened(page, feed, "/calls/1")
    await page.get_by_role("button", name="JSON", exact=True).first.click()
    await opened(page, feed, "/calls/2")
    await expect(page.get_by_role("tree", name="Wire fields of message 0")).to_contain_text('1: "hello"')
    await page.get_by_role("button", name="No schema (how to add one)").click()
    await expect(page.get_by_role("heading", name="No schema for this method")).to_be_visible()
    await expect(page.get_by_text("start Loom with --proto")).to_be_visible()


async def test_bytes_that_are_no_message_show_the_error_and_the_hex(page: Page, feed: FakeFeed) -> None:
    nothing = root() | {"kind": "bytes", "note": "not a protobuf message: cut short"}
    error = "Error parsing message with type 'acme.Shop'"
    feed.calls = {1: summary(1, messages=[2, 0])}
    feed.bodies = {
        1: [
            undecoded(b"\xff\xfe\xfd", nothing),
            undecoded(b"\x08", nothing, index=1, type="acme.Shop", error=error),
        ]
    }
    await opened(page, feed, "/calls/1")
    for index, problem, shown in ((0, "not a protobuf message: cut short", "ff fe fd"), (1, error, "08")):
        message = page.locator(f"[data-body='{index}']")
        await expect(message.get_by_role("alert")).to_contain_text(problem)
        await expect(message.get_by_role("group", name="Hex dump")).to_contain_text(shown)


async def test_a_message_without_schema_cannot_be_edited_and_says_so(page: Page, feed: FakeFeed) -> None:
    feed.calls = {1: summary(1, messages=[1, 0])}
    feed.bodies = {1: [undecoded(b"\x0a\x05hello", root(leaf("1", "hello")))]}
    await opened(page, feed, "/calls/1/replay")
    await page.get_by_role("button", name="Edit the message").click()
    await expect(page.get_by_role("alert")).to_contain_text("Message 0 cannot be edited")
    await expect(page.get_by_role("button", name="Replay", exact=True).last).to_be_enabled()


async def test_an_error_shows_its_details_first_and_the_tabs_stay_where_they_are(
    page: Page, feed: FakeFeed
) -> None:
    feed.calls = {1: summary(1, status=FAILED)}
    feed.details = {1: {"status_details": DETAILS}}
    await opened(page, feed, "/calls/1")
    banner = page.get_by_role("button", name="INVALID_ARGUMENT (3)")
    await expect(banner).to_contain_text("two fields are wrong")
    await expect(banner).to_contain_text("sku: is unknown · SKU_UNKNOWN; amount: must be positive")
    await expect(banner).to_contain_text("after: 1.5s")
    tabs = page.get_by_role("tablist", name="Call details")
    before = await tabs.bounding_box()
    for tab in "23456":
        await page.keyboard.press(tab)
        await expect(page.get_by_role("tab").nth(int(tab) - 1)).to_have_attribute("aria-selected", "true")
        assert await tabs.bounding_box() == before, tab


async def test_a_long_status_message_leaves_room_for_the_details(page: Page, feed: FakeFeed) -> None:
    long = FAILED | {"message": "the quick brown fox " * 250}
    feed.calls = {1: summary(1, status=long)}
    feed.details = {1: {"status_details": DETAILS}}
    await opened(page, feed, "/calls/1/status")
    panel = page.get_by_role("tabpanel")
    await expect(panel.get_by_text("Bad request")).to_be_in_viewport()
    await panel.get_by_role("button", name="Show all 5\u202f000 characters").click()
    await expect(panel.get_by_text("Bad request")).not_to_be_in_viewport()


async def test_what_failed_on_the_way_is_asked_for_again(page: Page, feed: FakeFeed) -> None:
    feed.calls = {1: summary(1, messages=[1, 0])}
    feed.bodies = {1: [body(root(leaf("text", "arrived")), '{"text":"arrived"}')]}
    await page.route("**/api/calls/1/messages*", lambda route: route.abort())
    await page.route("**/api/calls/1", lambda route: route.abort())
    await opened(page, feed, "/calls/1")
    await expect(page.get_by_role("alert")).to_contain_text("Can't connect to Loom")
    await page.unroute("**/api/calls/1/messages*")
    await page.unroute("**/api/calls/1")
    await expect(page.get_by_role("tree", name="Message 0")).to_contain_text("arrived")
    await expect(page.get_by_role("alert")).to_have_count(0)
    await page.keyboard.press("2")
    await expect(page.get_by_role("region", name="Request metadata")).to_be_visible()


async def test_a_call_in_flight_tells_how_long_it_has_taken(page: Page, feed: FakeFeed) -> None:
    live = summary(1, state="live", status=None, duration_us=None, ended_by=None)
    feed.calls = {1: live}
    await page.clock.install()
    await opened(page, feed)
    await page.clock.pause_at(await page.evaluate("Date.now() + 1000"))
    row = page.locator("#call-1")
    for seconds, shown in ((2, "2.00\u00a0s"), (75, "1\u00a0m\u00a015\u00a0s")):
        feed.tick(now_us=live["started_us"] + seconds * 1_000_000)
        await expect(row).to_contain_text(shown)
    await expect(row).to_contain_text("in flight")
    await page.keyboard.press("p")
    feed.tick(now_us=live["started_us"] + 100_000_000, rate=77)
    await expect(page.get_by_label("The last 2 minutes")).to_contain_text("77")
    await expect(row).to_contain_text("1\u00a0m\u00a015\u00a0s")


async def test_the_footer_says_what_is_wrong_with_the_session(page: Page, feed: FakeFeed) -> None:
    await opened(page, feed)
    full = "the disk is full: calls are not stored in /data/default.loom.db until there is room"
    feed.tick(sinks={"log": None, "session": SESSION | {"error": full, "problems": ["batch 2 is damaged"]}})
    footer = page.get_by_text("Session: the disk is full")
    await expect(footer).to_have_text(f"Session: {full} (and 1 more)")
    await expect(footer).to_have_attribute("title", f"{full}\nbatch 2 is damaged")
    feed.tick(sinks={"log": None, "session": SESSION})
    await expect(page.get_by_text("Session:")).to_have_count(0)
