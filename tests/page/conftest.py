"""Fixtures: one Chromium per module, one tab per test, which fails on errors and policy violations of the page.

Playwright's asynchronous API, because its synchronous API leaves a running event loop behind, which breaks other
asynchronous tests in the same process.
"""

from collections.abc import AsyncIterator, Iterator

import pytest
import pytest_asyncio
from playwright.async_api import Browser, BrowserContext, Page, async_playwright, expect

from tests.page.fake_feed import FakeFeed, fake_feed
from tests.support import browser as chromium

expect.set_options(timeout=20_000)


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def browser() -> AsyncIterator[Browser]:
    """The installed Chromium."""
    async with async_playwright() as playwright:
        launched = await playwright.chromium.launch(
            executable_path=str(chromium.find_or_install()), args=chromium.arguments()
        )
        yield launched
        await launched.close()


@pytest_asyncio.fixture(loop_scope="module")
async def context(browser: Browser) -> AsyncIterator[BrowserContext]:
    """A new profile with a viewport of 1280 x 800."""
    made = await browser.new_context(
        viewport={"width": 1280, "height": 800}, permissions=["clipboard-read", "clipboard-write"]
    )
    yield made
    await made.close()


@pytest_asyncio.fixture(loop_scope="module")
async def page(context: BrowserContext) -> AsyncIterator[Page]:
    """A tab. An exception, a dialog or a violation of the content security policy fails the test."""
    tab = await context.new_page()
    problems: list[str] = []
    tab.on("pageerror", lambda error: problems.append(f"exception: {error}"))
    tab.on("dialog", lambda dialog: problems.append(f"dialog: {dialog.message}"))
    tab.on(
        "console",
        lambda message: problems.append(message.text) if "Content Security Policy" in message.text else None,
    )
    yield tab
    assert problems == []


@pytest.fixture
def feed() -> Iterator[FakeFeed]:
    """A scripted inspector API."""
    with fake_feed() as made:
        yield made
