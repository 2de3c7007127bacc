"""Held items of real calls: whatever happens to the call meanwhile, each side gets what it would have got."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import grpc
import grpc.aio
import msgspec
import pytest

from loom.api.holds import HOLD_EVENTS
from loom.cli.feed import events
from loom.interception.breakpoints import Breakpoint
from loom.interception.hold import Hold
from loom.interception.holds import Holds
from loom.interception.matching import parse_match
from loom.model.interception import Point
from tests.support.holding import wait_for_change, wait_for_holds
from tests.support.loom_instance import LoomInstance, running_instance
from tests.support.mirror import SERVICE, running_mirror, thing
from tests.support.narrowing import required
from tests.support.raw_calls import unary_unary


@pytest.fixture
async def api() -> AsyncIterator[LoomInstance]:
    async with running_mirror() as mirror, running_instance(mirror) as made:
        yield made


def holds_of(api: LoomInstance) -> Holds:
    return required(api.loom.interceptor).holds


def watch(api: LoomInstance, *points: Point, match: str = "method:Chat,Say") -> Holds:
    """A breakpoint, at which somebody looks."""
    holds = holds_of(api)
    holds.watch()
    holds.add_breakpoint(Breakpoint("b", parse_match(match), frozenset(points)))
    return holds


def send(holds: Holds, hold: Hold) -> None:
    assert holds.decide(hold, hold.decision(hold.items, "sent"))


def chat(api: LoomInstance, **options: Any) -> Any:
    return api.channel.stream_stream(f"/{SERVICE}/Chat")(**options)


def say(api: LoomInstance, **options: Any) -> Any:
    return unary_unary(api.channel, f"/{SERVICE}/Say")(thing(text="a"), **options)


async def test_a_cancellation_reaches_the_target_although_messages_are_held(api: LoomInstance) -> None:
    holds = watch(api, Point.RESPONSE_MESSAGE)
    call = chat(api)
    await call.write(b"a")
    [hold] = await wait_for_holds(holds)
    received = await api.mirror.call(0)
    assert not received.ended.is_set()
    call.cancel()
    async with asyncio.timeout(20):
        await received.ended.wait()
    await wait_for_change(holds, lambda: hold.over)
    assert list(holds) == [hold]


async def test_the_clients_deadline_passes_although_the_target_has_none(api: LoomInstance) -> None:
    holds = watch(api, Point.START)
    call = say(api, timeout=0.6, metadata=(("mirror-hang", "1"),))
    assert await call.code() is grpc.StatusCode.DEADLINE_EXCEEDED
    received = await api.mirror.arrived(0)
    assert received.remaining is None
    async with asyncio.timeout(20):
        await received.ended.wait()
    await api.ended.wait(1)
    _, shown = await api.get("/api/calls/1")
    assert shown["ended_by"] == "deadline"
    effects = [action["effect"] for item in shown["interceptions"] for action in item["actions"]]
    assert effects == ["the target's call has no deadline", "sent shortly before the call's deadline"]
    assert list(holds) == []


async def test_an_item_is_sent_ahead_of_the_deadline_so_that_the_call_succeeds(api: LoomInstance) -> None:
    watch(api, Point.RESPONSE_MESSAGE)
    assert await say(api, timeout=3) == thing(text="a")
    await api.ended.wait(1)
    _, shown = await api.get("/api/calls/1")
    [held] = shown["timing"]["held"][-1:]
    duration = shown["duration_us"]
    assert 0 < held[1] - held[0] < duration
    call = required(api.loom.history.get(1))
    assert call.active_ns == (call.duration_ns or 0) - call.held_ns
    assert api.loom.hub.rates.calls_total == 1


async def test_a_target_that_dies_ends_the_call_behind_what_is_held() -> None:
    async with contextlib.AsyncExitStack() as target:
        mirror = await target.enter_async_context(running_mirror())
        async with running_instance(mirror) as api:
            holds = watch(api, Point.REQUEST_MESSAGE, Point.RESPONSE_MESSAGE)
            call = chat(api)
            await call.write(b"a")
            [request] = await wait_for_holds(holds)
            send(holds, request)
            [response] = await wait_for_holds(holds)
            await target.aclose()
            send(holds, response)
            assert await call.read() == b"a"
            assert await call.code() is grpc.StatusCode.UNAVAILABLE


async def test_a_half_close_does_not_overtake_a_held_message(api: LoomInstance) -> None:
    holds = watch(api, Point.REQUEST_MESSAGE)
    call = chat(api)
    await call.write(b"a")
    await call.done_writing()
    [hold] = await wait_for_holds(holds)
    send(holds, hold)
    assert await call.read() == b"a"
    assert await call.read() is grpc.aio.EOF
    assert await call.code() is grpc.StatusCode.OK


async def test_of_a_thousand_calls_a_hundred_are_held_and_none_is_lost(api: LoomInstance) -> None:
    holds = watch(api, Point.REQUEST_MESSAGE)
    calls = [say(api) for _ in range(1000)]
    await wait_for_change(holds, lambda: len(list(holds)) == 100 and holds.passed_limit == 900)
    holds.resume("sent: resumed")
    assert set(await asyncio.gather(*calls)) == {thing(text="a")}
    assert len(api.mirror.received) == 1000


async def test_pings_are_answered_while_an_item_is_held() -> None:
    pinging = [("grpc.keepalive_time_ms", 400), ("grpc.keepalive_timeout_ms", 400),
               ("grpc.http2.max_pings_without_data", 0)]  # fmt: skip
    async with running_mirror() as mirror, running_instance(mirror, keepalive=0.4) as api:
        holds = watch(api, Point.RESPONSE_MESSAGE)
        async with grpc.aio.insecure_channel(str(api.loom.listen_address), options=pinging) as channel:
            call: Any = channel.stream_stream(f"/{SERVICE}/Chat")()
            await call.write(b"a")
            [hold] = await wait_for_holds(holds)
            released = asyncio.Event()
            asyncio.get_running_loop().call_later(2.5, released.set)  # six intervals, on each of both sides
            await released.wait()
            send(holds, hold)
            assert await call.read() == b"a"
            await call.done_writing()
            assert await call.code() is grpc.StatusCode.OK


async def test_a_call_that_is_held_is_marked_while_it_is(api: LoomInstance) -> None:
    holds = watch(api, Point.REQUEST_MESSAGE)
    call = say(api)
    [hold] = await wait_for_holds(holds)
    api.loom.flush()
    _, page = await api.get("/api/calls?q=is:held%20is:live")
    assert [item["id"] for item in page["calls"]] == [1]
    assert page["calls"][0]["flags"] == ["held"]
    send(holds, hold)
    assert await call == thing(text="a")
    await api.ended.wait(1)
    _, shown = await api.get("/api/calls/1")
    assert [item["actions"][0]["effect"] for item in shown["interceptions"]] == ["sent"]


async def test_who_follows_what_is_held_looks_and_sees_each_change(api: LoomInstance) -> None:
    await api.post("/api/breakpoints", {"match": "method:Say", "name": "b"})
    follower = aiohttp.ClientSession()
    async with follower, follower.get(f"http://{api.loom.ui_address}/api/holds/events") as response:
        followed = events(response, HOLD_EVENTS)
        _, first = await anext(followed)
        assert (first.watched, first.holds) == (True, [])
        call = say(api)
        async with asyncio.timeout(20):
            while not (shown := (await anext(followed))[1]).holds:
                pass
        assert [(hold.call_id, hold.names) for hold in shown.holds] == [(1, ["b"])]
        _, decided = await api.post(f"/api/holds/{shown.holds[0].id}", {"then": "run"})
        assert decided["seq"] > shown.seq
        assert await call == thing(text="a")
    holds = holds_of(api)
    await wait_for_change(holds, lambda: not holds.watched)
    call = say(api)
    assert await call == thing(text="a")
    assert holds.passed_unwatched == 1


async def test_the_feed_says_that_breakpoints_are_set(api: LoomInstance) -> None:
    async with api.http.get("/api/events") as response:
        followed = events(response, {"hello": dict, "breakpoints": dict})
        await anext(followed)
        await api.post("/api/breakpoints", {"match": "method:Say", "name": "b"})
        async with asyncio.timeout(20):
            _, state = await anext(followed)
        assert [item["name"] for item in state["breakpoints"]] == ["b"]
        assert msgspec.json.encode(state)


async def test_breakpoints_are_switched_replaced_and_removed(api: LoomInstance) -> None:
    holds = holds_of(api)
    holds.watch()
    await api.post("/api/breakpoints", {"match": "method:Say", "name": "b", "points": ["status"]})
    call = say(api)
    await wait_for_holds(holds)
    _, state = await api.post("/api/breakpoints/switch", {"enabled": False})
    assert ([item["enabled"] for item in state["breakpoints"]], state["holding"]) == ([False], 0)
    assert await call == thing(text="a")
    _, made = await api.post("/api/breakpoints", {"match": "method:Say", "name": "b"})
    assert (made["enabled"], made["points"]) == (True, ["request-message", "response-message"])
    async with api.http.delete("/api/breakpoints?name=b") as answer:
        assert (await answer.json())["breakpoints"] == []
    async with api.http.delete("/api/breakpoints?name=b") as answer:
        assert (answer.status, (await answer.json())["error"]["field"]) == (404, "name")
    status, refused = await api.post("/api/breakpoints", {"match": "status:OK"})
    assert (status, refused["error"]["column"]) == (400, 0)
    for number in range(100):
        holds.add_breakpoint(Breakpoint(f"b{number}", parse_match(""), frozenset({Point.STATUS})))
    assert (await api.post("/api/breakpoints", {}))[0] == 422
