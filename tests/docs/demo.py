"""The demo, and the steps on its page that the tutorial describes."""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from playwright.async_api import Page, expect

from tests.support.loom_process import running_loom

expect.set_options(timeout=20_000)

EDITED_REQUEST = '{"vesselId": "v-2", "quay": "Tollerort", "number": 4, "stay": "7200s"}'
"""A request for AssignBerth that the harbour accepts."""


@dataclass(frozen=True)
class Demo:
    """Addresses of a running ``loom --demo``."""

    listen: str
    ui: str


@contextlib.contextmanager
def running_demo(home: Path) -> Iterator[Demo]:
    """``loom --demo`` with ports of its own and without a session."""
    with running_loom(
        "--demo", "--listen", "localhost:0", "--ui", "localhost:0", "--no-session", home=home
    ) as loom:
        listen = loom.expect(r"^Loom (\S+) → demo backend")[1]
        yield Demo(listen, loom.expect(r"page +http://(\S+?)/")[1])


async def open_call(page: Page, ui: str, query: str, tab: str) -> int:
    """Open the first call that matches a filter, in one of its tabs; return its id."""
    await page.goto(f"http://{ui}/?q={quote(query)}")
    row = page.locator("[id^=call-]").first
    await row.click()
    await expect(page.locator("[id^=call-][aria-selected=true]")).to_be_visible()
    number = int((await row.get_attribute("id") or "").removeprefix("call-"))
    await page.get_by_role("tab", name=tab.capitalize()).click()
    return number


async def edit_and_resend(page: Page, request: str) -> None:
    """Edit the only message of the open call, send it, and wait until it is listed."""
    await page.get_by_role("grid").focus()
    await page.keyboard.press("e")
    editor = page.get_by_role("textbox", name="Request message")
    await expect(editor).to_contain_text("quay")
    await editor.focus()
    await page.keyboard.press("ControlOrMeta+a")
    await page.keyboard.press("Delete")
    await page.keyboard.insert_text(request)
    await page.get_by_role("tabpanel").get_by_role("button", name="Send edited").click()
    # In the list of replays.
    await expect(page.get_by_role("button", name="Compare", exact=True)).to_be_visible()
