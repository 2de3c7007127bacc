"""Breakpoints on the page: set, held items shown, edited and decided on, by keys and by clicks."""

import asyncio
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import grpc.aio
import pytest
import pytest_asyncio
from playwright.async_api import Locator, Page, expect

from tests.page.test_accessibility import violations
from tests.page.test_call import opened
from tests.support.loom_instance import LoomInstance, running_instance
from tests.support.mirror import SERVICE, Mirror, Received, make, running_mirror, thing

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


def chat(
    api: LoomInstance, calls: list[Client], *messages: bytes, timeout: float | None = None, metadata: Any = ()
) -> Client:
    method: Any = api.channel.stream_stream(f"/{SERVICE}/Chat")
    stream = method(iter(messages), timeout=timeout, metadata=metadata)

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
    await expect(strip(page).locator("[data-hold]:not(.over)").filter(has_text=place)).to_have_count(1)
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


@dataclass(frozen=True)
class Key:
    """A key on the only message of a call: what else is done, and what the backend and the client get."""

    key: str
    backend: list[bytes]
    code: grpc.StatusCode = grpc.StatusCode.OK
    typed: str = ""

    def __str__(self) -> str:
        return self.key


ONE, TWO = thing(text="one"), thing(text="two")
KEYS = [
    Key("s", [ONE]),
    Key("x", []),
    Key("u", [ONE, ONE]),
    Key("i", [ONE, TWO], typed='{"text": "two"}'),
    Key("Shift+I", [TWO, ONE], typed='{"text": "two"}'),
    Key("t", [], grpc.StatusCode.NOT_FOUND),
    Key("c", [], grpc.StatusCode.CANCELLED),
    Key("o", [ONE]),
]


@pytest.mark.parametrize("key", KEYS, ids=str)
async def test_each_key_decides_on_the_open_item(
    page: Page, api: LoomInstance, calls: list[Client], key: Key
) -> None:
    await hold_at(api, "request-message")
    await opened(page, api)
    client = chat(api, calls, ONE)
    await open_held(page, "request message 1")
    await page.keyboard.press(key.key)
    if key.typed:
        inserted = page.get_by_role("textbox", name="Message to insert")
        await expect(inserted).to_be_focused()
        await page.keyboard.press("Control+a")
        await page.keyboard.insert_text(key.typed)
        await page.keyboard.press("Control+Enter")
    elif key.key == "t":
        await expect(panel(page).get_by_role("combobox", name="Code")).to_be_focused()
        await page.keyboard.type("NOT")
        await page.keyboard.press("Tab")
        await page.keyboard.type("no such order")
        await page.keyboard.press("Control+Enter")
    await expect(panel(page)).to_have_count(0)
    await expect(strip(page)).to_have_count(0)
    assert (await client.received()).messages == key.backend
    assert await client.code() is key.code
    if key.key == "t":
        assert await client.stream.details() == "no such order"


async def test_a_step_opens_the_next_item_of_the_call_and_run_lets_it_go(
    page: Page, api: LoomInstance, calls: list[Client]
) -> None:
    await hold_at(api, "request-message")
    await opened(page, api)
    client = chat(api, calls, ONE, TWO)
    await open_held(page, "request message 1")
    await page.keyboard.press("n")
    heading = panel(page).get_by_role("heading")
    # The backend answers each message, so that the next item is one of either direction.
    await expect(heading).to_have_text(
        re.compile("Chat (request message 2|response message 1|initial metadata)")
    )
    await page.keyboard.press("o")
    await expect(strip(page)).to_have_count(0)
    assert await client.answer == [ONE, TWO]


async def test_an_edit_that_does_not_fit_is_an_error_where_it_is_and_nothing_is_lost(
    page: Page, api: LoomInstance, calls: list[Client]
) -> None:
    await hold_at(api, "request-message")
    await opened(page, api)
    sent = thing(text="one", parts=[make("Part", name="a", count=3)])
    client = chat(api, calls, sent)
    await open_held(page, "request message 1")
    await page.keyboard.press("e")
    await retype(page, message(page), '"count": 3', '"count": "many"')
    await page.keyboard.press("Control+Enter")
    problem = panel(page).get_by_role("alert")
    await expect(problem).to_contain_text("parts[0].count")
    await expect(panel(page).locator(".cm-lintRange-error")).to_have_text('"count": "many"')
    assert await violations(page, "section[aria-label='Held item']") == []
    # The item is still held, and the text stays: while another call is selected, on Back, in another tab.
    await page.keyboard.press("Escape")
    await page.keyboard.press("Escape")
    await expect(panel(page)).to_have_count(0)
    await page.keyboard.press("j")
    await page.keyboard.press("Enter")
    await page.keyboard.press("2")
    await items(page).click()
    await expect(message(page)).to_contain_text('"many"')
    await page.go_back()
    await expect(panel(page)).to_have_count(0)
    await page.go_forward()
    await expect(message(page)).to_contain_text('"many"')
    await retype(page, message(page), '"many"', "4")
    await expect(panel(page).locator(".cm-lintRange-error")).to_have_count(0)
    await page.keyboard.press("Control+Enter")
    await expect(strip(page)).to_have_count(0)
    assert (await client.received()).messages == [thing(text="one", parts=[make("Part", name="a", count=4)])]


async def test_text_that_is_no_json_is_said_before_anything_is_sent(
    page: Page, api: LoomInstance, calls: list[Client]
) -> None:
    await hold_at(api, "request-message")
    await opened(page, api)
    client = chat(api, calls, ONE)
    await open_held(page, "request message 1")
    await page.keyboard.press("e")
    await retype(page, message(page), '"one"', '"one')
    await page.keyboard.press("Control+Enter")
    await expect(panel(page).get_by_role("alert")).to_contain_text("Not valid JSON")
    await panel(page).get_by_role("button", name="Discard changes").click()
    await expect(panel(page).get_by_role("alert")).to_have_count(0)
    await panel(page).get_by_role("button", name="Send").click()
    assert (await client.received()).messages == [ONE]


async def test_the_item_of_a_call_that_is_over_is_greyed_and_its_edit_goes_into_a_replay(
    page: Page, api: LoomInstance, calls: list[Client]
) -> None:
    await hold_at(api, "request-message")
    await opened(page, api)
    client = chat(api, calls, ONE)
    await open_held(page, "request message 1")
    await page.keyboard.press("e")
    await retype(page, message(page), '"one"', '"later"')
    client.stream.cancel()
    await expect(items(page)).to_contain_text("call over")
    await expect(items(page)).to_have_class(re.compile(r"\bover\b"))
    await expect(strip(page)).to_contain_text("none held")
    await expect(panel(page).get_by_text("The call is over")).to_be_visible()
    await expect(panel(page).get_by_role("button", name="Send")).to_have_count(0)
    await panel(page).get_by_role("button", name="Edit and replay").click()
    request = page.get_by_role("textbox", name="Request message")
    await expect(request).to_contain_text('"later"')
    assert await violations(page) == []
    await items(page).click()
    await page.keyboard.press("x")
    await expect(strip(page)).to_have_count(0)


async def test_metadata_and_the_status_are_edited_too(
    page: Page, api: LoomInstance, calls: list[Client]
) -> None:
    await hold_at(api, "request-metadata", "status")
    await opened(page, api)
    client = chat(api, calls, ONE, metadata=[("x-tenant", "42")])
    await open_held(page, "request metadata")
    await page.keyboard.press("e")
    text = page.get_by_role("textbox", name="Held metadata")
    await retype(page, text, "x-tenant: 42", "x-tenant")
    await page.keyboard.press("Control+Enter")
    await expect(panel(page).get_by_role("alert")).to_contain_text("expected key: value")
    await page.keyboard.press("Control+a")
    await page.keyboard.insert_text("x-tenant: 43")
    await page.keyboard.press("Control+Enter")
    await open_held(page, "status")
    await panel(page).get_by_role("combobox", name="Code").select_option("ABORTED")
    await panel(page).get_by_role("textbox", name="Status message").fill("by hand")
    await page.keyboard.press("Control+Enter")
    assert ("x-tenant", "43") in (await client.received()).metadata
    assert await client.code() is grpc.StatusCode.ABORTED
    assert await client.stream.details() == "by hand"


async def test_the_budget_drains_and_an_edit_that_came_too_late_is_kept(
    page: Page, api: LoomInstance, calls: list[Client]
) -> None:
    await hold_at(api, "request-message", release="after", release_after_ms=3_000_000)
    await opened(page, api)
    client = chat(api, calls, ONE)
    left = items(page).locator(".left")
    await expect(left).to_have_text(re.compile(r"^(50|49)\sm"))
    share = "one => getComputedStyle(one).getPropertyValue('--share')"
    full = float(await items(page).locator(".budget").evaluate(share))
    await page.wait_for_function(
        "full => +getComputedStyle(document.querySelector('[data-hold] .budget')).getPropertyValue('--share') < full",
        arg=full,
    )
    await page.keyboard.press("h")
    await page.keyboard.press("e")
    await retype(page, message(page), '"one"', '"too late"')
    await api.post("/api/holds/resume")  # as its timer does: it goes on unedited, whatever is typed
    assert (await client.received()).messages == [ONE]
    await expect(panel(page).get_by_text("Your edit was not sent.")).to_be_visible()
    await expect(message(page)).to_contain_text('"too late"')


async def test_resume_all_sends_everything(page: Page, api: LoomInstance, calls: list[Client]) -> None:
    await hold_at(api, "request-message")
    await opened(page, api)
    clients = [chat(api, calls, thing(text=str(number))) for number in range(3)]
    await expect(items(page)).to_have_count(3)
    assert (await page.title()).startswith("(3 held) ")
    await page.keyboard.press("h")
    await expect(panel(page)).to_be_visible()
    await page.keyboard.press("Shift+R")
    await expect(strip(page)).to_have_count(0)
    await expect(panel(page)).to_have_count(0)
    assert [await client.answer for client in clients] == [[thing(text=str(number))] for number in range(3)]


async def test_one_switch_turns_off_breakpoints_too(
    page: Page, api: LoomInstance, calls: list[Client]
) -> None:
    await api.post("/api/rules/tables", {"fault": {"name": "late", "match": "method:Say", "delay": "1ms"}})
    await hold_at(api, "request-message")
    await opened(page, api)
    client = chat(api, calls, ONE)
    await expect(items(page)).to_have_count(1)
    chip = page.get_by_role("button", name="altering traffic: 1 fault, 1 breakpoint")
    await expect(chip).to_be_visible()
    switch = page.get_by_role("switch", name="Rules, faults and breakpoints")
    await switch.click()
    await expect(page.get_by_role("button", name="off: 1 fault, 1 breakpoint")).to_be_visible()
    await expect(switch).not_to_be_checked()
    assert await client.answer == [ONE]
    assert await chat(api, calls, TWO).answer == [TWO]
    await expect(strip(page)).to_have_count(0)
    assert not (await api.get("/api/rules"))[1]["enabled"]
    await switch.click()
    await expect(chip).to_be_visible()
    await api.send("DELETE", "/api/rules/tables")


async def test_a_breakpoint_is_set_from_a_row_switched_and_removed(
    page: Page, api: LoomInstance, calls: list[Client]
) -> None:
    call = await api.call("Chat", ONE)
    await opened(page, api)
    await page.locator(f"#call-{call}").click(button="right")
    menu = page.get_by_role("group", name=f"Call {call}")
    await expect(menu).to_be_visible()
    assert await violations(page) == []
    await menu.get_by_role("button", name="Breakpoint on Chat…").click()
    form = page.get_by_role("form", name="Breakpoint")
    await expect(form.get_by_role("button", name="Set breakpoint")).to_be_focused()
    await form.get_by_role("checkbox", name="request message").uncheck()
    await form.get_by_role("checkbox", name="response message").uncheck()
    await page.keyboard.press("Tab")
    await form.get_by_role("button", name="Set breakpoint").click()
    await expect(form.get_by_role("alert")).to_have_text("Choose at least one point.")
    await form.get_by_role("checkbox", name="response message").check()
    assert await violations(page) == []
    await form.get_by_role("textbox", name="Calls").fill("body:x")
    await page.keyboard.press("Enter")
    await expect(form.get_by_role("alert")).to_contain_text("body:")
    await form.get_by_role("textbox", name="Calls").fill("method:Chat")
    await page.keyboard.press("Enter")
    row = page.get_by_role("list", name="Breakpoints").get_by_role("listitem")
    await expect(row).to_contain_text("method:Chat")
    await expect(row).to_contain_text("response message")
    await expect(row).not_to_contain_text("request message")
    assert await violations(page) == []
    client = chat(api, calls, ONE)
    await expect(items(page)).to_contain_text("response message 1")
    await expect(row).to_contain_text("has held 1 item of 1 call")
    await row.get_by_role("switch").click()
    assert await client.answer == [ONE]
    await row.get_by_role("switch").click()
    await expect(page.get_by_role("button", name="holding: 1 breakpoint")).to_be_visible()
    await row.get_by_role("button", name="Remove").click()
    await expect(row).to_have_count(0)
    assert (await api.get("/api/breakpoints"))[1]["breakpoints"] == []


async def test_a_breakpoint_is_set_by_keys_and_in_the_schema_tab(page: Page, api: LoomInstance) -> None:
    call = await api.call("Say", ONE)
    await opened(page, api, f"/calls/{call}/schema")
    await page.get_by_role("button", name="Set a breakpoint…").click()
    await expect(page).to_have_url(re.compile(r"breakpoint=method%3A%2Fmirror\.v1\.Mirror%2FSay"))
    await page.reload()
    form = page.get_by_role("form", name="Breakpoint")
    await expect(form.get_by_role("textbox", name="Calls")).to_have_value("method:/mirror.v1.Mirror/Say")
    await page.keyboard.press("Escape")
    await page.keyboard.press("Escape")
    await expect(form).to_have_count(0)
    await page.keyboard.press("b")
    await form.get_by_role("button", name="Set breakpoint").press("Enter")
    await expect(page.get_by_role("list", name="Breakpoints").get_by_role("listitem")).to_contain_text("Say")
    await page.keyboard.press("b")
    await expect(form.get_by_role("heading", name="Change breakpoint")).to_be_visible()


async def test_a_rule_holds_too_and_the_address_opens_the_item(
    page: Page, api: LoomInstance, calls: list[Client]
) -> None:
    rule = {
        "name": "look at two",
        "match": "method:Chat",
        "when": {"point": "request-message", "body": "two"},
        "do": [{"hold": True}],
    }
    status, _ = await api.post("/api/rules/tables", {"rule": rule})
    assert status == 200
    await opened(page, api)
    await expect(page.get_by_role("button", name="altering traffic: 1 rule")).to_be_visible()
    client = chat(api, calls, ONE, TWO)
    await expect(items(page)).to_contain_text("request message 2")
    await items(page).click()
    await expect(message(page)).to_contain_text('"two"')
    await page.reload()
    await expect(message(page)).to_contain_text('"two"')
    await expect(panel(page)).to_contain_text("Held by look at two")
    await page.keyboard.press("s")
    assert await client.answer == [ONE, TWO]
    await api.send("DELETE", "/api/rules/tables")


async def test_without_a_schema_the_fields_are_edited_by_number(page: Page, calls: list[Client]) -> None:
    async with running_mirror(described=False) as mirror, running_instance(mirror) as api:
        await hold_at(api, "request-message")
        await opened(page, api)
        client = chat(api, calls, thing(text="one", big=5))
        await open_held(page, "request message 1")
        await page.keyboard.press("e")
        fields = panel(page).get_by_role("group", name="No schema")
        await expect(fields.get_by_role("textbox").first).to_be_focused()
        await fields.get_by_role("textbox", name="1", exact=True).fill("edited")
        await fields.get_by_role("textbox", name="3", exact=True).fill("many")
        await page.keyboard.press("Control+Enter")
        await expect(fields.get_by_role("alert")).to_be_visible()
        await expect(fields.get_by_role("textbox", name="3", exact=True)).to_have_attribute(
            "aria-invalid", "true"
        )
        assert await violations(page) == []
        await fields.get_by_role("textbox", name="3", exact=True).fill("6")
        await page.keyboard.press("Control+Enter")
        assert (await client.received()).messages == [thing(text="edited", big=6)]


async def test_a_lost_connection_is_shown_until_it_is_back(page: Page, api: LoomInstance) -> None:
    await hold_at(api, "request-message")
    await page.route("**/api/holds/events", lambda route: route.abort())
    await opened(page, api)
    problem = strip(page).get_by_role("alert")
    await expect(problem).to_contain_text("connection lost")
    await page.unroute("**/api/holds/events")
    await expect(strip(page)).to_have_count(0)


async def test_an_item_that_is_not_held_says_so(page: Page, api: LoomInstance) -> None:
    await opened(page, api, "/?held=999")
    await expect(panel(page).get_by_text("not held any more")).to_be_visible()
    assert await violations(page) == []
    await page.keyboard.press("Escape")
    await page.keyboard.press("h")
    await expect(page.get_by_text("Nothing is held.")).to_be_visible()


@pytest.mark.parametrize("theme", ["light", "dark"])
async def test_axe_finds_nothing(page: Page, api: LoomInstance, calls: list[Client], theme: str) -> None:
    await page.emulate_media(color_scheme=theme, reduced_motion="reduce")  # type: ignore[arg-type]
    await hold_at(api, "request-message", "start")
    await opened(page, api)
    over = chat(api, calls, ONE)
    await expect(items(page)).to_have_count(1)
    over.stream.cancel()
    await expect(items(page)).to_contain_text("call over")
    chat(api, calls, TWO, timeout=60)
    await expect(items(page)).to_have_count(2)
    await open_held(page, "start")
    assert await violations(page) == []
    await page.keyboard.press("s")
    await items(page).filter(has_text="request message 1").click()
    await expect(panel(page).get_by_role("heading", name="request message 1")).to_be_visible()
    await page.keyboard.press("i")
    await expect(page.get_by_role("textbox", name="Message to insert")).to_be_focused()
    assert await violations(page) == []
    await page.keyboard.press("Escape")
    await page.keyboard.press("Escape")
    await page.keyboard.press("t")
    await expect(panel(page).get_by_role("combobox", name="Code")).to_be_focused()
    assert await violations(page) == []
    await page.set_viewport_size({"width": 500, "height": 700})
    assert await violations(page) == []
    assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth")
