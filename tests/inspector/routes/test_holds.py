"""Breakpoints over HTTP: an item is held, shown, edited and sent, and errors say what does not fit."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import grpc.aio
import pytest

from loom.interception.holds import Holds
from tests.support.holding import wait_for_change, wait_for_holds
from tests.support.loom_instance import LoomInstance, running_instance
from tests.support.mirror import SERVICE, running_mirror, thing
from tests.support.narrowing import required

UNKNOWN = b"\xfa\x07\x03abc"  # field 127, which the schema does not know


@asynccontextmanager
async def instance(**settings: Any) -> AsyncIterator[LoomInstance]:
    async with running_mirror() as mirror, running_instance(mirror, **settings) as api:
        holds_of(api).watch()  # who sets a breakpoint counts as looking for five seconds only
        yield api


def holds_of(api: LoomInstance) -> Holds:
    return required(api.loom.interceptor).holds


def stream(api: LoomInstance, method: str = "Chat", **options: Any) -> Any:
    return api.channel.stream_stream(f"/{SERVICE}/{method}")(**options)


async def hold_one(api: LoomInstance, message: bytes, **body: Any) -> tuple[Any, dict[str, Any]]:
    """Set a breakpoint on messages of requests, and write one; the call, and the message as it is held."""
    body = {"match": "method:Chat", "points": ["request-message"], "name": "b"} | body
    assert (await api.post("/api/breakpoints", body))[0] == 200
    call = stream(api)
    await call.write(message)
    await wait_for_holds(holds_of(api))
    _, listed = await api.get("/api/holds")
    [hold] = listed["holds"]
    return call, dict(hold)


async def test_the_third_message_of_an_open_stream_is_held_edited_and_sent() -> None:
    async with instance() as api:
        await api.post("/api/breakpoints", {"match": "method:Chat", "points": ["request-message"]})
        call = stream(api)
        for text in ("one", "two"):
            await call.write(thing(text=text))
            [hold] = await wait_for_holds(holds_of(api))
            assert (await api.post(f"/api/holds/{hold.id}", {}))[0] == 200
            assert await call.read() == thing(text=text)
        await call.write(thing(text="three", big=3) + UNKNOWN)
        await wait_for_holds(holds_of(api))
        _, listed = await api.get("/api/holds")
        [hold_json] = listed["holds"]
        assert (hold_json["call_id"], hold_json["point"], hold_json["index"]) == (1, "request-message", 2)
        assert (hold_json["names"], hold_json["method"]) == (["breakpoint 1"], f"/{SERVICE}/Chat")
        _, detail = await api.get(f"/api/holds/{hold_json['id']}")
        edited = detail["message"]["json"] | {"text": "3"}
        _, listed = await api.post(f"/api/holds/{hold_json['id']}", {"json": edited})
        assert listed["holds"] == []
        expected = thing(text="3", big=3) + UNKNOWN
        assert await call.read() == expected
        await call.done_writing()
        assert await call.read() is grpc.aio.EOF
        assert api.mirror.received[0].messages == [thing(text="one"), thing(text="two"), expected]
        await api.ended.wait(1)
        _, shown = await api.get("/api/calls/1")
        assert shown["flags"] == ["modified", "held"]
        effects = [item["actions"][0]["effect"] for item in shown["interceptions"]]
        assert effects == ["sent", "sent", "edited and sent"]
        assert {item["actions"][0]["kind"] for item in shown["interceptions"]} == {"breakpoint"}
        assert [item["altered"] for item in shown["interceptions"]] == [False, False, True]


@pytest.mark.parametrize(
    ("body", "field", "message"),
    [
        ({"json": {"big": "many"}}, "json.big", "big"),
        ({"json": {"nothing": 1}}, "json.nothing", "nothing"),
        ({"fields": [{"path": "text", "value": "x"}, {"path": "text["}]}, "fields[1].path", "text["),
        ({"fields": [{"path": "1", "value": 1}]}, "fields[0]", "field 1"),
        ({"metadata": []}, "metadata", "no metadata to edit at request-message"),
        ({"status": {"code": "OK"}}, "status", "no status to edit at request-message"),
        ({"action": "answer"}, "status", "to answer takes a status"),
        ({"action": "answer", "status": {"code": "NOPE"}}, "status", "unknown status 'NOPE'"),
        ({"action": "insert-after"}, "json", "to insert takes a message"),
        ({"action": "edit"}, "action", "nothing was edited"),
        ({"deadline_ms": 5}, "deadline_ms", "there is no deadline"),
    ],
)
async def test_what_does_not_fit_is_said_and_the_item_stays(
    body: dict[str, Any], field: str, message: str
) -> None:
    async with instance() as api:
        call, hold = await hold_one(api, thing(text="a"))
        status, answer = await api.post(f"/api/holds/{hold['id']}", body)
        assert (status, answer["error"]["field"]) == (422, field)
        assert message in answer["error"]["message"]
        assert (await api.get("/api/holds"))[1]["holds"][0]["id"] == hold["id"]
        call.cancel()


async def test_without_a_schema_fields_are_edited_by_number() -> None:
    async with running_mirror(described=False) as mirror, running_instance(mirror) as api:
        holds_of(api).watch()
        call, hold = await hold_one(api, thing(text="a", big=7))
        status, answer = await api.post(f"/api/holds/{hold['id']}", {"json": {"text": "b"}})
        assert (status, answer["error"]["field"]) == (422, "json")
        assert "schema of the message is not known" in answer["error"]["message"]
        fields = [{"path": "1", "value": "b"}, {"path": "3", "delete": True}]
        assert (await api.post(f"/api/holds/{hold['id']}", {"fields": fields}))[0] == 200
        assert await call.read() == thing(text="b")
        call.cancel()


async def test_a_large_message_is_edited_elsewhere_and_keeps_the_rest() -> None:
    async with instance() as api:
        text = "x" * 400_000
        call, hold = await hold_one(api, thing(text=text, big=1) + UNKNOWN)
        assert hold["size"] == len(thing(text=text, big=1) + UNKNOWN)
        edit = {"fields": [{"path": "big", "value": 2}]}
        assert (await api.post(f"/api/holds/{hold['id']}", edit))[0] == 200
        assert await call.read() == thing(text=text, big=2) + UNKNOWN
        call.cancel()


async def test_metadata_is_edited_and_secrets_stay_masked() -> None:
    async with instance() as api:
        body = {"match": "method:Chat", "points": ["request-metadata"]}
        assert (await api.post("/api/breakpoints", body))[0] == 200
        call = stream(api, metadata=(("authorization", "Bearer s3cret"), ("x-a", "1")))
        [hold] = await wait_for_holds(holds_of(api))
        _, detail = await api.get(f"/api/holds/{hold.id}")
        items = [{"key": item["key"], "value": item["value"]} for item in detail["metadata"]]
        shown = {item["key"]: item["value"] for item in items}
        assert "s3cret" not in shown["authorization"]
        edited = [item | {"value": "2"} if item["key"] == "x-a" else item for item in items]
        bad = {"metadata": [*edited, {"key": "X Y", "value": "1"}]}
        status, answer = await api.post(f"/api/holds/{hold.id}", bad)
        assert (status, answer["error"]["field"].startswith("metadata[")) == (422, True)
        assert (await api.post(f"/api/holds/{hold.id}", {"metadata": edited}))[0] == 200
        await call.write(thing(text="a"))
        received = dict((await api.mirror.call(0)).metadata)
        assert (received["authorization"], received["x-a"]) == ("Bearer s3cret", "2")
        call.cancel()


async def test_an_item_whose_call_is_over_can_only_be_dropped() -> None:
    async with instance() as api:
        call, hold = await hold_one(api, thing(text="a"))
        _, saved = await api.post(f"/api/holds/{hold['id']}", {"action": "edit", "json": {"text": "b"}})
        assert saved["holds"][0]["edited"]
        call.cancel()
        holds = holds_of(api)
        await wait_for_change(holds, lambda: all(item.over for item in holds))
        _, detail = await api.get(f"/api/holds/{hold['id']}")
        assert (detail["over"], detail["message"]["json"], detail["release_us"]) == (
            True,
            {"text": "b"},
            None,
        )
        assert (await api.post(f"/api/holds/{hold['id']}", {}))[0] == 409
        _, left = await api.post(f"/api/holds/{hold['id']}", {"action": "drop"})
        assert left["holds"] == []
        assert (await api.get(f"/api/holds/{hold['id']}"))[0] == 404
        assert (await api.post("/api/holds/resume"))[0] == 200


async def test_the_wire_engine_has_no_breakpoints() -> None:
    async with running_mirror() as mirror, running_instance(mirror, engine="wire") as api:
        for path in ("/api/breakpoints", "/api/holds", "/api/holds/events"):
            status, answer = await api.get(path)
            assert (status, answer["error"]["hint"]) == (404, "the relay engine can: --engine relay")
