"""Calls listed and found over HTTP, in memory and in the session on disk."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from loom.archive.archive import Archive
from loom.archive.stored_descriptors import DescriptorRegistry
from loom.model import Call, StoredDescriptorSet
from tests.inspector.storing_instance import storing_instance
from tests.support.child_processes import kill_children
from tests.support.databases import change
from tests.support.mirror import SERVICE, Mirror, thing
from tests.support.narrowing import required


@pytest.mark.parametrize("session", ["default", None])
async def test_filters_are_answered(mirror: Mirror, tmp_path: Path, session: str | None) -> None:
    async with storing_instance(mirror, tmp_path, session=session) as at:
        await at.call("Alice")
        await at.call("Bob", **{"x-tenant": "42", "mirror-code": "5"})
        await at.get("/api/calls/1/messages")  # somebody looks: the schema is there from now on
        assert await at.ids("status:NOT_FOUND") == [2]
        assert await at.ids("/Say$/") == [1, 2]
        assert await at.ids("meta:x-tenant=42") == [2]
        assert await at.ids("body:text=alice") == [1]
        assert await at.ids("method:Say", limit=1) == [2]
        assert await at.ids("method:Say", before=2) == [1]
        assert await at.ids("body:a", after=1) == []
        error = await at.get("/api/calls", 400, q="order status:FOO")
        assert error["error"]["column"] == 13
        events = await at.search("body:bob")
        assert [call["id"] for kind, body in events if kind == "found" for call in body["calls"]] == [2]
        assert events[-1] == ("done", {"searched": 2, "found": 1, "problems": []})
        assert (await at.get("/api/search", 400, q='body:"'))["error"]["column"] == 5
        events = await at.search("body:b meta:user-agent", limit=1, before=3)
        assert [call["id"] for kind, body in events if kind == "found" for call in body["calls"]] == [2]


@pytest.mark.parametrize("times", [1, 2])
async def test_a_filter_whose_process_is_killed(
    mirror: Mirror, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, times: int
) -> None:
    left = times

    async def killing(_: DescriptorRegistry) -> list[StoredDescriptorSet]:
        """The first step of sending calls to the process."""
        nonlocal left
        if left:
            left -= 1
            kill_children()
        return []

    monkeypatch.setattr(DescriptorRegistry, "stored", killing)
    async with storing_instance(mirror, tmp_path, session=None) as at:
        await at.call("Alice")
        if times == 1:
            assert await at.ids("body:alice") == [1]
        else:
            error = await at.get("/api/calls", 503, q="body:alice")
            assert error["error"]["message"].startswith(
                "the search process died, and so did a second one (signal 9 (SIGKILL); "
            )
        assert await at.ids("body:alice") == [1]
        left = times
        events = await at.search("body:alice")
        assert events[-1][0] == ("done" if times == 1 else "failed")
        left = times
        async with at.http.get(f"{at.base}/api/export") as answer:
            assert answer.status == (200 if times == 1 else 503)
            text = await answer.text()
        assert ("try again" in text) == (times == 2)


async def test_a_filter_that_nobody_waits_for_is_given_up(
    mirror: Mirror, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, given_up = asyncio.Event(), asyncio.Event()

    async def endless(*_: object) -> None:
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            given_up.set()

    monkeypatch.setattr(Archive, "list_matching", endless)
    async with storing_instance(mirror, tmp_path) as at:
        asking = asyncio.create_task(at.ids("body:x"))
        await begun.wait()
        asking.cancel()
        await given_up.wait()


async def test_what_is_no_longer_in_memory_is_found_on_disk(mirror: Mirror, tmp_path: Path) -> None:
    async with storing_instance(mirror, tmp_path, history_bytes=256 * 1024) as at:
        for number in range(1, 11):
            await at.call(f"{number} " + "x" * 30_000)
        at.loom.flush()
        assert at.loom.history.get(1) is None
        assert await at.ids("method:Say") == list(range(1, 11))
        assert await at.ids("method:Say", limit=9) == list(range(2, 11))
        assert await at.ids("body:1*x bytes:>1") == [1, 10]
        assert (await at.get("/api/calls/1"))["bytes"][0] > 30_000
        assert (await at.get("/api/calls/1/messages/0"))["json"]["text"].startswith("1 x")
        assert (await at.get("/api/calls/11", 404))["error"]["evicted"] is False


async def test_without_a_filter_the_session_is_listed_too(mirror: Mirror, tmp_path: Path) -> None:
    async with storing_instance(mirror, tmp_path, history_bytes=256 * 1024) as at:

        async def listed(**query: Any) -> tuple[list[int], bool]:
            answer = await at.get("/api/calls", **query)
            return [call["id"] for call in answer["calls"]], answer["more"]

        for number in range(1, 11):
            await at.call(f"{number} " + "x" * 30_000)
        at.loom.flush()
        oldest = at.loom.history.oldest_id
        assert 4 < oldest < 10
        assert await listed() == (list(range(1, 11)), False)
        assert await listed(limit=10) == (list(range(1, 11)), False)
        assert await listed(limit=9) == (list(range(2, 11)), True)
        assert await listed(limit=1) == ([10], True)
        assert await listed(limit=11 - oldest) == (list(range(oldest, 11)), True)
        assert await listed(before=4) == ([1, 2, 3], False)
        assert await listed(before=4, limit=2) == ([2, 3], True)
        assert await listed(before=1) == ([], False)
        assert await listed(memory=1) == (list(range(oldest, 11)), False)
        assert await listed(memory=1, before=9, limit=1) == ([8], True)
        assert await listed(after=oldest, limit=1) == ([oldest + 1], True)
        assert await listed(q="method:Say", limit=10) == (list(range(1, 11)), False)
        assert await listed(q="method:Say", limit=9) == (list(range(2, 11)), True)


async def test_a_call_in_flight_does_not_hide_those_that_only_the_session_has(
    mirror: Mirror, tmp_path: Path
) -> None:
    async with storing_instance(mirror, tmp_path, history_bytes=256 * 1024) as at:
        multi: Any = at.channel.stream_stream(f"/{SERVICE}/Say")
        open_stream = multi()
        await open_stream.write(thing(text="still there"))
        await at.started.wait(1)
        for number in range(2, 11):
            await at.call(f"{number} " + "x" * 30_000)
        at.loom.flush()
        assert at.loom.history.oldest_id > 3
        assert await at.ids("method:Say") == list(range(1, 11))
        assert [call["id"] for call in (await at.get("/api/calls"))["calls"]] == list(range(1, 11))
        open_stream.cancel()


async def test_what_cannot_be_read_is_said(
    mirror: Mirror, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with storing_instance(mirror, tmp_path) as at:
        for number in range(3):
            await at.call(str(number))
            at.loom.flush()
            store = at.loom.store
            assert store is not None
            assert store.flush()
    change(required(store).path, "UPDATE batches SET events = x'dc00' WHERE first_id = 2")
    async with storing_instance(mirror, tmp_path) as at:
        [problem] = (await at.get("/api/stats"))["sinks"]["session"]["problems"]
        assert problem.endswith("is damaged and was skipped: it is not compressed")
        answer = await at.get("/api/calls", q="body:/./")
        assert ([call["id"] for call in answer["calls"]], answer["problems"]) == ([1, 3], [problem])
        caplog.clear()
        await at.download()
        assert f"an export is incomplete: {problem}" in caplog.text


async def test_an_earlier_run_decodes_with_its_backend_gone(mirror: Mirror, tmp_path: Path) -> None:
    async with storing_instance(mirror, tmp_path) as at:
        await at.call("Alice")
        assert (await at.get("/api/calls/1/messages/0"))["json"] == {"text": "Alice"}
    async with storing_instance(None, tmp_path) as at:
        listed = (await at.get("/api/calls"))["calls"]
        assert [(call["id"], call["flags"], call["kind"]) for call in listed] == [(1, ["restored"], "unary")]
        view = await at.get("/api/calls/1/messages/0")
        assert (view["json"], view["source"]) == ({"text": "Alice"}, "reflection v1alpha, stored")
        assert await at.ids("body:text=alice") == [1]
        await at.call("nobody there")
        assert (await at.get("/api/calls/2"))["status"]["name"] == "UNAVAILABLE"


async def test_cleared_calls_do_not_come_back(mirror: Mirror, tmp_path: Path) -> None:
    async with storing_instance(mirror, tmp_path) as at:
        await at.call("Alice")
        async with at.http.delete(f"{at.base}/api/calls") as answer:
            assert await answer.json() == {"cleared": 1}
        await at.call("Bob")
        assert await at.ids("body:Say -body:Alice") == []
        assert await at.ids("body:/./") == [2]
        gone = (await at.get("/api/calls/1", 404))["error"]
        assert (gone["message"], gone["evicted"]) == ("call 1 was cleared", True)
        assert "--history-bytes" not in gone["hint"]
    async with storing_instance(mirror, tmp_path) as at:
        assert [call["id"] for call in (await at.get("/api/calls"))["calls"]] == [2]
        assert (await at.get("/api/calls/1", 404))["error"]["message"] == "call 1 was cleared"


async def test_a_session_in_use_costs_the_second_loom_its_session_only(
    mirror: Mirror, tmp_path: Path
) -> None:
    async with storing_instance(mirror, tmp_path) as first, storing_instance(mirror, tmp_path) as second:
        await first.call("Alice")
        await second.call("Bob")
        status = (await second.get("/api/stats"))["sinks"]["session"]
        assert "is in use by another Loom" in status["error"]
        assert await second.ids("body:bob") == [1]
        first.loom.flush()
        assert isinstance(first.loom.history.get(1), Call)
