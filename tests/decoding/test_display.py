"""Recorded messages as docs/reference/api.md has them, with schema and codec together."""

import asyncio
import gzip
from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest
from google.protobuf import any_pb2, descriptor_pb2
from google.protobuf.message import Message as ProtoMessage
from google.rpc import error_details_pb2, status_pb2

from loom.api.messages import MessageRow, MessageView
from loom.decoding.display import DisplayDecoder
from loom.model import Call, Direction, Message, Status
from loom.schema import DescriptorIndex, DescriptorSet, MemorySource, Provenance, Schema, SchemaError
from tests.support.narrowing import as_node, required
from tests.support.protos import FOLDER, message
from tests.support.schemas import compiled

SERVICE = """syntax = "proto3"; package t; import "everything.proto";
service S {
  rpc Do(loom.test.Scalars) returns (loom.test.WellKnown);
  rpc Old(loom.test.Old) returns (loom.test.Old);
}"""


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Sequence[descriptor_pb2.FileDescriptorProto]:
    folder = tmp_path_factory.mktemp("service")
    return compiled(folder, s=SERVICE, everything=(FOLDER / "everything.proto").read_text()).file


@pytest.fixture
async def decoder(files: Sequence[descriptor_pb2.FileDescriptorProto]) -> AsyncIterator[DisplayDecoder]:
    index = DescriptorIndex()
    index.add(files, "test")
    schema = Schema([MemorySource("proto files", [index])])
    decoding = DisplayDecoder(schema)
    yield decoding
    await decoding.close()
    await schema.close()


def a_call(method: str = "/t.S/Do", **fields: Any) -> Call:
    return Call(1, method, 0, **fields)


def a_message(data: bytes | None, direction: Direction = Direction.REQUEST, **fields: Any) -> Message:
    size = 5 if data is None else len(data)
    return Message(0, direction, 1_000, size, data, **fields)


def sent(view: MessageView) -> MessageView:
    """A view as the page receives it: that of a large message is partly JSON already."""
    return msgspec.json.decode(msgspec.json.encode(view), type=type(view))


SCALARS = message("Scalars", f_string="x", f_int64=7).SerializeToString()


async def test_a_row(decoder: DisplayDecoder) -> None:
    assert await decoder.row(a_call(), a_message(SCALARS)) == MessageRow(
        index=0, direction=Direction.REQUEST, time_us=1, size=len(SCALARS), compressed=False, encoding="",
        dropped=False, type="loom.test.Scalars", preview='fInt64: 7, fString: "x"', error=None,
    )  # fmt: skip


async def test_a_view(decoder: DisplayDecoder) -> None:
    view = await decoder.view(a_call(), a_message(SCALARS), 65536)
    assert view.json == {"fInt64": "7", "fString": "x"}
    assert (view.source, view.type) == ("proto files", "loom.test.Scalars")
    assert (view.protocol, view.payload) == ("gRPC", "proto")
    assert (view.drift, view.error, view.schema_error) == (False, None, None)


async def test_a_response_is_decoded_as_one(decoder: DisplayDecoder) -> None:
    data = message("WellKnown", w_int32={"value": 3}).SerializeToString()
    view = await decoder.view(a_call(), a_message(data, Direction.RESPONSE), 100)
    assert view.json == {"wInt32": 3}


@pytest.mark.parametrize("method", ["/no.Such/Method", "/t.S/Gone", "nonsense"])
async def test_without_a_schema_the_fields_are_shown_by_number(decoder: DisplayDecoder, method: str) -> None:
    view = await decoder.view(a_call(method), a_message(SCALARS), 100)
    assert view.json is None
    assert [child.key for child in as_node(view.wire).children] == ["4", "14"]
    assert view.schema_error
    assert (await decoder.row(a_call(method), a_message(SCALARS))).preview == '4: 7, 14: "x"'
    assert (await decoder.schema_info(a_call(method))).error == view.schema_error


async def test_a_file_that_the_pool_rejects_is_named_in_the_calls_schema_and_in_the_view(
    files: Sequence[descriptor_pb2.FileDescriptorProto],
) -> None:
    rejected = next(file for file in files if file.name == "s.proto")
    broken = type(rejected)()
    broken.CopyFrom(rejected)
    broken.service[0].method.add().CopyFrom(broken.service[0].method[0])
    index = DescriptorIndex()
    index.add([*(file for file in files if file is not rejected), broken], "test")
    decoder = DisplayDecoder(Schema([MemorySource("proto files", [index])]))
    info = await decoder.schema_info(a_call())
    [problem] = info.problems
    assert problem.startswith("s.proto: ")
    assert problem in (info.error or "")
    view = await decoder.view(a_call(), a_message(SCALARS), 100)
    assert (view.schema_error, view.json) == (info.error, None)
    await decoder.schema.close()


async def test_a_health_check_is_decoded_without_any_source() -> None:
    decoder = DisplayDecoder(Schema([]))
    call = a_call("/grpc.health.v1.Health/Check")
    row = await decoder.row(call, a_message(b"\x0a\x05store"))
    assert (row.type, row.preview) == ("grpc.health.v1.HealthCheckRequest", 'service: "store"')
    await decoder.schema.close()


async def test_a_message_whose_bytes_are_dropped(decoder: DisplayDecoder) -> None:
    assert (await decoder.row(a_call(), a_message(None))).dropped
    assert "no longer held" in str((await decoder.view(a_call(), a_message(None), 100)).error)


async def test_a_compressed_message(decoder: DisplayDecoder) -> None:
    packed = a_message(gzip.compress(SCALARS), compressed=True, encoding="gzip")
    assert (await decoder.row(a_call(), packed)).preview.startswith("fInt64: 7")
    view = sent(await decoder.view(a_call(), packed, 100))
    assert view.json["fString"] == "x"
    assert view.compressed


async def test_a_json_call_needs_no_schema(decoder: DisplayDecoder) -> None:
    call = a_call("/no.Such/Method", content_type="application/grpc+json")
    view = sent(await decoder.view(call, a_message(b'{"a": 1}'), 100))
    assert (view.json, view.payload, view.type, view.error) == ({"a": 1}, "json", "json", None)


async def test_a_large_message_is_decoded_in_the_worker_with_the_same_result(decoder: DisplayDecoder) -> None:
    data = message("Scalars", f_string="é" * 20_000).SerializeToString()
    call = a_call()
    large = sent(await decoder.view(call, a_message(data), 10))
    assert large.json == {"fString": "é" * 20_000}
    assert (large.truncated, large.source) == (len(data) - 10, "proto files")
    again = sent(await decoder.view(call, a_message(data), 10))
    assert again == large


async def test_an_any_is_unpacked_with_types_of_any_source(
    files: Sequence[descriptor_pb2.FileDescriptorProto], tmp_path: Path
) -> None:
    class Late:
        """Knows a type that the service's own files do not import."""

        name = "late"
        problems: Sequence[str] = ()

        async def fetch(self, symbol: str) -> DescriptorSet:
            if symbol != "late.Thing":
                raise SchemaError("no")
            return DescriptorSet(tuple(late), Provenance("late", ""))

        def fill(
            self, files: Mapping[str, descriptor_pb2.FileDescriptorProto]
        ) -> list[descriptor_pb2.FileDescriptorProto]:
            return []

    index = DescriptorIndex()
    index.add(files, "test")
    late = compiled(tmp_path, late='syntax = "proto3"; package late; message Thing { string is = 1; }').file
    decoding = DisplayDecoder(Schema([MemorySource("proto files", [index]), Late()]))
    strange = any_pb2.Any(type_url="x/late.Thing", value=b"\x0a\x05known")
    data = message(
        "WellKnown", any={"type_url": strange.type_url, "value": strange.value}
    ).SerializeToString()
    view = await decoding.view(a_call(), a_message(data, Direction.RESPONSE), 100)
    assert view.json == {"any": {"@type": "x/late.Thing", "is": "known"}}
    assert view.error is None
    await decoding.close()
    await decoding.schema.close()


async def test_unknown_fields_refresh_the_schema_once_and_are_drift(
    files: Sequence[descriptor_pb2.FileDescriptorProto],
) -> None:
    class Counting(MemorySource):
        asked = 0

        async def fetch(self, symbol: str) -> DescriptorSet:
            self.asked += 1
            return await super().fetch(symbol)

    index = DescriptorIndex()
    index.add(files, "test")
    source = Counting("reflection", [index])
    decoding = DisplayDecoder(Schema([source]))
    call = a_call("/t.S/Old")
    newer = a_message(message("New", kept="k", added=5).SerializeToString())
    for _ in range(3):
        view = await decoding.view(call, newer, 100)
        assert view.drift
        assert view.json == {"kept": "k"}
    assert source.asked == 2
    assert (await decoding.schema_info(call)).drift
    assert not (await decoding.schema_info(a_call("/t.S/Do"))).drift
    await decoding.schema.close()


async def test_messages_of_a_newer_schema_are_decoded_after_a_refresh(
    files: Sequence[descriptor_pb2.FileDescriptorProto], tmp_path: Path
) -> None:
    old = compiled(
        tmp_path,
        s='syntax = "proto3"; package t; message M { int32 a = 1; } service S { rpc Do(M) returns (M); }',
    )
    new = compiled(
        tmp_path,
        s='syntax = "proto3"; package t; message M { int32 a = 1; string b = 2; } service S { rpc Do(M) returns (M); }',
    )
    index = DescriptorIndex()
    index.add(old.file, "test")
    source = MemorySource("reflection", [index])
    decoding = DisplayDecoder(Schema([source]))
    await decoding.schema.method("/t.S/Do")
    newer = DescriptorIndex()
    newer.add(new.file, "test")
    source.replace([newer], [])
    view = await decoding.view(a_call(), a_message(b"\x08\x01\x12\x03new"), 100)
    assert (view.json, view.drift) == ({"a": 1, "b": "new"}, False)
    await decoding.schema.close()


async def test_waiting_for_a_schema_times_out() -> None:
    class Never:
        name = "never"
        problems: Sequence[str] = ()

        async def fetch(self, symbol: str) -> DescriptorSet:
            await asyncio.Event().wait()
            raise SchemaError(symbol)

        def fill(
            self, files: Mapping[str, descriptor_pb2.FileDescriptorProto]
        ) -> list[descriptor_pb2.FileDescriptorProto]:
            return []

    decoding = DisplayDecoder(Schema([Never()]), schema_timeout=0.01)
    view = await decoding.view(a_call(), a_message(SCALARS), 100)
    assert "try again" in (view.schema_error or "")
    assert as_node(view.wire).children
    await decoding.schema.close()


def details_of(*details: ProtoMessage) -> status_pb2.Status:
    status = status_pb2.Status(code=3, message="bad")
    for item in details:
        status.details.add().Pack(item)
    return status


async def test_error_details_of_standard_types_and_of_the_sources(decoder: DisplayDecoder) -> None:
    bad = error_details_pb2.BadRequest(field_violations=[{"field": "a", "description": "no"}])
    status = details_of(bad, message("Scalars", f_bool=True))
    status.details.add(type_url="x/no.Such", value=b"\x08\x01")
    shown = required(
        await decoder.status_details(a_call(status=Status(3, "bad", status.SerializeToString())))
    )
    standard, own, strange = shown.details
    assert standard.json == {"fieldViolations": [{"field": "a", "description": "no"}]}
    assert own.type == "loom.test.Scalars"
    assert own.json == {"fBool": True}
    assert strange.error == "no source knows no.Such"
    assert as_node(strange.wire).children[0].key == "1"
    assert (shown.code, shown.message, shown.error) == (3, "bad", None)


async def test_details_that_are_not_a_status_are_shown_raw(decoder: DisplayDecoder) -> None:
    raw = b"\xff\xff\xff"
    shown = required(
        await decoder.status_details(a_call(trailing_metadata=(("grpc-status-details-bin", raw),)))
    )
    assert (shown.error or "").startswith("not a google.rpc.Status")
    assert shown.raw_base64 == "////"
    assert await decoder.status_details(a_call()) is None


@pytest.mark.parametrize("compressed", [False, True])
async def test_a_row_of_a_large_message_starts_the_worker(decoder: DisplayDecoder, compressed: bool) -> None:
    data = message("Scalars", f_string="x" * 300_000).SerializeToString()
    if compressed:
        row = await decoder.row(a_call(), a_message(gzip.compress(data), compressed=True, encoding="gzip"))
        assert row.preview.startswith('fString: "xxx')
    else:
        row = await decoder.row(a_call(), a_message(data))
        assert row.preview == "too large for a preview: open it to see it"
    await required(decoder.worker._start_task)
    assert decoder.worker._process is not None
