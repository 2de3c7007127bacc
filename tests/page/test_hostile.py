"""Hostile payloads are shown as text and never run, however long or deeply nested."""

import base64
import json
from typing import Any

import pytest
from playwright.async_api import Page, expect

from tests.page.fake_feed import FakeFeed, summary
from tests.page.test_feed import opened

pytestmark = pytest.mark.asyncio(loop_scope="module")
SCRIPT = '<img src=x onerror="window.hacked=1"><script>window.hacked=1</script><!--<script>'
ODD = "a\u202egnp.exe\u200b\ufeff\u2028\u0000z"


def leaf(key: str, value: str) -> dict[str, Any]:
    return {
        "key": key, "number": 1, "kind": "scalar", "type": "string", "value": value, "children": [],
        "note": "", "more": 0,
    }  # fmt: skip


def body(tree: dict[str, Any], text: str, preview: str = "") -> dict[str, Any]:
    return {
        "index": 0, "direction": "request", "time_us": 1_763_923_200_002_000, "size": len(text), "compressed": False,
        "encoding": "", "dropped": False, "type": SCRIPT, "preview": preview, "error": None, "json": None,
        "json_text": text, "tree": tree, "wire": tree, "hex": "", "data_base64": base64.b64encode(b"x").decode(),
        "source": "test", "drift": False, "truncated": 0, "json_cut": False, "schema_error": None, "protocol": "gRPC",
        "payload": "proto",
    }  # fmt: skip


def root(*children: dict[str, Any]) -> dict[str, Any]:
    return leaf("", "") | {"kind": "message", "value": None, "children": list(children)}


async def test_script_in_every_text_stays_text(page: Page, feed: FakeFeed) -> None:
    status = {"code": 13, "name": SCRIPT, "message": SCRIPT}
    item = {"key": SCRIPT, "value": SCRIPT, "binary": False, "masked": False, "decoded": None}
    feed.calls = {1: summary(1, method=f"/{SCRIPT}/{SCRIPT}", status=status, peer=SCRIPT, request=[item])}
    feed.bodies = {1: [body(root(leaf(SCRIPT, SCRIPT)), json.dumps({SCRIPT: SCRIPT}), SCRIPT)]}
    await opened(page, feed, "/calls/1")
    await expect(page.get_by_role("tree", name="Message 0")).to_contain_text("<script>")
    for tab in "123456":
        await page.keyboard.press(tab)
        await expect(page.get_by_role("tab").nth(int(tab) - 1)).to_have_attribute("aria-selected", "true")
    made = await page.evaluate("[window.hacked, document.querySelectorAll('img[src=x], body script').length]")
    assert made == [None, 0]


async def test_the_calls_that_come_in_the_page_are_data_whatever_they_hold(
    page: Page, feed: FakeFeed
) -> None:
    status = {"code": 13, "name": "INTERNAL", "message": SCRIPT + ODD}
    feed.calls = {1: summary(1, method=f"/{SCRIPT}/{SCRIPT}", status=status, peer=ODD), 2: summary(2)}
    await page.route("**/api/**", lambda route: route.abort())
    await page.goto(feed.address)
    await expect(page.locator("#call-1")).to_contain_text(SCRIPT)
    await expect(page.locator("#call-2")).to_contain_text("GetOrder")
    made = await page.evaluate("[window.hacked, document.querySelectorAll('img[src=x], body script').length]")
    assert made == [None, 0]
    assert await page.evaluate("document.body.children.length") == len(["#app", "noscript"])


async def test_what_fonts_hide_or_reorder_is_shown_as_escapes(page: Page, feed: FakeFeed) -> None:
    feed.calls = {1: summary(1, method=f"/acme.{ODD}/{ODD}", peer=ODD)}
    feed.bodies = {1: [body(root(leaf("text", ODD)), json.dumps({"text": ODD}, ensure_ascii=False), ODD)]}
    await opened(page, feed, "/calls/1")
    shown = r"a\u202egnp.exe\u200b\ufeff\u2028\u0000z"
    await expect(page.get_by_role("tree", name="Message 0")).to_contain_text(shown)
    await expect(page.locator("[data-message='0'] button").first).to_contain_text(shown)
    for where in (page.locator("#call-1 strong"), page.get_by_role("heading", level=2)):
        await expect(where).to_have_text(shown)
    await expect(page.locator("#call-1 .service")).to_have_text(r"exe\u200b\ufeff\u2028\u0000z")
    await page.locator("[data-body='0']").get_by_role("button", name="JSON", exact=True).first.click()
    await expect(page.get_by_role("group", name="Message 0 as JSON")).to_contain_text(r"\u202e")


async def test_a_string_of_ten_megabytes_is_cut_in_the_tree_and_whole_in_the_text(
    page: Page, feed: FakeFeed
) -> None:
    long = "x" * 10_000_000 + "END"
    feed.calls = {1: summary(1)}
    feed.bodies = {1: [body(root(leaf("text", long)), json.dumps({"text": long}))]}
    await opened(page, feed, "/calls/1")
    tree = page.get_by_role("tree", name="Message 0")
    await expect(tree).to_contain_text("more")
    assert len(await tree.inner_text()) < 2000
    await page.locator("[data-body='0']").get_by_role("button", name="JSON", exact=True).first.click()
    text = page.get_by_role("group", name="Message 0 as JSON")
    await page.get_by_role("button", name="Show all").click()
    await expect(page.locator("[data-body='0']")).not_to_contain_text("Only the beginning")
    await text.press("End")
    await expect(text).to_contain_text("END")
    assert len(await text.inner_text()) < 20_000


async def test_of_a_large_json_the_beginning_is_shown_and_all_of_it_copied(
    page: Page, feed: FakeFeed
) -> None:
    rows = json.dumps({"rows": [{"number": number} for number in range(10_000)]})
    feed.calls = {1: summary(1)}
    feed.bodies = {1: [body(root(leaf("text", "x")), rows)]}
    await opened(page, feed, "/calls/1")
    content = page.locator("[data-body='0']")
    await content.get_by_role("button", name="JSON", exact=True).first.click()
    text = page.get_by_role("group", name="Message 0 as JSON")
    await expect(content).to_contain_text("Only the beginning of the JSON is shown.")
    await text.press("End")
    await expect(text).not_to_contain_text("9999")
    asked = [url for url in feed.requests if "/messages/0" in url]
    assert [url.endswith("?text=65536") for url in asked] == [True]
    await content.get_by_title("Copy as JSON").click()
    await expect(page.get_by_role("log", name="Notices")).to_contain_text("Copied message as JSON")
    assert json.loads(await page.evaluate("navigator.clipboard.readText()")) == json.loads(rows)
    await expect(content).not_to_contain_text("Only the beginning")
    await text.press("End")
    await expect(text).to_contain_text("9999")


async def test_nesting_ten_thousand_deep_is_only_deep(page: Page, feed: FakeFeed) -> None:
    node = leaf("bottom", "reached")
    for level in range(400):
        node = leaf(f"level{level}", "") | {"kind": "message", "value": None, "children": [node]}
    depth = 10_000
    feed.calls = {1: summary(1)}
    feed.bodies = {1: [body(root(node), '{"a":' * depth + "1" + "}" * depth)]}
    await opened(page, feed, "/calls/1")
    tree = page.get_by_role("tree", name="Message 0")
    await page.get_by_role("textbox", name="Search in this message").fill("reached")
    await expect(tree).to_contain_text('"reached"')
    await page.locator("[data-body='0']").get_by_role("button", name="JSON", exact=True).first.click()
    await expect(page.get_by_role("group", name="Message 0 as JSON")).to_contain_text('"a": {')
