"""A scripted inspector API (docs/reference/api.md) without a proxy: the test defines the calls.

For what real traffic cannot produce on demand: gaps, restarts, evictions, hostile payloads, 5,000 summaries per
second. It serves the real page behind the real guard, with the real content security policy.
"""

import asyncio
import threading
import time
from bisect import bisect_left
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import msgspec
import uvicorn
from msgspec import Struct
from sse_starlette import EventSourceResponse, ServerSentEvent
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from loom.api.calls import CallDetail, CallsPage, Cleared, Summary
from loom.api.errors import ErrorAnswer
from loom.api.feed import FEED_EVENTS, SEARCH_EVENTS
from loom.api.messages import MessagesPage, MessageView, StreamSamples
from loom.api.replay import Diff
from loom.api.stats import StatsSeries
from loom.inspector.responses import JsonResponse
from loom.inspector.routes.page import page_routes
from loom.inspector.security import Access, Guard
from loom.replay.diff import diff_values
from loom.replay.ignore_paths import IgnorePaths

_MOST_CHANGES = 10_000
NO_SCHEMA: dict[str, Any] = {
    "source": None, "origin": None, "fetched_us": None, "request_type": None, "response_type": None, "error": "",
    "drift": False, "problems": [],
}  # fmt: skip
_START_US = 1_763_923_200_000_000


def summary(number: int, **changes: Any) -> dict[str, Any]:
    """The summary of an ended unary call, with ``changes`` applied."""
    made = {
        "id": number, "version": 1, "method": "/acme.shop.v1.Shop/GetOrder", "kind": "unary", "kind_known": True,
        "state": "ended", "started_us": _START_US + number * 1000, "duration_us": 1000 + number % 977,
        "status": {"code": 0, "name": "OK", "message": ""}, "ended_by": "backend",
        "messages": [1, 1], "bytes": [24, 310],
        "peer": "ipv4:127.0.0.1:50412", "authority": "localhost:9999", "target": "localhost:50051", "engine": "relay",
        "flags": [], "rules": [], "faults": [], "replay_of": None, "deadline_us": None,
    } | changes  # fmt: skip
    msgspec.convert(made, Summary)
    return made


def event(kinds: Mapping[str, Any], name: str, data: Any, position: str | None = None) -> ServerSentEvent:
    """An event whose data is as the API declares it."""
    text = msgspec.json.encode(msgspec.convert(data, kinds[name])).decode()
    return ServerSentEvent(text, event=name, id=position)


class Stream(Sequence[dict[str, Any]]):
    """The rows of a stream of any length, one message every 10 µs, created on access."""

    def __init__(self, length: int) -> None:
        self._indices = range(length)

    def __len__(self) -> int:
        return len(self._indices)

    def __getitem__(self, key: Any) -> Any:
        if isinstance(key, slice):
            return [self._row(index) for index in self._indices[key]]
        return self._row(self._indices[key])

    def _row(self, index: int) -> dict[str, Any]:
        return {
            "index": index, "direction": "response" if index else "request", "time_us": _START_US + 1000 + index * 10,
            "size": 100 + index % 50, "compressed": False, "encoding": "", "dropped": False, "type": "shop.v1.Tick",
            "preview": f"number: {index}", "error": None,
        }  # fmt: skip


class FakeFeed:
    """The scripted API. ``calls`` is the history; ``bodies``, ``streams`` (number of messages) and ``details`` define a
    call's messages and other details; a search returns ``found`` and never ends.

    Methods are called from the test's thread and run on the server's loop.
    """

    def __init__(self) -> None:
        self.calls: dict[int, dict[str, Any]] = {}
        self.bodies: dict[int, list[dict[str, Any]]] = {}
        self.streams: dict[int, int] = {}
        self.details: dict[int, dict[str, Any]] = {}
        self.found: list[int] = []
        self.searching = 0
        self.problems: list[str] = []
        self.stats: dict[str, Any] = {}
        self.boot = "one"
        self.seq = 0
        self.evicted = 0
        self.requests: list[str] = []
        self.loop: asyncio.AbstractEventLoop | None = None
        self.port = 0
        self._listeners: set[asyncio.Queue[ServerSentEvent | None]] = set()
        self.refusing = False

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def on_loop(self, action: Callable[[], None]) -> None:
        """Run ``action`` on the server's loop and wait for it."""
        done = threading.Event()
        assert self.loop is not None

        def run() -> None:
            action()
            done.set()

        self.loop.call_soon_threadsafe(run)
        assert done.wait(30), "the fake feed's loop is stuck"

    def send(self, name: str, data: Any) -> None:
        """Send an event to every connected page. Call it on the loop only."""
        self.seq += 1
        made = event(FEED_EVENTS, name, data, f"{self.boot}:{self.seq}")
        for queue in self._listeners:
            queue.put_nowait(made)

    def put(self, *calls: dict[str, Any], notify: bool = True) -> None:
        """Add or update calls; without ``notify`` the feed skips them."""

        def update() -> None:
            self.calls.update({call["id"]: call for call in calls})
            if notify:
                self.send("calls", list(calls))

        self.on_loop(update)

    def gap(self, missed: int) -> None:
        self.on_loop(lambda: self.send("gap", {"missed": missed}))

    def tick(self, **changes: Any) -> None:
        """Send the statistics of a second."""
        self.stats |= changes
        self.on_loop(lambda: self.send("stats", self.numbers()))

    def evict(self, below: int) -> None:
        def update() -> None:
            for number in [number for number in self.calls if number < below]:
                del self.calls[number]
                self.evicted += 1
            self.send("stats", self.numbers())

        self.on_loop(update)

    def disconnect(self) -> None:
        """Disconnect every page; with ``refusing`` set, new connections are refused."""

        def update() -> None:
            for queue in self._listeners:
                queue.put_nowait(None)

        self.on_loop(update)

    def restart(self, *calls: dict[str, Any]) -> None:
        """Simulate a restart of Loom with another history."""
        self.boot += "+"
        self.calls = {call["id"]: call for call in calls}
        self.disconnect()

    def numbers(self) -> dict[str, Any]:
        return {
            "boot": self.boot, "now_us": time.time_ns() // 1000, "calls_total": len(self.calls), "errors_total": 0,
            "in_flight": 0, "held": len(self.calls), "held_bytes": 1, "evicted": self.evicted, "evicted_live": 0,
            "dropped_messages": 0,
            "dropped_bytes": 0, "rate": 1, "error_rate": 0, "p50_us": 900, "p95_us": 4000, "subscribers": 1,
            "oldest_id": min(self.calls, default=1), "complete_from": min(self.calls, default=1),
            "recording_failures": 0, "skipped": 0,
            "sinks": {"log": None, "session": None},
            "target": {"address": "localhost:50051", "tls": False, "insecure": False, "state": "ready", "error": ""},
            "breaker": {"state": "closed", "failures": 0, "retry_in_ms": None},
        } | self.stats  # fmt: skip

    async def _updates(self) -> AsyncIterator[ServerSentEvent]:
        queue: asyncio.Queue[ServerSentEvent | None] = asyncio.Queue()
        self._listeners.add(queue)
        hello = {
            "boot": self.boot, "seq": self.seq, "version": "test", "listen": "localhost:9999", "ui": "localhost:9998",
            "target": "localhost:50051", "engine": "relay", "oldest_id": min(self.calls, default=0), "resumed": False,
            "stats": self.numbers(),
        }  # fmt: skip
        try:
            yield event(FEED_EVENTS, "hello", hello, f"{self.boot}:{self.seq}")
            while not self.refusing and (update := await queue.get()) is not None:
                yield update
        finally:
            self._listeners.discard(queue)

    def answer(self, kind: type[Struct], value: dict[str, Any], status: int = 200) -> Response:
        """An answer as the API declares it; a ``value`` that is not one is a problem of the test."""
        try:
            return JsonResponse(msgspec.convert(value, kind), status)
        except msgspec.ValidationError as error:
            self.problems.append(f"{kind.__name__}: {error}")
            raise

    async def events(self, request: Request) -> Response:
        self.requests.append(str(request.url))
        if self.refusing:
            return self.answer(ErrorAnswer, {"error": {"message": "going down", "hint": ""}}, 503)
        return EventSourceResponse(self._updates())

    async def list_calls(self, request: Request) -> Response:
        self.requests.append(str(request.url))
        limit = int(request.query_params.get("limit", 1000))
        return self.answer(CallsPage, self.newest(limit, int(request.query_params.get("before", 1 << 60))))

    def newest(self, limit: int, before: int = 1 << 60) -> dict[str, Any]:
        """A page of the history."""
        ids = sorted(self.calls)
        end = bisect_left(ids, before)
        page = ids[max(0, end - limit) : end]
        return {
            "calls": [self.calls[number] for number in page], "total": len(self.calls), "evicted": self.evicted,
            "oldest_id": min(self.calls, default=1), "boot": self.boot, "seq": self.seq,
            "more": end > limit, "problems": [],
        }  # fmt: skip

    async def one_call(self, request: Request) -> Response:
        call = self.calls.get(request.path_params["id"])
        if call is None:
            body = {
                "error": {
                    "message": "call is no longer held",
                    "hint": "raise --history-bytes",
                    "evicted": True,
                },
            }
            return self.answer(ErrorAnswer, body, 404)
        times = dict.fromkeys(
            ("initial_us", "first_request_us", "last_request_us", "first_response_us", "last_response_us",
             "half_closed_us", "half_closed_after", "ended_us", "deadline_us")
        )  # fmt: skip
        return self.answer(
            CallDetail,
            call
            | {
                "metadata": {"request": call.get("request", []), "initial": [], "trailing": []},
                "timing": {"started_us": call["started_us"], "held": []} | times,
                "status_details": None, "schema": NO_SCHEMA, "note": "", "wire": {},
                "dropped": {"messages": 0, "bytes": 0},
                "replays": [], "content_type": "application/grpc", "interceptions": [], "dropped_interceptions": 0,
            }
            | self.details.get(call["id"], {})
        )  # fmt: skip

    def _rows(self, number: int) -> Sequence[dict[str, Any]]:
        if number in self.streams:
            return Stream(self.streams[number])
        keys = (
            "index",
            "direction",
            "time_us",
            "size",
            "compressed",
            "encoding",
            "dropped",
            "type",
            "preview",
            "error",
        )
        return [{key: body[key] for key in keys} for body in self.bodies.get(number, [])]

    async def messages(self, request: Request) -> Response:
        rows = self._rows(request.path_params["id"])
        start = int(request.query_params.get("from", 0))
        limit = int(request.query_params.get("limit", 100))
        self.requests.append(str(request.url))
        return self.answer(
            MessagesPage,
            {
                "total": len(rows),
                "gap": None,
                "half_closed_after": None,
                "messages": rows[start : start + limit],
            },
        )

    async def one_message(self, request: Request) -> Response:
        number, index = request.path_params["id"], request.path_params["index"]
        if number in self.streams:
            nothing = {"json": None, "json_text": "{}", "tree": None, "wire": None, "hex": "", "data_base64": "",
                       "source": "test", "drift": False, "truncated": 0, "json_cut": False, "schema_error": None,
                       "protocol": "gRPC", "payload": "proto"}  # fmt: skip
            return self.answer(MessageView, self._rows(number)[index] | nothing)
        self.requests.append(str(request.url))
        body = self.bodies[number][index]
        most = int(request.query_params.get("text", 2**53))
        if len(body["json_text"] or "") > most:
            body = body | {"json_text": body["json_text"][:most], "json_cut": True, "json": None}
        return self.answer(MessageView, body)

    async def diff(self, request: Request) -> Response:
        """The diff of two messages, or of the first messages of two calls."""
        self.requests.append(str(request.url))
        asked = request.query_params
        index = int(asked.get("message", 0))
        one = self.bodies[request.path_params["id"]][index]["json"]
        other = self.bodies[request.path_params["other"]][int(asked.get("other_message", index))]["json"]
        ignore = IgnorePaths(asked.getlist("ignore"))
        changes = [
            msgspec.to_builtins(change) for change in diff_values(one, other, f"response {index}", ignore)
        ]
        more = max(len(changes) - _MOST_CHANGES, 0)
        return self.answer(Diff, {"equal": not changes, "changes": changes[:_MOST_CHANGES], "more": more})

    async def rail(self, request: Request) -> Response:
        rows = self._rows(request.path_params["id"])
        step = max(1, len(rows) // int(request.query_params["points"]))
        samples = [[row["index"], row["time_us"], 0, row["size"]] for row in rows[::step]]
        return self.answer(StreamSamples, {"total": len(rows), "samples": samples})

    async def _search(self) -> AsyncIterator[ServerSentEvent]:
        self.searching += 1
        try:
            yield event(SEARCH_EVENTS, "progress", {"searched": 1200, "of": 5000})
            found = {"ids": self.found, "calls": [self.calls[number] for number in self.found]}
            yield event(SEARCH_EVENTS, "found", found)
            await asyncio.Event().wait()
        finally:
            self.searching -= 1

    async def search(self, request: Request) -> Response:
        self.requests.append(str(request.url))
        return EventSourceResponse(self._search())

    async def stats_now(self, _: Request) -> Response:
        return self.answer(StatsSeries, self.numbers() | {"series": []})

    async def clear(self, _: Request) -> Response:
        cleared = len(self.calls)
        self.calls.clear()
        self.send("cleared", {})
        return self.answer(Cleared, {"cleared": cleared})

    def app(self) -> Starlette:
        access = Access(token="t", required=False, port=0)
        return Starlette(
            routes=[
                Route("/api/events", self.events),
                Route("/api/stats", self.stats_now),
                Route("/api/search", self.search),
                Route("/api/calls", self.list_calls, methods=["GET"]),
                Route("/api/calls", self.clear, methods=["DELETE"]),
                Route("/api/calls/{id:int}", self.one_call),
                Route("/api/calls/{id:int}/messages", self.messages),
                Route("/api/calls/{id:int}/samples", self.rail),
                Route("/api/calls/{id:int}/diff/{other:int}", self.diff),
                Route("/api/calls/{id:int}/messages/{index:int}", self.one_message),
                *page_routes(lambda _, limit: msgspec.convert(self.newest(limit), CallsPage)),
            ],
            middleware=[Middleware(Guard, access=access)],
        )


class _Server(uvicorn.Server):
    def __init__(self, feed: FakeFeed) -> None:
        super().__init__(uvicorn.Config(feed.app(), port=0, log_level="error", lifespan="off"))
        self.feed = feed
        self.up = threading.Event()

    async def startup(self, sockets: Any = None) -> None:
        await super().startup(sockets)
        self.feed.loop = asyncio.get_running_loop()
        self.feed.port = self.servers[0].sockets[0].getsockname()[1]
        self.up.set()

    def install_signal_handlers(self) -> None:
        """Install none: the server runs in a thread."""


@contextmanager
def fake_feed() -> Iterator[FakeFeed]:
    """Run a scripted API on a free port, in a thread."""
    feed = FakeFeed()
    server = _Server(feed)
    thread = threading.Thread(target=server.run, name="fake feed")
    thread.start()
    try:
        assert server.up.wait(30), "the fake feed did not start"
        yield feed
    finally:
        feed.refusing = True  # a page may be reconnecting
        feed.disconnect()
        server.should_exit = True
        thread.join(30)
    assert not feed.problems
