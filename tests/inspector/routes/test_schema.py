"""Files that somebody attaches on the page make recorded calls readable."""

import base64
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import grpc
import grpc.aio
import pytest
from google.protobuf.descriptor_pb2 import FieldDescriptorProto, FileDescriptorProto, FileDescriptorSet

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


async def test_uploads_are_listed_replaced_and_removed(loom: Loom) -> None:
    async with aiohttp.ClientSession(f"http://{loom.ui_address}") as page:

        async def request(method: str, query: str = "", **body: Any) -> tuple[int, Any]:
            async with page.request(method, f"/api/schema/protos{query}", **body) as answer:
                return answer.status, await answer.json()

        async def upload(*files: tuple[str, str]) -> Any:
            named = [{"name": name, "text": text} for name, text in files]
            status, answer = await request("POST", json={"files": named})
            assert status == 200
            return answer

        assert (await request("GET"))[1] == {"files": [], "services": [], "problems": []}
        other = PROTO.replace("package zoo", "package other")
        uploaded = await upload(("a/zoo.proto", PROTO), ("b/zoo.proto", other), ("bad.proto", "?"))
        assert uploaded["services"] == ["other.Zoo", "zoo.Zoo"]
        assert [file["name"] for file in uploaded["files"]] == ["a/zoo.proto", "b/zoo.proto", "bad.proto"]
        assert uploaded["files"][0]["bytes"] == len(PROTO)
        assert len(uploaded["problems"]) == 1
        assert (await request("GET"))[1] == uploaded
        replaced = await upload(("bad.proto", PROTO.replace("package zoo", "package good")))
        assert (replaced["services"], replaced["problems"]) == (["good.Zoo", "other.Zoo", "zoo.Zoo"], [])
        removed = (await request("DELETE", "?name=a%2Fzoo.proto"))[1]
        assert removed["services"] == ["good.Zoo", "other.Zoo"]
        assert (await request("DELETE", "?name=a%2Fzoo.proto"))[0] == 404
        assert (await request("DELETE"))[1] == {"files": [], "services": [], "problems": []}
        async with page.get("/api/schema") as answer:
            assert "attached files" not in [item["name"] for item in (await answer.json())["sources"]]


@pytest.mark.parametrize("field", ["name", "package", "message", "service"])
async def test_a_name_that_is_not_utf_8_spoils_no_other_upload(loom: Loom, field: str) -> None:
    file = FileDescriptorProto(name="bad.proto", package="bad", syntax="proto3")
    file.message_type.add(name="Bad")
    file.service.add(name="Bad")
    text = FileDescriptorSet(file=[file]).SerializeToString()
    target = {"name": b"bad.proto", "package": b"\x12\x03bad", "message": b"Bad", "service": b"Bad"}[field]
    at = text.rindex(target) if field == "service" else text.index(target)
    broken = text[: at + len(target) - 1] + b"\xff" + text[at + len(target) :]
    files = [
        {"name": "bad.protoset", "base64": base64.b64encode(broken).decode()},
        {"name": "zoo.proto", "text": PROTO},
    ]
    async with (
        aiohttp.ClientSession(f"http://{loom.ui_address}") as page,
        page.post("/api/schema/protos", json={"files": files}) as answer,
    ):
        assert answer.status == 200
        uploaded = await answer.json()
    assert uploaded["services"] == ["zoo.Zoo"]
    [problem] = uploaded["problems"]
    assert problem == "bad.protoset: a name is not UTF-8"


async def test_files_that_fail_only_when_linked_are_listed_once(loom: Loom) -> None:
    file = FileDescriptorProto(name="twice.proto", package="twice", syntax="proto3")
    message = file.message_type.add(name="M")
    for number in (1, 2):
        message.field.add(name="a", number=number, type=FieldDescriptorProto.TYPE_STRING)
    file.service.add(name="Zoo").method.add(name="Echo", input_type=".twice.M", output_type=".twice.M")
    data = base64.b64encode(FileDescriptorSet(file=[file]).SerializeToString()).decode()
    async with (
        grpc.aio.insecure_channel(str(loom.listen_address)) as channel,
        aiohttp.ClientSession(f"http://{loom.ui_address}") as page,
    ):
        files = {"files": [{"name": "twice.protoset", "base64": data}]}
        async with page.post("/api/schema/protos", json=files) as answer:
            [problem] = (await answer.json())["problems"]
        assert problem.startswith("twice.protoset: twice.proto: ")
        async with page.get("/api/schema") as answer:
            assert (await answer.json())["sources"][0]["problems"] == [problem]
        call: Any = channel.unary_unary("/twice.Zoo/Echo")
        with pytest.raises(grpc.aio.AioRpcError):
            await call(b"")
        async with page.get("/api/calls/1") as answer:
            schema = (await answer.json())["schema"]
        assert schema["problems"] == [problem]
        assert "twice.proto: " in schema["error"]


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
