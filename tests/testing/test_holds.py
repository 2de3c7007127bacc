"""Breakpoints in tests: a race becomes a test, sync and async; what is held is sent when the block is left."""

import asyncio
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc
import grpc.aio
import pytest

from loom.errors import LoomError
from loom.testing import AsyncLoomProxy, LoomProxy, NothingHeld
from tests.support.mirror import SERVICE, Mirror, running_mirror, thing
from tests.support.raw_calls import unary_unary


@pytest.fixture
async def mirror() -> AsyncIterator[Mirror]:
    async with running_mirror() as running:
        yield running


async def test_the_third_message_of_an_open_stream_is_held_edited_and_sent(mirror: Mirror) -> None:
    async with (
        AsyncLoomProxy(mirror.address) as proxy,
        grpc.aio.insecure_channel(proxy.address) as channel,
    ):
        with proxy.hold("method:Chat", point="request-message") as held:
            call: Any = channel.stream_stream(f"/{SERVICE}/Chat")()
            for text in ("one", "two", "three"):
                await call.write(thing(text=text, big=1))
                item = await held.next()
                assert (item.method, item.point) == (f"/{SERVICE}/Chat", "request-message")
                if item.index == 2:
                    assert item.json == {"text": "three", "big": "1"}
                    assert item.data == thing(text="three", big=1)
                    item.edit(text="3").edit({"3": 7})
                await item.send()
        await call.done_writing()
        assert [answer async for answer in call] == [
            thing(text="one", big=1), thing(text="two", big=1), thing(text="3", big=7),
        ]  # fmt: skip
        recorded = await proxy.wait_for_call("is:held is:modified")
        assert [message.json["text"] for message in recorded.requests] == ["one", "two", "3"]


async def test_every_decision_has_its_effect(mirror: Mirror) -> None:
    async with (
        AsyncLoomProxy(mirror.address) as proxy,
        grpc.aio.insecure_channel(proxy.address) as channel,
    ):
        with proxy.hold("method:Chat", point=("request-message", "status"), release="never") as held:
            call: Any = channel.stream_stream(f"/{SERVICE}/Chat")()
            for text in "abcdefg":
                await call.write(thing(text=text))
            await (await held.next()).drop()
            await (await held.next()).duplicate()
            await (await held.next()).insert_before({"text": "before"})
            await (await held.next()).insert_after({"text": "after"})
            await (await held.next()).replace({"flag": True}).send()
            await (await held.next()).delete("text").step()
            # Which of the next request and the first answer comes first is open.
            while (item := await held.next()).point != "request-message":
                await item.step()
            await item.send()
            await call.done_writing()
            while (item := await held.next()).point != "status":
                await item.send()
            assert (item.status, item.metadata) == ("OK", [("mirrored", "9")])
            await item.replace_status("DATA_LOSS", "held").replace_metadata([("x-a", "1")]).send()
            for _ in range(9):  # the status follows the messages
                await call.read()
            assert await call.code() is grpc.StatusCode.DATA_LOSS
            assert dict(await call.trailing_metadata()) == {"x-a": "1"}
        texts = ("b", "b", "before", "c", "d", "after")
        assert mirror.received[0].messages == [
            *(thing(text=text) for text in texts), thing(flag=True), b"", thing(text="g"),
        ]  # fmt: skip


async def test_a_call_is_answered_and_another_is_cancelled(mirror: Mirror) -> None:
    async with (
        AsyncLoomProxy(mirror.address) as proxy,
        grpc.aio.insecure_channel(proxy.address) as channel,
    ):
        say = unary_unary(channel, f"/{SERVICE}/Say")
        with proxy.hold("method:Say", point="request-message") as held:
            answered, cancelled = say(thing(text="a")), say(thing(text="b"))
            first, second = await held.next(), await held.next()
            await first.answer("NOT_FOUND", "no such order")
            await second.cancel()
            codes = [await answered.code(), await cancelled.code()]
            assert set(codes) == {grpc.StatusCode.NOT_FOUND, grpc.StatusCode.CANCELLED}
            with pytest.raises(LoomError, match="is not held any more"):
                await first.send()


async def test_leaving_the_block_sends_what_is_held_and_runs_the_calls(mirror: Mirror) -> None:
    async with (
        AsyncLoomProxy(mirror.address) as proxy,
        grpc.aio.insecure_channel(proxy.address) as channel,
    ):
        say = unary_unary(channel, f"/{SERVICE}/Say")
        with proxy.hold("method:Say") as held:
            call = say(thing(text="a"))
            item = await held.next()
        assert await call == thing(text="a")
        with pytest.raises(LoomError, match="is not held any more"):
            await item.send()
        assert await say(thing(text="b")) == thing(text="b")


async def test_what_is_not_valid_or_never_held_is_said(mirror: Mirror) -> None:
    async with AsyncLoomProxy(mirror.address) as proxy:
        with pytest.raises(LoomError, match="unknown point 'reponse-message': it is one of start"):
            proxy.hold("method:Say", point="reponse-message")
        with pytest.raises(LoomError, match="'status:' is not known when a call starts"):
            proxy.hold("status:OK")
        with (
            proxy.hold("method:Say", point="status") as held,
            pytest.raises(
                NothingHeld, match=r"held of 'method:Say' at status within 0.01 s: it has matched 0"
            ),
        ):
            await held.next(timeout=0.01)
    async with AsyncLoomProxy(mirror.address, engine="wire") as proxy:
        with pytest.raises(LoomError, match="a breakpoint needs the relay engine"):
            proxy.hold("method:Say")


async def test_an_edit_that_does_not_fit_leaves_the_item_held(mirror: Mirror) -> None:
    async with (
        AsyncLoomProxy(mirror.address) as proxy,
        grpc.aio.insecure_channel(proxy.address) as channel,
    ):
        with proxy.hold("method:Say", point="request-message") as held:
            call = unary_unary(channel, f"/{SERVICE}/Say")(thing(text="a"))
            item = await held.next()
            with pytest.raises(LoomError, match="numbers"):
                await item.replace({"numbers": "many"}).send()
            await item.replace({"text": "b"}).send()
            assert await asyncio.wait_for(call, 20) == thing(text="b")


def test_the_proxy_without_an_event_loop_has_the_same() -> None:
    server = grpc.server(ThreadPoolExecutor(2))
    server.add_generic_rpc_handlers((_Echo(),))
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        with LoomProxy(f"127.0.0.1:{port}") as proxy, grpc.insecure_channel(proxy.address) as channel:
            call: Any = channel.unary_unary("/s.S/Say")
            with proxy.hold("method:Say", point="response-message") as held:
                answer = call.future(b"\x0a\x01a")
                item = held.next()
                assert (item.data, item.json, repr(item)) == (
                    b"\x0a\x01a", None, "<response-message 0 of /s.S/Say>",
                )  # fmt: skip
                item.edit({"1": "b"}).send()
                assert answer.result(20) == b"\x0a\x01b"
                with pytest.raises(NothingHeld):
                    held.next(timeout=0.01)
            assert call(b"x") == b"x"
    finally:
        server.stop(None).wait()


class _Echo(grpc.GenericRpcHandler):
    def service(self, handler_call_details: Any) -> Any:
        return grpc.unary_unary_rpc_method_handler(lambda request, _context: request)
