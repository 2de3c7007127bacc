"""The tree of a message: values, copying, search and keys."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from playwright.async_api import Locator, Page, expect

from tests.page.test_call import opened
from tests.support.loom_instance import LoomInstance, running_instance
from tests.support.mirror import make, running_mirror

pytestmark = pytest.mark.asyncio(loop_scope="module")
UNKNOWN = b"\xc2\x3e\x03new"  # field 1000, which is not in the schema


@pytest_asyncio.fixture(loop_scope="module")
async def tree(page: Page) -> AsyncIterator[Locator]:
    """The tree of a Thing with a bit of everything."""
    async with running_mirror() as mirror, running_instance(mirror) as api:
        await api.call("Say", everything())
        yield await shown(page, api)


def everything() -> bytes:
    thing = make(
        "Thing", text="it is", data=b"plain text", big=2**62 + 1, mood=2, numbers=range(300), left="chosen",
        parts=[make("Part", name="first", count=1), make("Part", name="second", count=2)],
    )  # fmt: skip
    thing.named["a b"].name = "third"
    thing.when.FromJsonString("2026-01-02T03:04:05.678Z")
    thing.any.Pack(make("Part", name="packed", count=3))
    return bytes(thing.SerializeToString()) + UNKNOWN


async def shown(page: Page, api: LoomInstance) -> Locator:
    await opened(page, api, "/calls/1")
    found = page.get_by_role("tree", name="Message 0")
    await expect(found).to_be_visible()
    return found


def item(tree: Locator, text: str) -> Locator:
    return tree.get_by_role("treeitem").filter(has_text=text)


async def copied(page: Page, what: str) -> str:
    await expect(page.get_by_text(f"Copied {what}.").last).to_be_visible()
    return str(await page.evaluate("navigator.clipboard.readText()"))


async def test_each_value_says_what_it_is(tree: Locator) -> None:
    await expect(item(tree, "mood")).to_contain_text("MOOD_WILD")
    await expect(item(tree, "mood")).to_contain_text("2")
    await expect(item(tree, "big")).to_contain_text(str(2**62 + 1))
    await expect(item(tree, "left")).to_contain_text("oneof choice")
    await expect(item(tree, "when")).to_contain_text("2026-01-02T03:04:05.678Z")
    await expect(item(tree, "when")).to_contain_text("2026-01-02 03:04:05")
    await expect(item(tree, "packed")).to_be_attached()
    await expect(item(tree, "unknown field")).to_contain_text("1000")


async def test_bytes_are_text_or_hex(tree: Locator) -> None:
    row = item(tree, "data")
    await expect(row).to_contain_text('"plain text"')
    await row.hover()
    await row.get_by_role("button", name="hex").click()
    await expect(row).to_contain_text("70 6c 61 69 6e")
    await row.get_by_role("button", name="text").click()
    await expect(row).to_contain_text('"plain text"')


async def test_value_path_and_whole_are_copied_as_they_are(page: Page, tree: Locator) -> None:
    for text, button, what, expected in (
        ("big", "value", "value", str(2**62 + 1)),
        ("second", "path", "path", "parts[1].name"),
        ("third", "path", "path", 'named["a b"].name'),
        ("text", "value", "value", "it is"),
    ):
        await page.get_by_role("textbox", name="Search in this message").first.fill(text)
        row = tree.locator(".hit")
        await expect(row).to_contain_text(text)
        await row.click()  # the buttons of the current row stay, wherever the row is scrolled to
        await row.get_by_role("button", name=button, exact=True).click()
        assert await copied(page, what) == expected
    await page.get_by_title("Copy as JSON").first.click()
    assert '"numbers": [\n' in await copied(page, "message as JSON")


async def test_a_search_opens_what_it_finds_and_walks_through_it(page: Page, tree: Locator) -> None:
    box = page.get_by_role("textbox", name="Search in this message").first
    await box.fill("299")
    await expect(tree.locator(".hit")).to_contain_text("299")
    await expect(tree.locator(".hit")).to_be_in_viewport()
    await box.fill("name")
    first = await tree.locator(".hit").inner_text()
    await box.press("Enter")
    await expect(tree.locator(".hit")).not_to_have_text(first, use_inner_text=True)
    await box.press("Shift+Enter")
    await expect(tree.locator(".hit")).to_have_text(first, use_inner_text=True)


async def test_a_tree_is_walked_opened_and_closed_by_keys(page: Page, tree: Locator) -> None:
    await tree.focus()
    await page.keyboard.press("Home")
    await expect(tree.locator("[aria-selected=true]")).to_contain_text("text")
    for _ in range(20):
        await page.keyboard.press("ArrowDown")
        if "parts" in await tree.locator("[aria-selected=true]").inner_text():
            break
    parts = tree.locator("[aria-selected=true]")
    await expect(parts).to_contain_text("parts")
    open_before = await parts.get_attribute("aria-expanded")
    await page.keyboard.press("ArrowRight" if open_before == "false" else "ArrowLeft")
    await expect(parts).to_have_attribute("aria-expanded", "true" if open_before == "false" else "false")
    await page.keyboard.press("Enter")
    await expect(parts).to_have_attribute("aria-expanded", str(open_before))
    await expect(page.get_by_role("region", name="Call 1", exact=True)).to_be_visible()


async def test_a_tree_takes_the_room_that_the_pane_has(page: Page, tree: Locator) -> None:
    await page.set_viewport_size({"width": 1280, "height": 1400})
    await page.get_by_role("textbox", name="Search in this message").first.fill("numbers")
    box = await tree.bounding_box()
    assert box is not None
    assert box["height"] > 1000
