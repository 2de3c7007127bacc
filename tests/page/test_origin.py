"""Origins: which servers the page contacts, and which pages may access the API (docs/explanation/security.md)."""

import pytest
from playwright.async_api import Browser, Page, Route, expect

from tests.support.loom_instance import running_instance
from tests.support.mirror import running_mirror, thing
from tests.support.narrowing import required

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_nothing_is_asked_of_any_other_server(page: Page) -> None:
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    async with running_mirror() as mirror, running_instance(mirror) as api:
        for text in ("a", "b"):
            await api.call("Say", thing(text=text))
        base = f"http://{api.loom.ui_address}"
        await page.goto(f"{base}/calls/1")
        await expect(page.get_by_role("tree", name="Message 0")).to_be_visible()
        for key in "m123456":
            await page.keyboard.press(key)
        await page.keyboard.press("e")
        await expect(page.get_by_role("textbox", name="Request message")).to_be_focused()
        await page.keyboard.press("Escape")
        await page.get_by_role("tab", name="Messages").click()
        await page.keyboard.press("j")
        await page.keyboard.press("d")
        await expect(page.get_by_role("dialog")).to_contain_text("differences")
    assert len(asked) > 10
    assert [url for url in asked if not url.startswith(f"{base}/")] == []


async def test_the_token_becomes_a_cookie_and_leaves_the_address(page: Page, browser: Browser) -> None:
    async with running_mirror() as mirror, running_instance(mirror, require_token=True) as api:
        stranger = await (await browser.new_context()).new_page()
        refused = await stranger.goto(f"http://{api.loom.ui_address}/")
        assert refused is not None
        assert refused.status == 401
        assert api.loom.page_url is not None
        await page.goto(api.loom.page_url)
        await expect(page.locator("[data-connection=open]")).to_be_visible()
        assert "token" not in page.url
        [cookie] = await page.context.cookies()
        assert (cookie["httpOnly"], cookie["sameSite"]) == (True, "Strict")
        assert cookie["name"] == f"loom-{required(api.loom.ui_address).port}"
        await page.reload()
        await expect(page.locator("[data-connection=open]")).to_be_visible()
        await stranger.context.close()


async def test_another_page_on_this_machine_reads_and_changes_nothing(page: Page) -> None:
    async def evil(route: Route) -> None:
        await route.fulfill(body="<h1>evil</h1>", content_type="text/html")

    await page.route("http://localhost:1/**", evil)
    async with running_mirror() as mirror, running_instance(mirror) as api:
        await api.call("Say", thing(text="private"))
        target = f"http://{api.loom.ui_address}"
        await page.goto("http://localhost:1/")  # another origin of the same site
        outcomes = await page.evaluate(
            """async (target) => {
              const attempt = async (path, init) => {
                try { return (await fetch(target + path, init)).status; } catch { return 'refused'; }
              };
              const sent = { method: 'POST', mode: 'no-cors', credentials: 'include', body: '{}' };
              return [
                await attempt('/api/calls', { credentials: 'include' }),
                await attempt('/api/calls', { method: 'DELETE' }),
                (await attempt('/api/calls/1/replay', sent)),
              ];
            }""",
            target,
        )
        assert outcomes[:2] == ["refused", "refused"]
        assert outcomes[2] in {0, "refused"}
        assert api.loom.history.last_id == 1
        assert len(api.loom.history) == 1
