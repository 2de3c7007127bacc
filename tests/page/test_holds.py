"""Breakpoints on the page: set, held items shown, edited and decided on, by keys and by clicks."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import grpc.aio
import pytest
import pytest_asyncio
from playwright.async_api import Locator, Page, expect

from tests.page.test_call import opened
from tests.support.loom_instance import LoomInstance, running_instance
from tests.support.mirror import SERVICE, Mirror, Received, running_mirror, thing

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.xdist_group("page")]
UNKNOWN = b"\xf8\x3e\x01"  # field 1007, which the schema does not have


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def instance() -> AsyncIterator[LoomInstance]:
    async with running_mirror() as mirror, running_instance(mirror) as made:
        yield made


@pytest_asyncio.fixture(loop_scope="module")
async def api(instance: LoomInstance) -> AsyncIterator[LoomInstance]:
    """A Loom without breakpoints."""
    yield instance
    await instance.send("DELETE", "/api/breakpoints")
    await instance.post("/api/holds/resume")
    for hold in (await instance.get("/api/holds"))[1]["holds"]:
        await instance.post(f"/api/holds/{hold['id']}", {"action": "drop"})


async def hold_at(api: LoomInstance, *points: str, match: str = "method:Chat", **options: Any) -> None:
    status, _ = await api.post(
        "/api/breakpoints", {"match": match, "points": list(points), "name": "look", **options}
    )
    assert status == 200


@dataclass
class Client:
    """A call of the method Chat, with all its messages in flight, and what the backend makes of it."""

    answer: asyncio.Task[list[bytes]]
    stream: Any
    mirror: Mirror
    number: int

    async def received(self) -> Received:
        """The call as it reached the backend, once it has ended there."""
        call = await self.mirror.arrived(self.number)
        await call.ended.wait()
        return call

    async def code(self) -> grpc.StatusCode:
        return await self.stream.code()  # type: ignore[no-any-return]


@pytest_asyncio.fixture(loop_scope="module")
async def calls() -> AsyncIterator[list[Client]]:
    """The calls that a test has made; those that are still open are cancelled."""
    made: list[Client] = []
    yield made
    for client in made:
        client.stream.cancel()
        await asyncio.wait([client.answer])


def chat(api: LoomInstance, calls: list[Client], *messages: bytes, timeout: float | None = None) -> Client:
    method: Any = api.channel.stream_stream(f"/{SERVICE}/Chat")
    stream = method(iter(messages), timeout=timeout)

    async def read() -> list[bytes]:
        return [message async for message in stream]

    client = Client(asyncio.ensure_future(read()), stream, api.mirror, len(api.mirror.received))
    calls.append(client)
    return client


def strip(page: Page) -> Locator:
    return page.get_by_role("region", name="Held items")


def items(page: Page) -> Locator:
    return strip(page).locator("[data-hold]")


def panel(page: Page) -> Locator:
    return page.get_by_role("region", name="Held item", exact=True)


def message(page: Page) -> Locator:
    return page.get_by_role("textbox", name="Held message")


async def retype(page: Page, editor: Locator, before: str, after: str) -> None:
    """Replace a text in an editor by typing."""
    await expect(editor).to_contain_text(before)
    text = await editor.inner_text()
    await editor.focus()
    await page.keyboard.press("Control+a")
    await page.keyboard.insert_text(text.replace(before, after))
    await expect(editor).to_contain_text(after)


async def open_held(page: Page, place: str) -> None:
    """Open the item that is held, by its key."""
    await expect(items(page).filter(has_text=place)).to_have_count(1)
    await page.keyboard.press("h")
    await expect(panel(page).get_by_role("heading", name=place)).to_be_visible()


async def test_the_third_message_of_a_stream_is_edited_on_the_page_and_nothing_else(
    page: Page, api: LoomInstance, calls: list[Client]
) -> None:
    await opened(page, api)
    await hold_at(api, "request-message")
    await expect(page.get_by_role("button", name="holding: 1 breakpoint")).to_be_visible()
    sent = [
        thing(text=text, big=2**60 + 1, numbers=[3, 1]) + UNKNOWN for text in ("one", "two", "three", "four")
    ]
    client = chat(api, calls, *sent)
    for number in (1, 2):
        await open_held(page, f"request message {number}")
        await page.keyboard.press("s")
    await open_held(page, "request message 3")
    assert (await page.title()).startswith("(1 held) ")
    await page.keyboard.press("e")
    await expect(message(page)).to_be_focused()
    await retype(page, message(page), '"three"', '"edited"')
    await expect(panel(page).get_by_role("button", name="Send edited")).to_be_visible()
    await page.keyboard.press("Control+Enter")
    await open_held(page, "request message 4")
    await page.keyboard.press("s")
    await expect(strip(page)).to_have_count(0)
    expected = [*sent[:2], thing(text="edited", big=2**60 + 1, numbers=[3, 1]) + UNKNOWN, sent[3]]
    assert (await client.received()).messages == expected
    assert await client.answer == expected
    assert not (await page.title()).startswith("(")
