"""A complete Loom with a session on disk, and a client for its listing, search, exports and imports."""

import contextlib
import io
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import grpc
import grpc.aio

from loom.model import Address
from loom.runtime.loom import Loom
from loom.runtime.settings import Settings
from tests.support.call_observers import StartObserver
from tests.support.mirror import SERVICE, Mirror, thing


class StoringInstance:
    """A Loom with a session on disk, a channel through it, and a client of its API."""

    def __init__(
        self, loom: Loom, http: aiohttp.ClientSession, channel: grpc.aio.Channel, started: StartObserver
    ) -> None:
        self.loom, self.http, self.channel, self.started = loom, http, channel, started
        self.base = f"http://127.0.0.1:{loom.ui_address.port if loom.ui_address else 0}"

    async def call(self, text: str, **metadata: str) -> None:
        multi: Any = self.channel.stream_stream(f"/{SERVICE}/Say")
        stream = multi(iter([thing(text=text)]), metadata=tuple(metadata.items()))
        with contextlib.suppress(grpc.aio.AioRpcError):
            async for _ in stream:
                pass

    async def get(self, path: str, expected: int = 200, **query: Any) -> Any:
        async with self.http.get(self.base + path, params=query) as answer:
            body = await answer.json()
            assert answer.status == expected, body
            return body

    async def ids(self, q: str, **query: Any) -> list[int]:
        return [call["id"] for call in (await self.get("/api/calls", q=q, **query))["calls"]]

    async def download(self, **query: Any) -> bytes:
        async with self.http.get(f"{self.base}/api/export", params=query) as answer:
            assert answer.status == 200, await answer.text()
            assert answer.headers["Content-Disposition"].startswith("attachment; filename=")
            return await answer.read()

    async def upload(self, data: bytes, expected: int = 200) -> Any:
        async with self.http.post(f"{self.base}/api/import", data=io.BytesIO(data)) as answer:
            body = await answer.json()
            assert answer.status == expected, body
            return body

    async def search(self, q: str, **limits: int) -> list[tuple[str, Any]]:
        async with self.http.get(f"{self.base}/api/search", params={"q": q, **limits}) as answer:
            assert answer.content_type == "text/event-stream"
            text = (await answer.read()).decode()
        blocks = [
            dict(line.split(": ", 1) for line in block.splitlines())
            for block in text.split("\r\n\r\n")
            if block
        ]
        return [(block["event"], json.loads(block["data"])) for block in blocks if "event" in block]


@contextlib.asynccontextmanager
async def storing_instance(
    mirror: Mirror | None, folder: Path, **settings: Any
) -> AsyncIterator[StoringInstance]:
    """A Loom in front of ``mirror``, or of nothing, whose sessions are in ``folder``."""
    address = Address.parse(mirror.address) if mirror else Address("127.0.0.1", 1)
    started = StartObserver()
    loom = Loom(
        Settings(
            target=address,
            listen=Address("127.0.0.1", 0),
            ui=Address("127.0.0.1", 0),
            data_dir=folder,
            **settings,
        ),
        observers=(started,),
    )
    await loom.start()
    try:
        async with (
            aiohttp.ClientSession() as http,
            grpc.aio.insecure_channel(str(loom.listen_address)) as channel,
        ):
            yield StoringInstance(loom, http, channel, started)
    finally:
        await loom.stop()
