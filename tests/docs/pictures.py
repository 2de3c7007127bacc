"""Renew the pictures of docs/images from the demo: ``python -m tests.docs.pictures``."""

import asyncio
import tempfile
from pathlib import Path

from playwright.async_api import Page, async_playwright, expect

from tests.docs.demo import EDITED_REQUEST, edit_and_resend, open_call, running_demo
from tests.docs.png import with_palette
from tests.support import browser as chromium
from tests.support.loom_process import ROOT

IMAGES = ROOT / "docs" / "images"
LARGEST = 300_000  # bytes of a picture
_SIZE = (1280, 760)
_SCALE = 1.5


async def take(page: Page, name: str) -> None:
    """Write one picture, of the whole view."""
    await page.mouse.move(0, 0)  # nothing is hovered over
    await expect(page.locator("[data-connection=open]")).to_be_visible()
    path = IMAGES / f"{name}.png"
    path.write_bytes(with_palette(await page.screenshot(animations="disabled", caret="hide")))
    size = path.stat().st_size
    print(f"{path.relative_to(ROOT)}: {size:,} bytes")
    if size > LARGEST:
        raise SystemExit(f"{path} has more than {LARGEST:,} bytes")


async def take_all(page: Page, ui: str) -> None:
    deadline = await open_call(page, ui, "method:InspectContainer status:DEADLINE_EXCEEDED", "timing")
    stream = await open_call(page, ui, "method:Talk is:ended", "messages")
    vessel = await open_call(page, ui, "method:GetVessel status:OK", "messages")
    error = await open_call(page, ui, "status:INVALID_ARGUMENT", "replay")
    await edit_and_resend(page, EDITED_REQUEST)
    await page.get_by_role("button", name="Compare", exact=True).click()
    await expect(page.get_by_role("dialog")).to_contain_text("confirmation")
    await take(page, "diff")
    # Without a filter: the table shows all calls.
    await page.goto(f"http://{ui}/calls/{error}/status")
    await expect(page.get_by_role("tabpanel")).to_contain_text("must name a vessel")
    await take(page, "error")
    await page.goto(f"http://{ui}/calls/{deadline}/timing")
    await expect(page.get_by_role("tabpanel")).to_contain_text("Deadline 400 ms")
    await take(page, "deadline")
    await page.goto(f"http://{ui}/calls/{stream}")
    await expect(page.locator("[data-event=trailers]")).to_be_visible()
    await take(page, "stream")
    await page.goto(f"http://{ui}/calls/{vessel}")
    await expect(page.get_by_role("tree", name="Message 1")).to_be_visible()
    await take(page, "inspector")


async def main() -> None:
    with tempfile.TemporaryDirectory() as home, running_demo(Path(home)) as demo:
        async with async_playwright() as playwright:
            browser = await playwright.chromium.launch(
                executable_path=str(chromium.find_or_install()), args=chromium.arguments()
            )
            width, height = _SIZE
            page = await browser.new_page(
                viewport={"width": width, "height": height}, device_scale_factor=_SCALE, color_scheme="light"
            )
            await take_all(page, demo.ui)
            await browser.close()


if __name__ == "__main__":
    asyncio.run(main())
