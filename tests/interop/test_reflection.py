"""The reflection of grpc-go and of @grpc/reflection, as it is: calls to such backends decode."""

import asyncio
import json
from pathlib import Path
from typing import Any

import grpc.aio
import msgspec
import pytest

from loom.decoding.display import DisplayDecoder
from loom.model import Call, Direction, Message
from loom.schema import Schema
from loom.schema.reflection import ReflectionSource
from tests.support import node
from tests.support.raw_calls import unary_unary

from .foreign import foreign_backend

NODE = Path(__file__).with_name("node")


pytestmark = pytest.mark.timeout(360)  # the first build takes a minute


async def looked_at(port: int, method: str, request: bytes) -> tuple[dict[str, Any], dict[str, Any]]:
    """Call the backend; its answer as the page shows it, and where the description came from."""
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        data = await unary_unary(channel, method)(request)
        schema = Schema([ReflectionSource(lambda: channel, "backend")])
        decoder = DisplayDecoder(schema)
        call = Call(1, method, 0)
        view = await decoder.view(call, Message(0, Direction.RESPONSE, 0, len(data), data), 1000)
        described = await decoder.schema_info(call)
        await decoder.close()
        await schema.close()
    assert described is not None
    return serialised(view), serialised(described)


def serialised(answer: Any) -> Any:
    """An answer of the API as its clients get it."""
    return json.loads(msgspec.json.encode(answer))


async def test_grpc_go(go_program: str) -> None:
    async with asyncio.timeout(100), foreign_backend(go_program, "reflection") as backend:
        view, _ = await looked_at(backend.port, "/grpc.health.v1.Health/Check", b"")
        servers, described = await looked_at(backend.port, "/grpc.channelz.v1.Channelz/GetServers", b"")
    assert view["json"] == {"status": "SERVING"}
    assert (view["error"], view["drift"], view["source"]) == (None, False, "reflection v1")
    assert servers["json"]["end"] is True
    assert (servers["error"], servers["drift"]) == (None, False)
    assert described["response_type"] == "grpc.channelz.v1.GetServersResponse"
    assert described["problems"] == []


async def test_grpc_js() -> None:
    program = (str(node.NODE), str(node.installed(NODE) / "main.js"), "reflection")
    # o-1, PAID, an item, a spare one, a second after the epoch, in cash
    order = b"\x0a\x03o-1\x10\x01\x1a\x06\x0a\x01a\x10\xac\x02"
    order += b"\x22\x08\x0a\x01k\x12\x03\x0a\x01b\x2a\x02\x08\x01\x38\x01"
    async with asyncio.timeout(100), foreign_backend(*program) as backend:
        view, described = await looked_at(backend.port, "/shop.v1.Shop/Get", order)
    assert view["json"] == {
        "id": "o-1", "state": "PAID", "items": [{"sku": "a", "cents": "300"}], "spare": {"k": {"sku": "b"}},
        "at": "1970-01-01T00:00:01Z", "cash": True,
    }  # fmt: skip
    assert (view["error"], view["drift"]) == (None, False)
    assert described["source"].startswith("reflection v1")
    assert described["problems"] == []
