"""A complete Loom in this process, with a backend, a channel through it, and its API."""

import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import aiohttp
import grpc.aio

from loom.model import Address
from loom.runtime.loom import Loom
from loom.runtime.settings import Settings
from tests.support.call_observers import EndObserver
from tests.support.contract import check_answer
from tests.support.mirror import OPTIONS, SERVICE, Mirror

ANY_PORT = Address("localhost", 0)


@dataclass
class LoomInstance:
    """A running Loom in front of a mirror, a channel through it, and an HTTP client of its API."""

    loom: Loom
    mirror: Mirror
    ended: EndObserver
    channel: grpc.aio.Channel
    http: aiohttp.ClientSession

    async def call(self, method: str, *messages: bytes, metadata: Any = ()) -> int:
        """Make a call through Loom; return its id once it has ended."""
        before = self.loom.history.last_id
        stream: Any = self.channel.stream_stream(f"/{SERVICE}/{method}")
        async for _ in stream(iter(messages), metadata=metadata):
            pass
        await self.ended.wait(before + 1)
        return before + 1

    async def get(self, path: str) -> tuple[int, Any]:
        async with self.http.get(path) as answer:
            return answer.status, await checked_json("GET", path, answer)

    async def post(self, path: str, body: Any = None, **options: Any) -> tuple[int, Any]:
        return await self.send("POST", path, body, **options)

    async def send(self, method: str, path: str, body: Any = None, **options: Any) -> tuple[int, Any]:
        async with self.http.request(method, path, json=body, **options) as answer:
            return answer.status, await checked_json(method, path, answer)


async def checked_json(method: str, path: str, answer: aiohttp.ClientResponse) -> Any:
    """The JSON of an answer, which must be as the OpenAPI document says."""
    body = await answer.read()
    check_answer(method, path, answer.status, answer.content_type, body)
    return json.loads(body)


@asynccontextmanager
async def running_instance(
    mirror: Mirror, *, load: Callable[[], Settings] | None = None, **settings: Any
) -> AsyncIterator[LoomInstance]:
    ended = EndObserver()
    given = {"target": Address.parse(mirror.address), "listen": ANY_PORT, "ui": ANY_PORT, "session": None}
    loom = Loom(Settings(**(given | settings)), observers=(ended,), load=load)
    await loom.start()
    try:
        base = f"http://{loom.ui_address}"
        async with (
            grpc.aio.insecure_channel(str(loom.listen_address), options=OPTIONS) as channel,
            aiohttp.ClientSession(base) as http,
        ):
            yield LoomInstance(loom, mirror, ended, channel, http)
    finally:
        await loom.stop(0)
