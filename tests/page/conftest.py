"""A Chromium for each module of tests, a page for each test, and what the page may not do: fail or break its policy.

Playwright's asynchronous interface, because its synchronous one leaves a running event loop behind, which
every other asynchronous test of the same process would trip over.
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
    """Chromium, as the machine has it."""
    async with async_playwright() as playwright:
        launched = await playwright.chromium.launch(
            executable_path=str(chromium.find_or_install()), args=chromium.arguments()
        )
        yield launched
        await launched.close()


@pytest_asyncio.fixture(loop_scope="module")
async def context(browser: Browser) -> AsyncIterator[BrowserContext]:
    """A fresh profile, 1280 by 800."""
    made = await browser.new_context(
        viewport={"width": 1280, "height": 800}, permissions=["clipboard-read", "clipboard-write"]
    )
    yield made
    await made.close()


@pytest_asyncio.fixture(loop_scope="module")
async def page(context: BrowserContext) -> AsyncIterator[Page]:
    """A tab; an exception in it, a dialog or a breach of the content security policy fails the test."""
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
    """An API that does what the test says."""
    with fake_feed() as made:
        yield made
