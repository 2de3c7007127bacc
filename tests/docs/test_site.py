"""The documents as a site: built strictly, complete, and without a request to any other server."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from playwright.async_api import async_playwright

from tests.support import browser as chromium
from tests.support.loom_process import ROOT

DOCS = ROOT / "docs"
DOCUMENTS = sorted(str(path.relative_to(DOCS)) for path in DOCS.rglob("*.md"))


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site, built strictly: a link that leads nowhere fails."""
    folder = tmp_path_factory.mktemp("site")
    shutil.copy(ROOT / "mkdocs.yml", folder)
    shutil.copytree(DOCS, folder / "docs")
    program = Path(sys.executable).with_name("zensical")
    subprocess.run([program, "build", "--strict"], cwd=folder, check=True, stdout=subprocess.DEVNULL)
    return folder / "build" / "site"


def test_every_document_is_in_the_navigation() -> None:
    text = re.sub(r"!!python\S+", "", (ROOT / "mkdocs.yml").read_text(encoding="utf-8"))
    listed: list[str] = []
    parts: list[object] = [yaml.safe_load(text)["nav"]]
    while parts:
        part = parts.pop()
        if isinstance(part, str):
            listed.append(part)
        elif isinstance(part, dict):
            parts.extend(part.values())
        else:
            assert isinstance(part, list)
            parts.extend(part)
    assert sorted(path for path in listed if "://" not in path) == DOCUMENTS


def test_each_document_is_a_page(site: Path) -> None:
    pages = {re.sub(r"(README)?\.md$", ".html", name) for name in DOCUMENTS} - {".html"} | {"index.html"}
    assert pages <= {str(path.relative_to(site)) for path in site.rglob("*.html")}


async def test_a_page_loads_nothing_from_other_servers(site: Path) -> None:
    requested: list[str] = []
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path=str(chromium.find_or_install()), args=chromium.arguments()
        )
        page = await browser.new_page()
        page.on("request", lambda request: requested.append(request.url))
        await page.goto(
            f"{(site / 'tutorial' / 'first-failing-call.html').as_uri()}", wait_until="networkidle"
        )
        await browser.close()
    assert len(requested) > 1
    assert [url for url in requested if not url.startswith(("file:", "data:", "blob:"))] == []
