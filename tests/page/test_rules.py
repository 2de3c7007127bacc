"""The drawer of rules: written from a call, tried, added, edited, switched and removed; no edit is lost."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import Locator, Page, Route, expect

from tests.page.test_accessibility import violations
from tests.page.test_call import opened
from tests.support.loom_instance import LoomInstance, running_instance
from tests.support.mirror import Mirror, running_mirror, thing

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.xdist_group("page")]
FILE = (
    '[[rule]]\nname = "marked"\nmatch = "method:Say"\ndo = [{ metadata = { set = { x-tenant = "43" } } }]\n'
)


@pytest_asyncio.fixture(loop_scope="module")
async def mirror() -> AsyncIterator[Mirror]:
    async with running_mirror() as made:
        yield made


@pytest_asyncio.fixture(loop_scope="module")
async def api(mirror: Mirror, tmp_path: Path) -> AsyncIterator[LoomInstance]:
    path = tmp_path / "rules.toml"
    path.write_text(FILE)
    async with running_instance(mirror, rules=(path,)) as made:
        yield made


def drawer(page: Page) -> Locator:
    return page.get_by_role("region", name="Rules, faults and breakpoints")


async def replace_text(page: Page, before: str, after: str) -> None:
    """Replace a text in the editor by typing."""
    editor = drawer(page).get_by_role("textbox", name="JSON of the")
    await expect(editor).to_contain_text(before)
    text = await editor.inner_text()
    await editor.focus()
    await page.keyboard.press("Control+a")
    await page.keyboard.insert_text(text.replace(before, after))


@pytest.mark.parametrize("theme", ["light", "dark"])
async def test_a_rule_from_a_call_changes_the_next_one(
    page: Page, api: LoomInstance, mirror: Mirror, theme: str
) -> None:
    call = await api.call("Chat", thing(text="one"), metadata=[("x-tenant", "42")])
    await page.emulate_media(color_scheme=theme, reduced_motion="reduce")  # type: ignore[arg-type]
    await opened(page, api, f"/calls/{call}?message=0")
    await page.keyboard.press("w")
    await expect(drawer(page).get_by_text("acted on 0 of the 1 call in memory; 1 match.")).to_be_visible()
    await replace_text(page, '"one"', '"LOUD"')
    await expect(drawer(page).locator("ins")).to_have_text('"LOUD"')
    await drawer(page).get_by_role("button", name="meta:x-tenant=42").click()
    assert await violations(page) == []
    await page.reload()
    await expect(drawer(page).get_by_role("textbox")).to_contain_text('"LOUD"')
    await expect(drawer(page).get_by_role("button", name="meta:x-tenant=42")).to_have_attribute(
        "aria-pressed", "true"
    )
    await drawer(page).get_by_role("button", name="Add rule").click()
    rows = drawer(page).get_by_role("list", name="Rules and faults").get_by_role("listitem")
    await expect(rows).to_have_count(2)
    await expect(page.get_by_role("button", name="altering traffic: 2 rules")).to_be_visible()
    await api.call("Chat", thing(text="one"), metadata=[("x-tenant", "42")])
    await api.call("Chat", thing(text="one"), metadata=[("x-tenant", "7")])
    assert [(await mirror.call(number)).messages for number in (1, 2)] == [
        [thing(text="LOUD")],
        [thing(text="one")],
    ]
    await rows.nth(1).get_by_role("button", name="acted on 1 call").click()
    await expect(page.get_by_role("combobox", name="Filter")).to_have_value("rule:Chat")
    assert await violations(page) == []


async def test_rules_are_listed_switched_edited_and_removed(page: Page, api: LoomInstance) -> None:
    table = {"name": "late", "match": "method:Say", "delay": "1ms"}
    await api.post("/api/rules/tables", {"fault": table})
    await opened(page, api)
    await page.keyboard.press("a")
    rows = drawer(page).get_by_role("list", name="Rules and faults").get_by_role("listitem")
    await expect(rows).to_have_count(2)
    await expect(rows.first).to_contain_text("rules.toml:1")
    await rows.first.get_by_role("button", name="marked", exact=True).click()
    await expect(drawer(page).get_by_text("read-only")).to_be_visible()
    await page.keyboard.press("Escape")
    await rows.nth(1).get_by_role("switch").click()
    await expect(page.get_by_role("button", name="altering traffic: 1 rule", exact=True)).to_be_visible()

    await rows.nth(1).get_by_role("button", name="Edit late").click()
    await replace_text(page, "1ms", "soon")
    problem = drawer(page).get_by_role("alert")
    await expect(problem).to_contain_text("fault 'late': delay: ")
    await expect(drawer(page).locator(".cm-lintRange-error")).to_have_text('"delay": "soon"')
    await page.go_back()
    await expect(rows.nth(1)).to_contain_text("unsaved edits")
    await page.go_forward()
    await replace_text(page, "soon", "2ms")
    await expect(problem).to_have_count(0)
    await replace_text(page, "false", "true")
    await page.keyboard.press("Control+Enter")
    await expect(rows.nth(1)).to_contain_text("delay 2ms")
    await expect(rows.nth(1).get_by_role("switch")).to_be_checked()
    await expect(rows.nth(1)).not_to_contain_text("unsaved edits")

    await drawer(page).get_by_role("button", name="Copy the rules that were added here").click()
    await page.get_by_role("button", name="Copy as TOML").click()
    await expect(page.get_by_text("Copied rules as TOML.")).to_be_visible()
    copied = await page.evaluate("navigator.clipboard.readText()")
    assert copied == '[[fault]]\nname = "late"\nmatch = "method:Say"\ndelay = "2ms"\n'
    await rows.nth(1).get_by_role("button", name="Remove late").click()
    await expect(rows).to_have_count(1)
    await page.get_by_role("button", name="Undo").click()
    await expect(rows).to_have_count(2)
    await page.keyboard.press("a")
    await expect(drawer(page)).to_have_count(0)


async def test_a_name_that_exists_is_an_error_at_the_name(page: Page, api: LoomInstance) -> None:
    await api.call("Say", thing(text="one"))
    await opened(page, api, "/?rules=")
    await drawer(page).get_by_role("button", name="New fault").click()
    await replace_text(page, '"my fault"', '"marked"')
    saved = asyncio.Event()

    async def try_after_save(route: Route) -> None:
        await saved.wait()
        await route.continue_()

    await page.route("**/api/rules/dry-run", try_after_save)
    await replace_text(page, "method:…", "method:Say")
    await drawer(page).get_by_role("button", name="Add fault").click()
    problem = drawer(page).get_by_role("alert")
    await expect(problem).to_contain_text("there is a rule 'marked' already in ")
    saved.set()
    await expect(drawer(page).get_by_text("acted on 1 of the 1 call in memory")).to_be_visible()
    await expect(problem).to_contain_text("there is a rule 'marked' already in ")
    await drawer(page).get_by_role("button", name="Discard").click()
    await expect(drawer(page).get_by_role("list", name="Not added yet")).to_have_count(0)


async def test_a_method_fails_in_two_clicks(page: Page, api: LoomInstance) -> None:
    call = await api.call("Chat", thing(text="one"))
    await opened(page, api, f"/calls/{call}")
    await page.get_by_role("button", name="Act on this method").click()
    await page.get_by_role("button", name="Fail Chat with UNAVAILABLE").click()
    await expect(page.get_by_role("button", name="altering traffic: 1 rule, 1 fault")).to_be_visible()
    answer: Any = await api.http.get("/api/rules/tables")
    assert json.loads((await answer.json())["json"])["fault"][0]["match"] == "method:/mirror.v1.Mirror/Chat"
