"""Traffic that rules and faults alter: never silent, switched off in one click, what came shown beside what went on."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import Page, expect

from tests.page.fake_feed import FakeFeed
from tests.page.test_accessibility import violations
from tests.page.test_call import opened
from tests.page.test_feed import opened as opened_feed
from tests.support.loom_instance import LoomInstance, running_instance
from tests.support.mirror import running_mirror, thing

pytestmark = pytest.mark.asyncio(loop_scope="module")
RULES = """
[[rule]]
name = "louder"
match = "method:Chat"
when = { point = "response-message", index = 1 }
do = [{ set = "text", to = "LOUD" }]

[[rule]]
name = "marked"
match = "method:Chat"
do = [{ metadata = { set = { x-tenant = "43" } } }]
"""


@pytest_asyncio.fixture(loop_scope="module")
async def api(tmp_path: Path) -> AsyncIterator[LoomInstance]:
    """A Loom with two rules and a fault, in front of a mirror backend."""
    path = tmp_path / "rules.toml"
    path.write_text(RULES)
    options: dict[str, Any] = {"rules": (path,), "fault": ("method:Say :: delay=1ms",)}
    async with running_mirror() as mirror, running_instance(mirror, **options) as made:
        yield made


async def chat(api: LoomInstance) -> int:
    return await api.call("Chat", thing(text="one"), thing(text="two"), metadata=[("x-tenant", "42")])


@pytest.mark.parametrize("theme", ["light", "dark"])
async def test_what_was_altered_is_marked_and_shown_beside_what_came(
    page: Page, api: LoomInstance, theme: str
) -> None:
    call = await chat(api)
    await page.emulate_media(color_scheme=theme, reduced_motion="reduce")  # type: ignore[arg-type]
    await opened(page, api, f"/calls/{call}")
    await expect(page.locator(f"#call-{call}").get_by_role("img", name="altered")).to_be_visible()
    summary = page.get_by_text("Altered by rule marked, rule louder")
    await summary.click()
    acted = page.get_by_role("region", name="What acted on this call")
    await acted.get_by_role("button", name="response message 2 rule louder: set text").click()
    message = acted.locator("[data-interception='1']")
    await expect(message.locator(".came")).to_contain_text('"two"')
    await expect(message.locator(".went")).to_contain_text('"LOUD"')
    await acted.get_by_role("button", name="request metadata rule marked").click()
    metadata = acted.locator("[data-interception='0']")
    await expect(metadata.locator(".came .differs")).to_have_text(["x-tenant: 42"])
    await expect(metadata.locator(".went .differs")).to_have_text(["x-tenant: 43"])
    await expect(page.locator("[data-message] .altered")).to_have_count(1)
    assert await violations(page) == []


async def test_a_replay_sends_what_came_from_the_client_if_asked(page: Page, api: LoomInstance) -> None:
    call = await chat(api)
    await opened(page, api, f"/calls/{call}/replay")
    form = page.locator("[data-replay-form]")
    which = form.locator("label", has_text="Send").locator("select")
    await which.select_option("what came from the client")
    await form.get_by_role("button", name="Send edited").click()
    await api.ended.wait(call + 1)
    assert ("x-tenant", "42") in api.mirror.received[1].metadata
    plain = await api.call("Say", thing(text="x"))
    await opened(page, api, f"/calls/{plain}/replay")
    await expect(form.get_by_label("Target")).to_be_visible()
    await expect(which).to_have_count(0)


async def test_a_replay_passes_the_rules_if_asked(page: Page, api: LoomInstance) -> None:
    call = await chat(api)
    await opened(page, api, f"/calls/{call}/replay")
    form = page.locator("[data-replay-form]")
    await form.get_by_label("through the rules").check()
    await expect(form.locator("label", has_text="Send").locator("select")).to_have_value("came")
    assert await violations(page) == []
    await form.get_by_role("button", name="Send edited").click()
    await api.ended.wait(call + 1)
    assert [
        set(item.metadata) & {("x-tenant", "42"), ("x-tenant", "43")} for item in api.mirror.received
    ] == [{("x-tenant", "43")}] * 2
    _, detail = await api.get(f"/api/calls/{call + 1}")
    assert "modified" in detail["flags"]
    assert "sent through the rules" in detail["note"]


@pytest.mark.parametrize("theme", ["light", "dark"])
async def test_one_switch_turns_off_all_that_alters_traffic(
    page: Page, api: LoomInstance, theme: str
) -> None:
    altered = await chat(api)
    await page.emulate_media(color_scheme=theme, reduced_motion="reduce")  # type: ignore[arg-type]
    await opened(page, api)
    await page.get_by_role("button", name="altering traffic: 2 rules, 1 fault").click()
    rules = page.get_by_role("list", name="Rules and faults")
    await expect(rules.get_by_role("listitem")).to_have_count(3)
    await expect(rules.get_by_role("listitem").first).to_contain_text("acted on 1 call")
    assert await violations(page) == []
    await page.keyboard.press("Escape")
    switch = page.get_by_role("switch", name="Rules, faults and breakpoints")
    await expect(switch).to_be_checked()
    await switch.click()
    await expect(page.get_by_role("button", name="off: 2 rules, 1 fault")).to_be_visible()
    await expect(switch).not_to_be_checked()
    assert await violations(page) == []
    plain = await chat(api)
    await expect(page.locator(f"#call-{plain}")).to_be_visible()
    await expect(page.locator(f"#call-{plain} .altered")).to_have_count(0)
    await expect(page.locator(f"#call-{altered} .altered")).to_have_count(1)
    await switch.click()
    await expect(page.get_by_role("button", name="altering traffic: 2 rules, 1 fault")).to_be_visible()


async def test_without_rules_nothing_is_said_and_a_certificate_that_is_not_verified_is(
    page: Page, feed: FakeFeed
) -> None:
    await opened_feed(page, feed)
    await expect(page.get_by_text("localhost:50051", exact=True)).to_be_visible()
    await expect(page.get_by_role("switch")).to_have_count(0)
    await expect(page.get_by_text("certificate not verified")).to_have_count(0)
    feed.tick(
        target={"address": "localhost:50051", "tls": True, "insecure": True, "state": "ready", "error": ""}
    )
    await expect(page.get_by_text("certificate not verified")).to_be_visible()
    assert await violations(page) == []
