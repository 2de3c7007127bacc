"""The whole flow on real traffic: forwarded, recorded, fanned out, decoded when viewed."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import grpc
import grpc.aio
import pytest

from loom.model import Address
from loom.runtime.loom import Loom
from loom.runtime.settings import Settings
from tests.support.narrowing import required
from tests.support.raw_calls import stream_stream


class Events:
    """Reads a server-sent event stream."""

    def __init__(self, answer: aiohttp.ClientResponse) -> None:
        self._lines = answer.content

    async def next(self, kind: str | None = None) -> tuple[str, str, Any]:
        """The next event (of this kind): its id, its kind, its data."""
        async with asyncio.timeout(20):
            while True:
                fields: dict[str, str] = {}
                while line := (await self._line()).rstrip("\r\n"):
                    name, _, value = line.partition(": ")
                    fields[name] = value
                if "event" in fields and kind in {None, fields["event"]}:
                    return fields["id"], fields["event"], json.loads(fields["data"])

    async def _line(self) -> str:
        line = await self._lines.readline()
        if not line:
            raise EOFError("the feed has ended")
        return line.decode()


class Api:
    """What a browser does, without one."""

    def __init__(self, session: aiohttp.ClientSession, base: str) -> None:
        self.session, self.base = session, base

    async def get(self, path: str) -> Any:
        async with self.session.get(self.base + path) as answer:
            return await answer.json()

    async def status(self, path: str, method: str = "GET") -> int:
        async with self.session.request(method, self.base + path) as answer:
            return answer.status

    @contextlib.asynccontextmanager
    async def events(self, last: str = "") -> AsyncIterator[Events]:
        async with self.session.get(f"{self.base}/api/events?last={last}") as answer:
            assert answer.content_type == "text/event-stream"
            yield Events(answer)


@pytest.fixture
async def backend() -> AsyncIterator[int]:
    """Echoes on /a.Echo/Unary, and one call at a time on /a.Echo/Chat."""

    async def chat(request: AsyncIterator[bytes], context: "grpc.aio.ServicerContext[bytes, bytes]") -> None:
        await context.send_initial_metadata((("x-initial", "1"),))
        async for message in request:
            if message == b"fail":
                context.set_trailing_metadata((("x-trailing", "2"),))
                await context.abort(grpc.StatusCode.NOT_FOUND, "no söck")
            await context.write(message)

    class Handler(grpc.GenericRpcHandler):
        def service(self, details: grpc.HandlerCallDetails) -> Any:
            return grpc.stream_stream_rpc_method_handler(chat)

    server = grpc.aio.server()
    server.add_generic_rpc_handlers((Handler(),))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    yield port
    await server.stop(None)


@pytest.fixture
async def loom(backend: int) -> AsyncIterator[Loom]:
    settings = Settings(
        target=Address("127.0.0.1", backend),
        listen=Address("127.0.0.1", 0),
        ui=Address("127.0.0.1", 0),
        session=None,
        reflection=False,
    )
    running = Loom(settings)
    await running.start()
    yield running
    await running.stop(grace=0)


@pytest.fixture
async def api(loom: Loom) -> AsyncIterator[Api]:
    async with aiohttp.ClientSession() as session:
        yield Api(session, f"http://{loom.ui_address}")


@pytest.fixture
async def channel(loom: Loom) -> AsyncIterator[grpc.aio.Channel]:
    async with grpc.aio.insecure_channel(str(loom.listen_address)) as made:
        yield made


async def test_a_stream_is_seen_from_its_first_byte_to_its_trailers(
    loom: Loom, api: Api, channel: grpc.aio.Channel
) -> None:
    async with api.events() as events:
        _, kind, hello = await events.next()
        assert kind == "hello"
        assert hello["listen"] == str(loom.listen_address)
        call = stream_stream(channel, "/a.Echo/Chat")(
            metadata=(("x-tenant", "42"), ("authorization", "s3cret"))
        )
        await call.write(b"one")
        assert await call.read() == b"one"
        _, _, calls = await events.next("calls")
        while calls[-1]["messages"] != [1, 1]:
            _, _, calls = await events.next("calls")
        assert calls[-1]["state"] == "live"
        await call.write(b"fail")
        assert await call.code() is grpc.StatusCode.NOT_FOUND
        _, _, calls = await events.next("calls")
        while calls[-1]["state"] == "live":
            _, _, calls = await events.next("calls")
    [summary] = calls
    assert summary["status"] == {"code": 5, "name": "NOT_FOUND", "message": "no söck"}
    assert summary["ended_by"] == "backend"

    whole = await api.get(f"/api/calls/{summary['id']}")
    sent = {item["key"]: item for item in whole["metadata"]["request"]}
    assert sent["x-tenant"]["value"] == "42"
    assert sent["authorization"]["masked"]
    assert "s3cret" not in json.dumps(whole)
    assert {"key": "x-trailing", "value": "2"}.items() <= whole["metadata"]["trailing"][0].items()
    shown = await api.get(f"/api/calls/{summary['id']}?reveal=1")
    assert "s3cret" in json.dumps(shown["metadata"])

    rows = await api.get(f"/api/calls/{summary['id']}/messages")
    assert [row["direction"] for row in rows["messages"]] == ["request", "response", "request"]
    message = await api.get(f"/api/calls/{summary['id']}/messages/0")
    assert message["hex"].replace(" ", "").startswith("6f6e65")
    async with api.session.get(f"{api.base}/api/calls/{summary['id']}/messages/0?raw=1") as raw:
        assert await raw.read() == b"one"


async def echo(channel: grpc.aio.Channel, message: bytes) -> None:
    call = stream_stream(channel, "/a.Echo/Chat")()
    await call.write(message)
    await call.done_writing()
    assert await call.read() == message
    assert await call.code() is grpc.StatusCode.OK


async def test_who_comes_back_misses_nothing(api: Api, channel: grpc.aio.Channel) -> None:
    async with api.events() as events:
        await events.next("hello")
        await echo(channel, b"1")
        last, _, _ = await events.next("calls")
    await echo(channel, b"2")
    async with api.events(last) as events:
        _, _, hello = await events.next()
        assert hello["resumed"]
        seen = set()
        while 2 not in seen:
            _, _, calls = await events.next("calls")
            seen |= {call["id"] for call in calls if call["state"] == "ended"}


async def test_a_subscriber_from_another_launch_gets_a_gap(api: Api) -> None:
    async with api.events("other:17") as events:
        _, _, hello = await events.next()
        assert not hello["resumed"]
        _, kind, _ = await events.next()
        assert kind == "gap"


async def test_the_list_pages_and_clears(api: Api, channel: grpc.aio.Channel) -> None:
    for _ in range(5):
        await echo(channel, b"x")
    listed = await api.get("/api/calls?limit=2")
    assert [call["id"] for call in listed["calls"]] == [4, 5]
    assert listed["more"]
    older = await api.get("/api/calls?limit=2&before=4")
    assert [call["id"] for call in older["calls"]] == [2, 3]
    newer = await api.get("/api/calls?after=4")
    assert [call["id"] for call in newer["calls"]] == [5]
    async with api.session.delete(f"{api.base}/api/calls") as answer:
        assert await answer.json() == {"cleared": 5}
    assert (await api.get("/api/calls"))["calls"] == []
    gone = await api.get("/api/calls/3")
    assert gone["error"]["evicted"]


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/api/calls/77", 404),
        ("/api/calls?limit=x", 400),
        ("/api/calls?limit=0", 400),
        ("/api/calls/1/messages/9", 404),
        ("/nowhere", 404),
        ("/live", 200),
        ("/ready", 200),
        ("/health", 200),
    ],
)
async def test_answers_and_errors(api: Api, channel: grpc.aio.Channel, path: str, status: int) -> None:
    await echo(channel, b"x")
    assert await api.status(path) == status


async def test_metrics_count_forwarded_calls(api: Api, channel: grpc.aio.Channel) -> None:
    await echo(channel, b"x")
    async with api.session.get(f"{api.base}/metrics") as answer:
        text = await answer.text()
    assert 'loom_calls_total{code="OK",method="/a.Echo/Chat"} 1.0' in text
    assert "loom_calls_in_flight 0.0" in text


async def test_stopping_ends_the_feed_and_the_calls(backend: int) -> None:
    settings = Settings(
        target=Address("127.0.0.1", backend),
        listen=Address("127.0.0.1", 0),
        ui=Address("127.0.0.1", 0),
        session=None,
    )
    loom = Loom(settings)
    await loom.start()
    async with (
        aiohttp.ClientSession() as session,
        grpc.aio.insecure_channel(str(loom.listen_address)) as channel,
        Api(session, f"http://{loom.ui_address}").events() as events,
    ):
        await events.next("hello")
        call = stream_stream(channel, "/a.Echo/Chat")()
        await call.write(b"x")
        await call.read()
        await loom.stop(grace=0)
        assert await call.code() in {grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED}
        with pytest.raises(EOFError):
            await events.next("never")


async def test_a_token_is_asked_for_on_loopback_where_that_is_wanted(backend: int) -> None:
    settings = Settings(
        target=Address("127.0.0.1", backend),
        listen=Address("127.0.0.1", 0),
        ui=Address("127.0.0.1", 0),
        session=None,
        require_token=True,
    )
    loom = Loom(settings)
    await loom.start()
    async with aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True)) as session:
        api = Api(session, f"http://{loom.ui_address}")
        assert await api.status("/api/calls") == 401
        assert await api.status("/live") == 200
        async with session.get(required(loom.page_url)) as answer:
            assert answer.url.path == "/"
            assert "token" not in answer.url.query
        assert await api.status("/api/calls") == 200
    await loom.stop(grace=0)
