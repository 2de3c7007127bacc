"""Several sources together: their order, what they fill in, how long is waited, what is doubted."""

import asyncio
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest
from google.protobuf import descriptor_pb2
from google.protobuf.descriptor_pb2 import FileDescriptorProto

from loom.schema import (
    DescriptorIndex,
    DescriptorSet,
    MemorySource,
    Provenance,
    Schema,
    SchemaError,
    UploadError,
    outline,
)
from tests.support.narrowing import required
from tests.support.schemas import compiled

TEXT = 'syntax = "proto3"; package a; message M {{ string {0} = 1; }} service S {{ rpc Do(M) returns (M); }}'


class Scripted:
    """A source whose answers a test gives: files, an error, or an event to wait for first."""

    problems: Sequence[str] = ()

    def __init__(
        self, name: str, *answers: Sequence[descriptor_pb2.FileDescriptorProto] | SchemaError | asyncio.Event
    ) -> None:
        self.name, self.answers = name, list(answers)
        self.asked: list[str] = []

    async def fetch(self, symbol: str) -> DescriptorSet:
        self.asked.append(symbol)
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, asyncio.Event):
            await answer.wait()
            return await self.fetch(symbol)
        if isinstance(answer, Exception):
            raise answer
        return DescriptorSet(tuple(answer), Provenance(self.name, "here"))

    def fill(
        self, files: Mapping[str, descriptor_pb2.FileDescriptorProto]
    ) -> list[descriptor_pb2.FileDescriptorProto]:
        return []


def described(folder: Path, field: str = "x") -> list[descriptor_pb2.FileDescriptorProto]:
    return list(compiled(folder, a=TEXT.format(field)).file)


def local(name: str, files: Sequence[descriptor_pb2.FileDescriptorProto]) -> MemorySource:
    made = DescriptorIndex()
    made.add(files, "disk")
    return MemorySource(name, [made])


UNKNOWN = SchemaError("no such symbol")
DOWN = SchemaError("not reached", temporary=True)


async def test_the_first_source_that_knows_answers(tmp_path: Path) -> None:
    files = described(tmp_path)
    schema = Schema([Scripted("one", UNKNOWN), Scripted("two", files), Scripted("three", files)])
    assert (await schema.method("/a.S/Do")).provenance.source == "two"
    await schema.close()


async def test_an_unknown_symbol_reports_the_reason_of_every_source() -> None:
    schema = Schema(
        [Scripted("one", SchemaError("one is empty")), Scripted("two", SchemaError("two is not"))]
    )
    with pytest.raises(SchemaError, match="one is empty; two is not"):
        await schema.method("/a.S/Do")
    with pytest.raises(SchemaError, match="is not the path of a gRPC method"):
        await schema.method("/nonsense")
    await schema.close()


@pytest.mark.parametrize("prefix", ["", "/api", "/api/v2", "//"])
async def test_a_prefix_of_the_path_is_ignored(tmp_path: Path, prefix: str) -> None:
    schema = Schema([local("x", described(tmp_path))])
    path = f"{prefix}/a.S/Do"
    method = await schema.method(path)
    assert (method.path, method.request.full_name) == (path, "a.M")
    assert schema.kind(path) is method.kind
    assert [service.name for service in outline(method).services] == ["a.S"]
    assert [file.name for file in (await schema.descriptor_set(path)).file] == ["a.proto"]
    await schema.close()


async def test_without_sources_it_says_what_to_pass() -> None:
    with pytest.raises(SchemaError, match="--proto"):
        await Schema([]).method("/a.S/Do")


async def test_a_later_source_answers_for_a_slow_one(tmp_path: Path) -> None:
    slow = Scripted("slow", asyncio.Event())
    schema = Schema([slow, Scripted("quick", described(tmp_path))], patience=0.01)
    assert (await schema.method("/a.S/Do")).provenance.source == "quick"
    await schema.close()


async def test_a_slow_source_is_awaited_if_no_other_has_an_answer(tmp_path: Path) -> None:
    come = asyncio.Event()
    schema = Schema([Scripted("slow", come, described(tmp_path)), Scripted("other", UNKNOWN)], patience=0)
    asking = asyncio.create_task(schema.method("/a.S/Do"))
    await asyncio.wait([asking], timeout=0.05)
    assert not asking.done()
    come.set()
    assert (await asking).provenance.source == "slow"
    await schema.close()


async def test_an_answer_of_a_fallback_source_is_provisional(tmp_path: Path) -> None:
    files = described(tmp_path)
    schema = Schema([Scripted("first", DOWN, files), Scripted("second", files)], failure_ttl=0)
    assert (await schema.method("/a.S/Do")).provenance.source == "second"
    received = asyncio.Event()
    schema.on_descriptors(lambda _: received.set())
    await schema.method("/a.S/Do")  # still the second's, and it makes the first be asked
    await received.wait()
    assert required(schema.peek("/a.S/Do")).provenance.source in {"first", "second"}
    assert (await schema.refresh("/a.S/Do")).provenance.source == "first"
    await schema.close()


async def test_local_files_add_imports_and_extensions_that_reflection_lacks(tmp_path: Path) -> None:
    files = {
        file.name: file
        for file in compiled(
            tmp_path,
            common='syntax = "proto2"; package c; message Money { optional int64 units = 1; }',
            base="""syntax = "proto2"; package a; import "common.proto";
            message M { optional c.Money price = 1; extensions 100 to 200; } service S { rpc Do(M) returns (M); }""",
            ext='syntax = "proto2"; package e; import "base.proto"; extend a.M { optional string note = 100; }',
        ).file
    }
    reflected = Scripted("reflection", [files["base.proto"]])
    method = await Schema([reflected, local("proto files", list(files.values()))]).method("/a.S/Do")
    assert method.problems == ()
    assert method.provenance.source == "reflection"
    assert [field.name for field in required(method.request.fields_by_name["price"].message_type).fields] == [
        "units"
    ]
    assert [found.full_name for found in method.pool.FindAllExtensions(method.request)] == ["e.note"]


async def test_a_type_is_found_in_any_source_and_built_in_ones_first(tmp_path: Path) -> None:
    schema = Schema([Scripted("one", UNKNOWN), local("proto files", described(tmp_path))])
    found = await schema.message_type("a.M")
    assert found is not None
    assert found.full_name == "a.M"
    assert (await schema.message_type("google.rpc.BadRequest")) is not None
    assert await schema.message_type("no.Such") is None


async def test_the_descriptor_set_of_a_method_is_complete_and_in_order(tmp_path: Path) -> None:
    text = """syntax = "proto3"; package a; import "google/protobuf/timestamp.proto";
    message M { google.protobuf.Timestamp at = 1; } service S { rpc Do(M) returns (M); }"""
    files = [file for file in compiled(tmp_path, a=text).file if file.name == "a.proto"]
    found = await Schema([local("x", files)]).descriptor_set("/a.S/Do")
    assert [file.name for file in found.file] == ["google/protobuf/timestamp.proto", "a.proto"]


async def test_listeners_get_every_descriptor_set(tmp_path: Path) -> None:
    received: list[DescriptorSet] = []
    schema = Schema([local("x", described(tmp_path))])
    schema.on_descriptors(received.append)
    await schema.method("/a.S/Do")
    await schema.method("/a.S/Do")
    assert [item.provenance.source for item in received] == ["x"]


async def test_drift_refreshes_a_description_once(tmp_path: Path) -> None:
    old, new = described(tmp_path, "before"), described(tmp_path, "after")
    source = Scripted("reflection", old, new)
    schema = Schema([source])
    method = await schema.method("/a.S/Do")
    newer = await schema.refresh_on_drift(method)
    assert newer is not None
    assert [field.name for field in newer.request.fields] == ["after"]
    assert await schema.refresh_on_drift(newer) is None
    assert await schema.refresh_on_drift(method) is None
    assert len(source.asked) == 2
    await schema.close()


async def test_drift_does_not_refresh_an_unchanged_description_again(tmp_path: Path) -> None:
    source = Scripted("reflection", described(tmp_path))
    schema = Schema([source])
    method = await schema.method("/a.S/Do")
    for _ in range(3):
        assert await schema.refresh_on_drift(method) is None
    assert len(source.asked) == 2
    schema.invalidate()  # the target was reconnected: it may be checked again
    await schema.refresh_on_drift(method)
    assert len(source.asked) == 3
    await schema.close()


async def test_uploads_are_the_first_source_at_once(tmp_path: Path) -> None:
    schema = Schema([Scripted("reflection", UNKNOWN)])
    changes = []
    schema.on_change(lambda: changes.append(1))
    with pytest.raises(SchemaError):
        await schema.method("/a.S/Do")
    source = await schema.add_uploads({"dir/a.proto": TEXT.format("x").encode(), "bad.proto": b"?"})
    assert source.services == ["a.S"]
    assert source.problems[0].startswith("bad.proto:1:1")
    assert (await schema.method("/a.S/Do")).provenance.source == "attached files"
    assert changes == [1]
    protoset = compiled(
        tmp_path, b='syntax = "proto3"; package b; message M {} service S { rpc Do(M) returns (M); }'
    )
    assert (await schema.add_uploads({"b.protoset": protoset.SerializeToString()})).services == ["a.S", "b.S"]
    await schema.close()


@pytest.mark.parametrize("name", ["/etc/passwd", "../x.proto", "a/../../x.proto", "", "a\0b", "\ud800.proto"])
async def test_names_of_uploads_are_relative(name: str) -> None:
    with pytest.raises(UploadError, match="relative file name"):
        await Schema([]).add_uploads({name: b""})


@pytest.mark.parametrize("name", ["x" * 600, "x" * 256, f"{'é' * 130}.proto", f"a/{'x' * 256}/b.proto"])
async def test_a_long_name_is_refused_and_spoils_no_later_upload(name: str) -> None:
    schema = Schema([])
    with pytest.raises(UploadError, match="is too long: 255 bytes between slashes"):
        await schema.add_uploads({name: b""})
    assert (await schema.add_uploads({"a.proto": TEXT.format("x").encode()})).services == ["a.S"]
    await schema.close()


@pytest.mark.parametrize("names", [("x.proto", "x.proto/y.proto"), ("x.proto/y.proto", "x.proto")])
async def test_a_file_that_cannot_be_written_is_named_and_the_others_are_used(names: tuple[str, str]) -> None:
    schema = Schema([])
    await schema.add_uploads({names[0]: b""})
    await schema.add_uploads({names[1]: b""})
    source = await schema.add_uploads({"a.proto": TEXT.format("x").encode()})
    assert source.services == ["a.S"]
    [problem] = source.problems
    assert problem.startswith(f"{names[1]}: ")
    await schema.close()


@pytest.mark.parametrize("name", ["\udcff", "a\0b", "x" * 1_000_000], ids=["surrogate", "NUL", "long"])
async def test_text_that_is_no_name_is_neither_asked_for_nor_cached(name: str) -> None:
    source = Scripted("reflection", UNKNOWN)
    schema = Schema([source])
    assert await schema.find_descriptor_set(name) is None
    with pytest.raises(SchemaError):
        await schema.method(f"/{name}/Do")
    assert schema.kind(f"/{name}/Do") is None
    assert source.asked == []
    assert len(schema._symbols._entries) == 0
    await schema.close()


@pytest.mark.parametrize("name", ["x" * 252 + ".proto", "é" * 126 + ".proto", "a/" * 300 + "b.proto"])
async def test_names_of_uploads_that_no_file_system_takes_are_refused_alone(name: str) -> None:
    schema = Schema([])
    text = b'syntax = "proto3"; package a; message M {} service S { rpc Do(M) returns (M); }'
    await schema.add_uploads({"a.proto": text})
    with pytest.raises(UploadError, match="is too long: 255 bytes between slashes"):
        await schema.add_uploads({name: text, "b.proto": text})
    assert schema.uploads == {"a.proto": len(text)}
    assert (await schema.method("/a.S/Do")).problems == ()
    await schema.close()


async def test_uploads_are_limited() -> None:
    with pytest.raises(UploadError, match="--proto instead"):
        await Schema([]).add_uploads({"a.proto": bytes(33 * 1024 * 1024)})
    with pytest.raises(UploadError, match="--proto instead"):
        await Schema([]).add_uploads({f"{number}.proto": b"" for number in range(2001)})


async def test_a_broken_file_among_others_is_left_out_and_named() -> None:
    good = FileDescriptorProto(name="a.proto", package="a", syntax="proto3", dependency=["bad.proto"])
    good.message_type.add(name="M").field.add(name="b", number=1, type=11, label=1, type_name=".b.Gone")
    good.service.add(name="S").method.add(name="Do", input_type=".a.M", output_type=".a.M")
    bad = FileDescriptorProto(name="bad.proto", package="b", syntax="proto3")
    bad.message_type.add(name="Gone").field.add(name="x", number=1, type=11, label=1, type_name=".b.Nowhere")
    method = await Schema([local("x", [good, bad])]).method("/a.S/Do")
    assert [field.name for field in method.request.fields] == ["b"]
    assert len(method.problems) == 1
    assert method.problems[0].startswith("bad.proto: ")
