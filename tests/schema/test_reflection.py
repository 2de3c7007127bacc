"""Reflection as it is found in the wild."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import grpc
import grpc.aio
import pytest
from google.protobuf import descriptor_pb2
from google.protobuf.descriptor_pb2 import FileDescriptorProto

from loom.model import Kind
from loom.schema import Schema, SchemaError, compile_protos
from loom.schema.reflection import ReflectionSource
from tests.support.narrowing import required
from tests.support.schemas import SHOP, compiled, error_answer, files_answer, reflecting

NOT_FOUND = 5


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> dict[str, FileDescriptorProto]:
    return {file.name: file for file in compiled(tmp_path_factory.mktemp("shop"), shop=SHOP).file}


@asynccontextmanager
async def reflection_schema(seen: Any, **options: Any) -> AsyncIterator[Schema]:
    async with grpc.aio.insecure_channel(seen.address) as channel:
        schema = Schema([ReflectionSource(lambda: channel, seen.address, **options)])
        yield schema
        await schema.close()


async def test_v1_answers_with_all_four_kinds(shop: dict[str, descriptor_pb2.FileDescriptorProto]) -> None:
    async with reflecting(lambda *_: files_answer(*shop.values())) as seen, reflection_schema(seen) as schema:
        kinds = {name: (await schema.method(f"/acme.shop.Shop/{name}")).kind for name in ("Get", "Watch")}
        kinds |= {name: (await schema.method(f"/acme.shop.Shop/{name}")).kind for name in ("Collect", "Chat")}
        method = await schema.method("/acme.shop.Shop/Get")
    assert kinds == {"Get": Kind.UNARY, "Watch": Kind.SERVER, "Collect": Kind.CLIENT, "Chat": Kind.BIDI}
    assert method.request.full_name == "acme.shop.Item"
    assert (method.provenance.source, method.provenance.origin) == ("reflection v1", seen.address)
    assert seen.streams == 1


async def test_v1alpha_where_v1_is_not_served(shop: dict[str, descriptor_pb2.FileDescriptorProto]) -> None:
    answer = lambda *_: files_answer(*shop.values())  # noqa: E731
    async with reflecting(answer, versions=("v1alpha",)) as seen, reflection_schema(seen) as schema:
        method = await schema.method("/acme.shop.Shop/Get")
    assert method.provenance.source == "reflection v1alpha"


@pytest.mark.parametrize(
    "code", [grpc.StatusCode.INTERNAL, grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.UNKNOWN]
)
async def test_v1alpha_whatever_v1_fails_with(
    shop: dict[str, descriptor_pb2.FileDescriptorProto], code: grpc.StatusCode
) -> None:
    def answer(_: Any, version: str) -> Any:
        return code if version == "v1" else files_answer(*shop.values())

    async with reflecting(answer) as seen, reflection_schema(seen) as schema:
        assert (await schema.method("/acme.shop.Shop/Get")).provenance.source == "reflection v1alpha"


async def test_one_file_at_a_time_and_dependencies_by_name(
    shop: dict[str, descriptor_pb2.FileDescriptorProto],
) -> None:
    def answer(request: Any, _: str) -> Any:
        name = request.file_by_filename or "shop.proto"
        return files_answer(shop[name]) if name in shop else error_answer(NOT_FOUND, "no such file")

    async with reflecting(answer) as seen, reflection_schema(seen) as schema:
        method = await schema.method("/acme.shop.Shop/Get")
    assert method.problems == ()
    assert {request.file_by_filename for request in seen.requests} <= {"", *shop}


async def test_a_server_that_finds_files_by_name_only(
    shop: dict[str, descriptor_pb2.FileDescriptorProto],
) -> None:
    named = {"acme/shop/shop.proto": shop["shop.proto"]} | shop

    def answer(request: Any, _: str) -> Any:
        file = named.get(request.file_by_filename)
        return error_answer(NOT_FOUND, "symbols are not known here") if file is None else files_answer(file)

    async with reflecting(answer) as seen, reflection_schema(seen) as schema:
        assert (await schema.method("/acme.shop.Shop/Get")).problems == ()
        with pytest.raises(SchemaError, match="symbols are not known here"):
            await schema.method("/acme.other.Thing/Get")


async def test_a_slow_server_is_awaited(shop: dict[str, descriptor_pb2.FileDescriptorProto]) -> None:
    asked, release = asyncio.Event(), asyncio.Event()

    async def answer(request: Any, _: str) -> Any:
        asked.set()
        await release.wait()
        return files_answer(shop[request.file_by_filename or "shop.proto"])

    async with reflecting(answer) as seen, reflection_schema(seen, response_timeout=60) as schema:
        method = asyncio.ensure_future(schema.method("/acme.shop.Shop/Get"))
        await asked.wait()
        assert not method.done()
        release.set()
        assert (await method).problems == ()


async def test_an_endless_answer_ends(shop: dict[str, descriptor_pb2.FileDescriptorProto]) -> None:
    numbers = iter(range(10**6))

    def answer(*_: Any) -> Any:
        number = next(numbers)
        return files_answer(FileDescriptorProto(name=f"{number}.proto", dependency=[f"{number + 1}.proto"]))

    async with reflecting(answer) as seen, reflection_schema(seen, fetch_timeout=0.3) as schema:
        with pytest.raises(SchemaError, match="not done within"):
            await schema.method("/a.B/C")


async def test_a_file_that_does_not_parse_is_named_and_the_rest_decodes(
    shop: dict[str, descriptor_pb2.FileDescriptorProto],
) -> None:
    def answer(request: Any, _: str) -> Any:
        response = files_answer(shop["shop.proto"])
        response.file_descriptor_response.file_descriptor_proto.append(b"\xff no descriptor")
        return response

    async with reflecting(answer) as seen, reflection_schema(seen) as schema:
        assert (await schema.method("/acme.shop.Shop/Get")).request.full_name == "acme.shop.Item"


async def test_a_server_that_switches_versions_is_followed(
    shop: dict[str, descriptor_pb2.FileDescriptorProto],
) -> None:
    served = ["v1"]

    def answer(_: Any, version: str) -> Any:
        return files_answer(*shop.values()) if version in served else grpc.StatusCode.UNIMPLEMENTED

    async with reflecting(answer) as seen, reflection_schema(seen) as schema:
        assert (await schema.method("/acme.shop.Shop/Get")).provenance.source == "reflection v1"
        served[:] = ["v1alpha"]
        assert (await schema.refresh("/acme.shop.Shop/Get")).provenance.source == "reflection v1alpha"


async def test_a_redeployed_schema_is_seen_at_the_next_fetch(
    shop: dict[str, descriptor_pb2.FileDescriptorProto], tmp_path: Path
) -> None:
    now = [shop]
    async with (
        reflecting(lambda *_: files_answer(*now[0].values())) as seen,
        reflection_schema(seen) as schema,
    ):
        method = await schema.method("/acme.shop.Shop/Get")
        now[0] = {
            file.name: file
            for file in compiled(
                tmp_path, shop=SHOP.replace("double price = 11;", "double price = 11; bool sold = 12;")
            ).file
        }
        newer = await schema.refresh_on_drift(method)
        assert newer is not None
        assert "sold" in newer.request.fields_by_name
        assert (await schema.method("/acme.shop.Shop/Get")).request is newer.request


async def test_repeated_files_are_ignored(shop: dict[str, descriptor_pb2.FileDescriptorProto]) -> None:
    files = [*shop.values(), *shop.values()]
    async with reflecting(lambda *_: files_answer(*files)) as seen, reflection_schema(seen) as schema:
        assert (await schema.method("/acme.shop.Shop/Get")).problems == ()


async def test_well_known_types_are_built_in(shop: dict[str, descriptor_pb2.FileDescriptorProto]) -> None:
    def answer(request: Any, _: str) -> Any:
        return error_answer(NOT_FOUND, "no") if request.file_by_filename else files_answer(shop["shop.proto"])

    async with reflecting(answer) as seen, reflection_schema(seen) as schema:
        assert (await schema.method("/acme.shop.Shop/Get")).problems == ()


async def test_a_missing_import_is_named_and_the_rest_decodes(tmp_path: Path) -> None:
    files = compiled(
        tmp_path,
        other="""syntax = "proto3"; package other;
        message Inner { string x = 1; message Deep { int32 y = 1; } enum E { Z = 0; } }""",
        main="""syntax = "proto3"; package main; import "other.proto";
        message Outer { string a = 1; other.Inner b = 2; other.Inner.Deep c = 3; other.Inner.E d = 4; }
        service S { rpc M(Outer) returns (other.Inner); }""",
    )
    main = next(file for file in files.file if file.name == "main.proto")

    def answer(request: Any, _: str) -> Any:
        return error_answer(NOT_FOUND, "no") if request.file_by_filename else files_answer(main)

    async with reflecting(answer) as seen, reflection_schema(seen) as schema:
        method = await schema.method("/main.S/M")
    assert method.problems == ("other.proto: imported but not provided",)
    assert [field.name for field in method.request.fields] == ["a", "b", "c", "d"]
    assert method.response.full_name == "other.Inner"


COMMON = """syntax = "proto3"; package common; import "google/protobuf/timestamp.proto";
message Money { string currency = 1; google.protobuf.Timestamp at = 2; } enum Unit { NONE = 0; GRAM = 1; }"""
MAIN = """syntax = "proto3"; package main; import "{0}";
message Order {{ common.Money price = 1; common.Unit unit = 2; }} service S {{ rpc M(Order) returns (Order); }}"""


@pytest.mark.parametrize("served_name", ["common.proto", "other/place/common.proto", "money.proto"])
async def test_an_import_that_is_served_under_another_name_is_found_by_its_symbols(
    tmp_path: Path, served_name: str
) -> None:
    (tmp_path / "shared").mkdir()
    (tmp_path / "shared" / "common.proto").write_text(COMMON)
    (tmp_path / "main.proto").write_text(MAIN.format("shared/common.proto"))
    files = compile_protos([tmp_path / "main.proto"], [tmp_path]).file
    main, common = (next(file for file in files if file.package == package) for package in ("main", "common"))
    common.name = served_name

    def answer(request: Any, _: str) -> Any:
        symbol = request.file_containing_symbol
        if symbol.startswith("main."):
            return files_answer(main)
        return (
            files_answer(common)
            if symbol in {"common.Money", "common.Unit"}
            else error_answer(NOT_FOUND, "no")
        )

    async with reflecting(answer) as seen, reflection_schema(seen) as schema:
        method = await schema.method("/main.S/M")
    assert method.problems == ()
    price, unit = method.request.fields
    assert [field.name for field in required(price.message_type).fields] == ["currency", "at"]
    assert [value.name for value in required(unit.enum_type).values] == ["NONE", "GRAM"]


async def test_two_imports_under_other_names_are_both_found(tmp_path: Path) -> None:
    (tmp_path / "a.proto").write_text('syntax = "proto3"; package a; message A { string x = 1; }')
    (tmp_path / "b.proto").write_text('syntax = "proto3"; package b; message B { string y = 1; }')
    (tmp_path / "main.proto").write_text(
        """syntax = "proto3"; package main; import "a.proto"; import "b.proto";
        message Both { a.A a = 1; b.B b = 2; } service S { rpc M(Both) returns (Both); }"""
    )
    files = {file.package: file for file in compile_protos([tmp_path / "main.proto"], [tmp_path]).file}
    files["a"].name, files["b"].name = "one.proto", "two.proto"

    def answer(request: Any, _: str) -> Any:
        file = files.get(request.file_containing_symbol.partition(".")[0])
        return files_answer(file) if file else error_answer(NOT_FOUND, "no")

    async with reflecting(answer) as seen, reflection_schema(seen) as schema:
        method = await schema.method("/main.S/M")
    assert method.problems == ()
    assert [required(field.message_type).fields[0].name for field in method.request.fields] == ["x", "y"]


async def test_extensions_that_the_server_knows_are_fetched(tmp_path: Path) -> None:
    files = {
        file.name: file
        for file in compiled(
            tmp_path,
            base="""syntax = "proto2"; package p; message Base { extensions 100 to 200; }
            service S { rpc M(Base) returns (Base); }""",
            ext='syntax = "proto2"; package p; import "base.proto"; extend Base { optional string note = 100; }',
        ).file
    }

    def answer(request: Any, _: str) -> Any:
        kind = request.WhichOneof("message_request")
        if kind == "all_extension_numbers_of_type":
            response = error_answer(0, "")
            response.all_extension_numbers_response.extension_number.append(100)
            return response
        return files_answer(files["ext.proto" if kind == "file_containing_extension" else "base.proto"])

    async with reflecting(answer) as seen, reflection_schema(seen) as schema:
        method = await schema.method("/p.S/M")
    assert [found.full_name for found in method.pool.FindAllExtensions(method.request)] == ["p.note"]


async def test_a_server_may_reject_extension_requests(tmp_path: Path) -> None:
    [file] = compiled(
        tmp_path,
        base="""syntax = "proto2"; package p; message Base { extensions 100 to 200; }
        service S { rpc M(Base) returns (Base); }""",
    ).file

    def answer(request: Any, _: str) -> Any:
        if request.HasField("all_extension_numbers_of_type"):
            return grpc.StatusCode.UNIMPLEMENTED
        return files_answer(file)

    async with reflecting(answer) as seen, reflection_schema(seen) as schema:
        assert (await schema.method("/p.S/M")).request.full_name == "p.Base"


async def test_a_server_that_hangs_times_out() -> None:
    def answer(*_: Any) -> Any:
        return asyncio.Event().wait()

    async with reflecting(answer) as seen, reflection_schema(seen, response_timeout=0.2) as schema:
        with pytest.raises(SchemaError, match=r"DEADLINE_EXCEEDED|no answer within") as caught:
            await schema.method("/a.B/C")
    assert caught.value.temporary


async def test_a_target_without_reflection_says_what_to_pass() -> None:
    async with reflecting(lambda *_: None, versions=()) as seen, reflection_schema(seen) as schema:
        with pytest.raises(SchemaError, match="pass --proto or --protoset") as caught:
            await schema.method("/a.B/C")
    assert not caught.value.temporary


async def test_an_unknown_symbol_is_not_asked_again_in_v1alpha() -> None:
    async with (
        reflecting(lambda *_: error_answer(NOT_FOUND, "who?")) as seen,
        reflection_schema(seen) as schema,
    ):
        with pytest.raises(SchemaError, match=r"does not know a\.B \(who\?\)"):
            await schema.method("/a.B/C")
    assert seen.streams == 1


async def test_metadata_is_sent_to_reflection(shop: dict[str, descriptor_pb2.FileDescriptorProto]) -> None:
    async with (
        reflecting(lambda *_: files_answer(*shop.values())) as seen,
        reflection_schema(seen, metadata=(("x-route", "blue"),)) as schema,
    ):
        await schema.method("/acme.shop.Shop/Get")
    assert seen.metadata[0]["x-route"] == "blue"


async def test_five_thousand_files(shop: dict[str, descriptor_pb2.FileDescriptorProto]) -> None:
    chain = []
    for number in range(5000):
        file = FileDescriptorProto(name=f"f{number}.proto", package=f"p{number}", syntax="proto3")
        file.message_type.add(name="M")
        if number:
            file.dependency.append(f"f{number - 1}.proto")
        chain.append(file)
    last = FileDescriptorProto(name="s.proto", package="s", syntax="proto3", dependency=["f4999.proto"])
    last.service.add(name="S").method.add(name="M", input_type=".p4999.M", output_type=".p4999.M")
    async with reflecting(lambda *_: files_answer(last, *chain)) as seen:
        options = (("grpc.max_receive_message_length", -1),)
        async with grpc.aio.insecure_channel(seen.address, options=options) as channel:
            schema = Schema([ReflectionSource(lambda: channel, seen.address)])
            assert (await schema.method("/s.S/M")).request.full_name == "p4999.M"
            await schema.close()


async def test_five_thousand_files_asked_for_by_name() -> None:
    files = {}
    for number in range(5000):
        file = FileDescriptorProto(name=f"f{number}.proto", package=f"p{number}", syntax="proto3")
        file.message_type.add(name="M")
        files[file.name] = file
    root = FileDescriptorProto(name="s.proto", package="s", syntax="proto3", dependency=list(files))
    root.service.add(name="S").method.add(name="M", input_type=".p0.M", output_type=".p4999.M")
    async with (
        reflecting(lambda request, _: files_answer(files.get(request.file_by_filename, root))) as seen,
        reflection_schema(seen) as schema,
    ):
        assert (await schema.method("/s.S/M")).response.full_name == "p4999.M"
    assert len(seen.requests) == 5001
