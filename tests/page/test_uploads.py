"""Schema files that are attached on the page: files, folders, dropped ones; listed, removed, and refused."""

from pathlib import Path

import pytest
from playwright.async_api import Locator, Page, expect

from tests.page.test_accessibility import violations
from tests.page.test_call import opened
from tests.support.loom_instance import running_instance
from tests.support.mirror import PROTO, running_mirror, thing

pytestmark = pytest.mark.asyncio(loop_scope="module")

FILE_INPUT = "input[type=file]:not([webkitdirectory])"


async def test_a_proto_file_attached_on_the_page_decodes_what_is_recorded(page: Page) -> None:
    async with running_mirror(described=False) as mirror, running_instance(mirror) as api:
        await api.call("Say", thing(text="recorded before", big=7))
        await opened(page, api, "/calls/1/schema")
        panel = page.get_by_role("tabpanel")
        await expect(panel).to_contain_text("No schema for this method")
        await panel.locator(FILE_INPUT).set_input_files(PROTO)
        await expect(page.get_by_text("Loaded 1 service from 1 file.")).to_be_visible()
        await expect(panel).to_contain_text("mirror.v1.Thing")
        await expect(panel).to_contain_text("attached files")
        await page.keyboard.press("1")
        tree = page.get_by_role("tree", name="Message 0")
        await expect(tree).to_contain_text('text: "recorded before"')
        await expect(tree).to_contain_text("big: 7")


async def test_an_attached_file_that_does_not_compile_says_where(page: Page) -> None:
    async with running_mirror(described=False) as mirror, running_instance(mirror) as api:
        await api.call("Say", thing(text="a"))
        await opened(page, api, "/calls/1/schema")
        broken = {"name": "broken.proto", "mimeType": "text/plain", "buffer": b'syntax = "proto3"; message {'}
        await page.get_by_role("tabpanel").locator(FILE_INPUT).set_input_files(broken)  # type: ignore[arg-type]
        await expect(page.get_by_role("alert")).to_contain_text("Could not load broken.proto: line 1:")


SERVICE = """syntax = "proto3"; package {0}; import "common/own.proto";
message M {{ common.Own own = 1; }} service S {{ rpc Do(M) returns (M); }}
"""
OWN = 'syntax = "proto3"; package common; message Own {{ string of_{0} = 1; }}'


@pytest.mark.parametrize("how", ["folder", "drop"])
async def test_folders_are_attached_with_their_paths_and_files_removed(
    page: Page, tmp_path: Path, how: str
) -> None:
    names: dict[str, str] = {"notes.txt": "no schema"}
    for name in ("a", "b"):
        names |= {f"{name}/service.proto": SERVICE.format(name), f"{name}/common/own.proto": OWN.format(name)}
    root = tmp_path / "protos"
    for name, text in names.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    async with running_mirror(described=False) as mirror, running_instance(mirror) as api:
        await api.call("Say", thing(text="a"))
        await opened(page, api, "/calls/1/schema")
        panel = page.get_by_role("tabpanel")
        files = panel.get_by_role("region", name="Attached files")
        if how == "folder":
            await panel.locator("input[webkitdirectory]").set_input_files(root)
        else:
            await drop_folder(page, files, root)
        await expect(page.get_by_text("Loaded 2 services from 4 files.")).to_be_visible()
        attached = files.get_by_role("listitem")
        await expect(attached).to_have_count(4)
        await expect(attached.first).to_contain_text("protos/a/common/own.proto")
        schema = api.loom.schema
        for name in ("a", "b"):
            own = (await schema.method(f"/{name}.S/Do")).request.fields_by_name["own"].message_type
            assert own is not None
            assert list(own.fields_by_name) == [f"of_{name}"]
        await files.get_by_role("button", name="Remove protos/a/service.proto").click()
        await expect(attached).to_have_count(3)
        _, uploads = await api.get("/api/schema/protos")
        assert uploads["services"] == ["b.S"]
        await page.reload()
        await expect(attached).to_have_count(3)
        await files.get_by_role("button", name="Remove all").click()
        await expect(attached).to_have_count(0)
        await expect(page.get_by_text("Removed all attached files.")).to_be_visible()


async def drop_folder(page: Page, target: Locator, folder: Path) -> None:
    """Drop a folder on an element as the desktop does."""
    box = await target.bounding_box()
    assert box is not None
    session = await page.context.new_cdp_session(page)
    place = {"x": box["x"] + 10, "y": box["y"] + 10}
    data = {"items": [], "files": [str(folder)], "dragOperationsMask": 1}
    for kind in ("dragEnter", "dragOver", "drop"):
        await session.send("Input.dispatchDragEvent", {"type": kind, "data": data, **place})


async def test_a_failure_is_not_announced_as_a_success(page: Page) -> None:
    async with running_mirror(described=False) as mirror, running_instance(mirror) as api:
        await api.call("Say", thing(text="a"))
        await opened(page, api, "/calls/1/schema")
        notices = page.get_by_role("log", name="Notices")
        for name, said in (
            ("broken.proto", "Could not load broken.proto: line 1: "),
            ("x" * 256 + ".proto", "is too long: 255 bytes between slashes"),
        ):
            broken = {"name": name, "mimeType": "text/plain", "buffer": b"?"}
            await page.get_by_role("tabpanel").locator(FILE_INPUT).set_input_files(broken)  # type: ignore[arg-type]
            notice = notices.locator("[data-tone]").filter(has_text=said)
            await expect(notice).to_have_attribute("data-tone", "bad")
        await expect(notices.locator("[data-tone=ok]")).to_have_count(0)
        await expect(page.get_by_role("alert").get_by_role("listitem")).to_have_count(1)


@pytest.mark.parametrize("theme", ["light", "dark"])
async def test_axe_finds_nothing_in_attached_files_and_problems(page: Page, theme: str) -> None:
    await page.emulate_media(color_scheme=theme, reduced_motion="reduce")  # type: ignore[arg-type]
    async with running_mirror(described=False) as mirror, running_instance(mirror) as api:
        broken = {f"acme/broken/v{number}/broken.proto": b"?%d" % number for number in range(8)}
        await api.loom.schema.add_uploads({"mirror.proto": PROTO.read_bytes(), **broken})
        await api.call("Say", thing(text="a"))
        await opened(page, api, "/calls/1/schema")
        panel = page.get_by_role("tabpanel")
        await expect(
            panel.get_by_role("region", name="Attached files").get_by_role("listitem")
        ).to_have_count(9)
        await panel.get_by_text("3 more problems").click()
        assert await violations(page, "[role=tabpanel]") == []
