"""loom.testing around a real server: what passes is waited for and asserted on, sync and async."""

import asyncio
import gc
import threading
from collections.abc import AsyncIterator
from typing import Any, Literal

import grpc
import grpc.aio
import pytest

from loom.errors import LoomError
from loom.recording.query import FilterError
from loom.testing import (
    AsyncLoomProxy,
    CallNotFound,
    LoomProxy,
    ProxyOptions,
    UnexpectedCall,
)
from tests.support.mirror import PROTO, SERVICE, Mirror, running_mirror, thing


@pytest.fixture
async def mirror() -> AsyncIterator[Mirror]:
    async with running_mirror() as running:
        yield running


@pytest.fixture
async def proxy(mirror: Mirror) -> AsyncIterator[AsyncLoomProxy]:
    async with AsyncLoomProxy(mirror.address) as running:
        yield running


async def call(proxy: AsyncLoomProxy, method: str, *messages: bytes, **options: Any) -> None:
    async with grpc.aio.insecure_channel(proxy.address) as channel:
        stream: Any = channel.stream_stream(f"/{SERVICE}/{method}")
        try:
            async for _ in stream(iter(messages), **options):
                pass
        except grpc.aio.AioRpcError:
            pass


async def test_a_call_that_passed_is_there_whole(proxy: AsyncLoomProxy) -> None:
    metadata = (("x-tenant", "42"), ("x-tenant", "again"), ("a-bin", b"\x00"))
    await call(proxy, "Say", thing(text="hello", big=5), metadata=metadata, timeout=30)
    recorded_call = await proxy.wait_for_call("method:Say")
    assert recorded_call.method == f"/{SERVICE}/Say"
    assert recorded_call.kind == "unary"
    assert (recorded_call.status, recorded_call.code, recorded_call.message, recorded_call.ended_by) == (
        "OK",
        0,
        "",
        "backend",
    )
    assert recorded_call.request.json == {"text": "hello", "big": "5"}
    assert recorded_call.response.data == thing(text="hello", big=5)
    assert recorded_call.metadata("x-tenant") == ["42", "again"]
    assert recorded_call.metadata("a-bin") == [b"\x00"]
    assert ("mirrored", "1") in recorded_call.trailing_metadata
    assert recorded_call.deadline is not None
    assert 25 < recorded_call.deadline <= 31
    assert 0 < recorded_call.duration < 30
    assert str(recorded_call).endswith("unary ↑1 ↓1 OK")


async def test_waits_give_each_call_once_in_order(proxy: AsyncLoomProxy) -> None:
    for text in ("one", "two", "three"):
        await call(proxy, "Say", thing(text=text))
    await call(proxy, "Chat", thing(text="chat"))
    assert (await proxy.wait_for_call("method:Say")).request.json == {"text": "one"}
    assert [item.request.json["text"] for item in await proxy.wait_for_calls(2, "method:Say")] == [
        "two",
        "three",
    ]
    assert (await proxy.wait_for_call()).kind == "bidi"
    assert len(await proxy.calls()) == 4
    with pytest.raises(CallNotFound):
        await proxy.wait_for_call(timeout=0.01)


async def test_a_wait_begins_before_the_call(proxy: AsyncLoomProxy) -> None:
    waiting = asyncio.create_task(proxy.wait_for_call("status:FAILED_PRECONDITION", timeout=30))
    await call(proxy, "Say", b"")
    await call(proxy, "Say", b"", metadata=[("mirror-code", "9")])
    recorded_call = await waiting
    assert (recorded_call.status, recorded_call.message) == ("FAILED_PRECONDITION", "as asked")


async def test_filters_see_metadata_and_bodies(proxy: AsyncLoomProxy) -> None:
    await call(proxy, "Say", thing(text="alice"), metadata=[("x-tenant", "42")])
    await call(proxy, "Say", thing(text="bob"))
    assert (await proxy.wait_for_call("meta:x-tenant=42")).request.json == {"text": "alice"}
    assert (await proxy.wait_for_call('body:"bob"')).request.json == {"text": "bob"}


async def test_a_call_that_did_not_come_is_told_with_those_that_did(proxy: AsyncLoomProxy) -> None:
    await call(proxy, "Say", b"", metadata=[("mirror-code", "5")])
    await proxy.wait_for_call()
    with pytest.raises(CallNotFound) as caught:
        await proxy.wait_for_calls(2, "method:Chat", timeout=0.01)
    text = str(caught.value)
    assert text.startswith("no 2 calls that match 'method:Chat' within 0.01 s.")
    assert f"#1 /{SERVICE}/Say" in text
    assert "NOT_FOUND: as asked" in text
    with pytest.raises(CallNotFound, match=r"^no call that matches 'method:Chat' within"):
        await proxy.wait_for_call("method:Chat", timeout=0.01)


async def test_a_call_that_must_not_come(proxy: AsyncLoomProxy) -> None:
    await proxy.assert_no_call()
    await call(proxy, "Say", b"")
    await proxy.wait_for_call()
    await proxy.assert_no_call("method:Chat")
    with pytest.raises(UnexpectedCall, match="1 call that matches 'method:Say' passed"):
        await proxy.assert_no_call("method:Say")
    await proxy.clear()
    await proxy.assert_no_call()


async def test_streams_and_what_is_not_the_only_message(proxy: AsyncLoomProxy) -> None:
    await call(proxy, "Spread", thing(text="x"))
    recorded_call = await proxy.wait_for_call()
    assert [item.json for item in recorded_call.responses] == [{"text": "x"}] * 3
    assert recorded_call.responses[0].after <= recorded_call.responses[2].after <= recorded_call.duration
    with pytest.raises(AssertionError, match="3 response messages"):
        _ = recorded_call.response


async def test_a_bad_filter_and_a_bad_target_say_what_is_wrong(proxy: AsyncLoomProxy) -> None:
    with pytest.raises(FilterError):
        await proxy.wait_for_call("status:")
    with pytest.raises(LoomError, match="expected HOST:PORT"):
        AsyncLoomProxy("nonsense")


async def test_messages_are_decoded_by_files_or_said_not_to_be() -> None:
    async with running_mirror(described=False) as mirror:
        async with AsyncLoomProxy(mirror.address, proto=[PROTO]) as proxy:
            await call(proxy, "Say", thing(text="x"))
            assert (await proxy.wait_for_call()).request.json == {"text": "x"}
        async with AsyncLoomProxy(mirror.address) as proxy:
            await call(proxy, "Say", thing(text="x"))
            recorded_call = await proxy.wait_for_call()
            assert recorded_call.request.json is None
            assert recorded_call.request.error
            assert recorded_call.request.data == thing(text="x")


def blocking(address: str) -> None:
    """What a test without a loop does: a sync client, a sync watch."""
    with LoomProxy(address, page=True) as proxy:
        assert isinstance(proxy, LoomProxy)
        assert proxy.page_url is not None
        with grpc.insecure_channel(proxy.address) as channel:
            say: Any = channel.unary_unary(f"/{SERVICE}/Say")
            assert say(thing(text="sync")) == thing(text="sync")
        recorded_call = proxy.wait_for_call("method:Say")
        assert recorded_call.request.json == {"text": "sync"}
        assert [item.id for item in proxy.calls()] == [recorded_call.id]
        assert f"/{SERVICE}/Say" in str(proxy)
        with pytest.raises(CallNotFound):
            proxy.wait_for_call("method:Chat", timeout=0.01)
        with pytest.raises(UnexpectedCall):
            proxy.assert_no_call()
        proxy.clear()
        proxy.assert_no_call()
        with pytest.raises(FilterError):
            proxy.calls("status:")


async def test_without_a_loop(mirror: Mirror) -> None:
    await asyncio.to_thread(blocking, mirror.address)
    assert not any(thread.name == "loom-testing" for thread in threading.enumerate())


async def test_the_process_of_the_test_keeps_its_garbage_collector(mirror: Mirror) -> None:
    before = gc.get_threshold()
    async with AsyncLoomProxy(mirror.address):
        assert gc.get_threshold() == before


@pytest.mark.parametrize("engine", ["relay", "wire"])
async def test_the_engine_is_chosen(mirror: Mirror, engine: Literal["relay", "wire"]) -> None:
    async with AsyncLoomProxy(mirror.address, engine=engine) as proxy:
        await call(proxy, "Say", thing(text="x"), metadata=[("user-agent", "mine/1")])
        recorded = await proxy.wait_for_call()
        assert recorded.response.json == {"text": "x"}
        # Only the wire engine sees what belongs to the connection.
        assert bool(recorded.metadata("te")) is (engine == "wire")


def test_the_options_have_types() -> None:
    options: ProxyOptions = {"engine": "wire", "proto": ["a.proto"], "page": True}
    with pytest.raises(TypeError, match="nonsense"):
        LoomProxy("localhost:50051", nonsense=1, **options)  # type: ignore[call-arg]
