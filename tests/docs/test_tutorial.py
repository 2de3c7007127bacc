"""The tutorial: its commands print what it shows, and its steps on the page lead where it says."""

import asyncio
import itertools
import re
import shlex
import subprocess
import sys
import tomllib
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import Page, async_playwright, expect

from tests.docs.demo import EDITED_REQUEST, Demo, edit_and_resend, open_call, running_demo
from tests.docs.markdown import blocks
from tests.support import browser as chromium
from tests.support.loom_process import ROOT, environment

on_one_loop = pytest.mark.asyncio(loop_scope="module")
PATH = ROOT / "docs" / "tutorial" / "first-failing-call.md"
TEXT = PATH.read_text(encoding="utf-8")
BLOCKS = blocks(TEXT)
FILTER = next(block.text.strip() for block in BLOCKS if block.language == "filter")
REQUEST = next(block.text.strip() for block in BLOCKS if block.language == "json")
NUMBER = "14"
"""The number of the failed call in the tutorial."""
COMMANDS = [
    (block.text.strip(), output.text)
    for block, output in itertools.pairwise(BLOCKS)
    if block.language == "sh" and output.language == "text" and block.text.strip() != "loom --demo"
]


def label(text: str) -> str:
    """The text of a button or tab, which the tutorial prints in bold."""
    assert f"**{text}**" in TEXT
    return text


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    with running_demo(tmp_path_factory.mktemp("home")) as running:
        yield running


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def tab() -> AsyncIterator[Page]:
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path=str(chromium.find_or_install()), args=chromium.arguments()
        )
        yield await browser.new_page(viewport={"width": 1280, "height": 800})
        await browser.close()


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def failed_call(tab: Page, demo: Demo) -> int:
    """The id of a call that matches the tutorial's filter, once there is one."""
    return await open_call(tab, demo.ui, FILTER, label("Status"))


@on_one_loop
async def test_the_page_leads_from_the_error_to_a_call_that_succeeds(
    tab: Page, demo: Demo, failed_call: int
) -> None:
    await tab.goto(f"http://{demo.ui}/calls/{failed_call}/status")
    await expect(tab.get_by_role("tabpanel")).to_contain_text("must name a vessel")
    await tab.get_by_role("tab", name=label("Messages")).click()
    await expect(tab.get_by_role("tree", name="Message 0")).to_contain_text('quay: "Tollerort"')
    assert label("Send edited")
    assert label("Replay")
    await edit_and_resend(tab, REQUEST)
    assert label("Previous replays")
    await tab.get_by_role("tabpanel").get_by_role("button", name=re.compile(r"^#\d+$")).click()
    await expect(tab.get_by_role("tree", name="Message 1")).to_contain_text("TOL-004")
    await tab.goto(f"http://{demo.ui}/calls/{failed_call}/replay")
    await tab.get_by_role("button", name=label("Compare"), exact=True).click()
    dialog = tab.get_by_role("dialog")
    for field in ("vesselId", "number", "stay", "INVALID_ARGUMENT", "OK", "confirmation"):
        await expect(dialog).to_contain_text(field)


@pytest.mark.parametrize(("command", "output"), COMMANDS, ids=[command for command, _ in COMMANDS])
@on_one_loop
async def test_a_command_prints_what_the_tutorial_shows(
    demo: Demo, failed_call: int, tmp_path: Path, command: str, output: str
) -> None:
    program, *arguments = shlex.split(command)
    assert program == "loom"
    arguments = [str(failed_call) if argument == NUMBER else argument for argument in arguments]
    result = await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-m", "loom", *arguments],
        env=environment(tmp_path) | {"LOOM_UI": demo.ui},
        check=True,
        capture_output=True,
        text=True,
    )
    printed = [without_numbers(line) for line in result.stdout.splitlines()]
    assert [line for line in output.splitlines() if without_numbers(line) not in printed] == []


def without_numbers(line: str) -> str:
    """A line with its numbers and units of time replaced, and its spaces joined."""
    return re.sub(r"\d[\d.,:]*( (µs|ms|s)\b)?", "0", " ".join(line.split()))


def test_every_shown_command_is_run() -> None:
    assert [command.split()[1] for command, _ in COMMANDS] == ["calls", "show", "grpcurl"]


def test_the_package_is_installed_by_its_name() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert list(project["scripts"]) == ["loom"]
    for command in (f"pipx install {project['name']}", f"uvx --from {project['name']} loom"):
        assert command in TEXT
    assert f"Python {project['requires-python'].removeprefix('>=')} or later" in TEXT


def test_the_pictures_show_the_request_of_the_tutorial() -> None:
    assert REQUEST == EDITED_REQUEST
