"""Files that somebody attaches on the page make recorded calls readable."""

from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import grpc
import grpc.aio
import pytest

from loom.model import Address
from loom.runtime.loom import Loom
from loom.runtime.settings import Settings
from tests.support.loom_instance import running_instance
from tests.support.mirror import running_mirror, thing
from tests.support.raw_calls import stream_stream
from tests.support.zoo import running_zoo

PROTO = (
    'syntax = "proto3"; package zoo; message M { string said = 1; } service Zoo { rpc Echo(M) returns (M); }'
)


@pytest.fixture
async def loom() -> AsyncIterator[Loom]:
    async with running_zoo() as zoo:
        here = Address("127.0.0.1", 0)
        running = Loom(Settings(target=Address.parse(zoo.address), listen=here, ui=here, session=None))
        await running.start()
        yield running
        await running.stop(grace=0)


async def test_recorded_calls_decode_once_a_proto_file_is_attached(loom: Loom) -> None:
    async with (
        grpc.aio.insecure_channel(str(loom.listen_address)) as channel,
        aiohttp.ClientSession(f"http://{loom.ui_address}") as page,
    ):
        call = stream_stream(channel, "/zoo.Zoo/Echo")()
        await call.write(b"\x0a\x02hi")
        await call.done_writing()
        await call.read()

        async def shown() -> Any:
            async with page.get("/api/calls/1/messages/0") as answer:
                return await answer.json()

        before = await shown()
        assert before["json"] is None
        assert before["wire"]["children"][0]["value"] == "hi"

        files = {"files": [{"name": "zoo.proto", "text": PROTO}, {"name": "bad.proto", "text": "?"}]}
        async with page.post("/api/schema/protos", json=files) as answer:
            assert answer.status == 200
            found = await answer.json()
        assert found["services"] == ["zoo.Zoo"]
        assert found["problems"][0].startswith("bad.proto:1:1")

        after = await shown()
        assert (after["json"], after["source"]) == ({"said": "hi"}, "attached files")
        async with page.get("/api/schema") as answer:
            listed = (await answer.json())["sources"]
        assert listed[0]["name"] == "attached files"
        assert "reflection" in [source["name"] for source in listed]


async def test_the_schema_of_a_call_is_listed_with_where_it_came_from() -> None:
    async with running_mirror() as mirror, running_instance(mirror) as api:
        call = await api.call("Say", thing(text="a"))
        status, found = await api.get(f"/api/calls/{call}/schema")
        assert status == 200
        assert found["source"].startswith("reflection")
        assert found["origin"] == mirror.address
        assert found["fetched_us"] > 0
        methods = {one["name"]: one["kind"] for one in found["services"][0]["methods"]}
        assert (methods["Say"], methods["Chat"]) == ("unary", "bidi")
        assert found["messages"][0]["fields"][0] == {
            "number": 1, "name": "text", "type": "string", "label": "", "refers": None, "oneof": None,
            "default": "", "deprecated": False,
        }  # fmt: skip
        assert found["enums"][0]["values"][2] == [2, "MOOD_WILD"]
        assert (await api.get("/api/calls/99/schema"))[0] == 404


async def test_a_method_that_nobody_knows_has_no_schema() -> None:
    async with running_mirror(described=False) as mirror, running_instance(mirror) as api:
        call = await api.call("Say", thing(text="a"))
        status, found = await api.get(f"/api/calls/{call}/schema")
        assert status == 404
        assert "--proto" in found["error"]["hint"]


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ("nonsense", 400),
        ('{"files": [{"name": "a.protoset", "base64": "!"}]}', 400),
        ('{"files": [{"name": "../a.proto", "text": ""}]}', 422),
        ('{"files": []}', 200),
    ],
)
async def test_what_cannot_be_attached_says_why(loom: Loom, body: str, status: int) -> None:
    async with (
        aiohttp.ClientSession(f"http://{loom.ui_address}") as page,
        page.post("/api/schema/protos", data=body) as answer,
    ):
        assert answer.status == status
        if status != 200:
            assert (await answer.json())["error"]["message"]


async def test_another_site_cannot_attach(loom: Loom) -> None:
    async with (
        aiohttp.ClientSession(f"http://{loom.ui_address}") as page,
        page.post("/api/schema/protos", data="{}", headers={"Origin": "http://evil.example"}) as answer,
    ):
        assert answer.status == 403
