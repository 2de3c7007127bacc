"""Calls that are not in memory: of a file opened read-only, and of the session on disk."""

import re
from pathlib import Path
from typing import Any

import grpc.aio
import pytest
from playwright.async_api import Page, expect

from loom.model import Address
from loom.runtime.loom import Loom
from loom.runtime.settings import Settings
from loom.runtime.viewer import Viewer
from tests.support.exports import export
from tests.support.mirror import SERVICE, running_mirror, thing
from tests.support.traffic import recorded, unary

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_a_file_is_shown_read_only(page: Page, tmp_path: Path) -> None:
    path = tmp_path / "evidence.loom.zip"
    path.write_bytes(export("bundle", recorded(*unary(1), *unary(2))))
    viewer = Viewer(path, Settings(ui=Address("127.0.0.1", 0)))
    await viewer.start()
    try:
        await page.goto(viewer.page_url)
        await expect(page.get_by_text("read-only")).to_be_visible()
        await expect(page.get_by_role("row").filter(has_text="GetOrder")).to_have_count(2)
        await page.keyboard.press("Shift+X")
        await expect(page.get_by_role("button", name="Clear the view")).to_be_visible()
        await expect(page.get_by_role("button", name="Clear the history")).to_have_count(0)
        await page.keyboard.press("Escape")
        await page.get_by_role("row").filter(has_text="GetOrder").first.click()
        replay = page.get_by_role("button", name="Replay", exact=True)
        await expect(replay).to_be_disabled()
        await expect(replay).to_have_attribute("title", re.compile(r"is read-only\. To send its calls"))
        for key in "re":
            await page.keyboard.press(key)
            notice = page.get_by_text("is read-only. To send its calls, import it into a running Loom.")
            await expect(notice.last).to_be_visible()
        await expect(page.get_by_role("tab", name="Messages")).to_have_attribute("aria-selected", "true")
        await page.keyboard.press("?")
        await expect(page.get_by_role("dialog")).to_contain_text("copy as grpcurl")
        await expect(page.get_by_role("dialog")).not_to_contain_text("replay unchanged")
    finally:
        await viewer.stop()


async def test_a_file_of_calls_is_chosen_or_dropped(page: Page, tmp_path: Path) -> None:
    file = tmp_path / "calls.ndjson"
    file.write_bytes(export("ndjson", recorded(*unary(1), *unary(2))) + b"{\n")
    nowhere, port = Address("127.0.0.1", 1), Address("127.0.0.1", 0)
    loom = Loom(Settings(target=nowhere, listen=port, ui=port, session=None))
    await loom.start()
    try:
        await page.goto(loom.page_url or "")
        await page.get_by_role("button", name="Export and import").click()
        async with page.expect_file_chooser() as chooser:
            await page.get_by_role("button", name="Import calls").click()
        await (await chooser.value).set_files(file)
        rows = page.get_by_role("row").filter(has_text="GetOrder")
        await expect(rows).to_have_count(2)
        await expect(page.get_by_role("log")).to_contain_text(
            "Imported 2 calls from calls.ndjson.the file: line 4"
        )
        await page.evaluate(
            """text => {
                const dataTransfer = new DataTransfer();
                dataTransfer.items.add(new File([text], "more.ndjson"));
                document.body.dispatchEvent(new DragEvent("drop", {dataTransfer, bubbles: true, cancelable: true}));
            }""",
            export("ndjson", recorded(*unary(1))).decode(),
        )
        await expect(rows).to_have_count(3)
        file.write_bytes(b"hello")
        async with page.expect_file_chooser() as chooser:
            await page.get_by_role("button", name="Export and import").click()
            await page.get_by_role("button", name="Import calls").click()
        await (await chooser.value).set_files(file)
        await expect(page.get_by_role("log")).to_contain_text("this is not Loom's NDJSON")
    finally:
        await loom.stop()


async def test_a_filter_finds_what_only_the_session_holds(page: Page, tmp_path: Path) -> None:
    async with running_mirror() as mirror:
        loom = Loom(
            Settings(
                target=Address.parse(mirror.address),
                listen=Address("127.0.0.1", 0),
                ui=Address("127.0.0.1", 0),
                data_dir=tmp_path,
                history_bytes=256 * 1024,
            )
        )
        await loom.start()
        try:
            async with grpc.aio.insecure_channel(str(loom.listen_address)) as channel:
                say: Any = channel.unary_unary(f"/{SERVICE}/Say")
                for number in range(10):
                    await say(thing(text=f"{number}" + "x" * 30_000))
            loom.flush()
            assert loom.history.get(1) is None
            await page.goto(loom.page_url or "")
            rows = page.get_by_role("row").filter(has_text="Say")
            await expect(rows).not_to_have_count(0)
            await page.get_by_role("combobox").or_(page.get_by_role("searchbox")).first.fill("method:Say")
            await expect(rows).to_have_count(10)
            await rows.first.click()
            await expect(page.get_by_text("0xxx").first).to_be_visible()
        finally:
            await loom.stop()
