"""Proto files, folders of them, and descriptor sets: what compiles is there, what does not is named."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from loom.schema import ProtocError, SchemaError, compile_protos
from loom.schema.compilation import load_files
from loom.schema.descriptor_index import MemorySource
from loom.schema.local_files import DESCRIPTOR_SETS, PROTO_FILES

GOOD = 'syntax = "proto3"; package {0}; message M {{ string a = 1; }} service S {{ rpc Do(M) returns (M); }}'


async def protos(paths: list[Path], import_paths: Sequence[Path] = ()) -> MemorySource:
    loaded, _ = await load_files(paths, import_paths)
    return MemorySource(PROTO_FILES, loaded.indexes, loaded.problems)


def write(folder: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return folder


async def test_a_folder_is_read_recursively(tmp_path: Path) -> None:
    write(tmp_path, {"a.proto": GOOD.format("a"), "deep/er/b.proto": GOOD.format("b")})
    source = await protos([tmp_path])
    assert source.services == ["a.S", "b.S"]
    assert source.problems == []
    found = await source.fetch("b.S")
    assert [file.name for file in found.files] == ["deep/er/b.proto"]
    assert (found.provenance.source, found.provenance.origin) == ("proto files", str(tmp_path))


async def test_imports_are_found_below_the_folder_and_the_import_paths(tmp_path: Path) -> None:
    write(
        tmp_path,
        {
            "apis/shop/shop.proto": """syntax = "proto3"; package shop; import "common/money.proto";
            import "google/api/annotations.proto"; import "google/rpc/status.proto"; import "google/protobuf/any.proto";
            message M { common.Money price = 1; google.rpc.Status status = 2; google.protobuf.Any any = 3; }
            service S { rpc Do(M) returns (M) { option (google.api.http) = { get: "/v1" }; } }""",
            "shared/common/money.proto": 'syntax = "proto3"; package common; message Money { int64 units = 1; }',
        },
    )
    source = await protos([tmp_path / "apis"], [tmp_path / "shared"])
    assert source.problems == []
    assert {"shop/shop.proto", "common/money.proto"} <= {
        file.name for file in (await source.fetch("shop.S")).files
    }


async def test_one_file_with_its_import_path(tmp_path: Path) -> None:
    write(tmp_path, {"acme/a.proto": GOOD.format("acme"), "acme/other.proto": "broken"})
    source = await protos([tmp_path / "acme" / "a.proto"], [tmp_path])
    assert source.problems == []
    assert [file.name for file in (await source.fetch("acme.S")).files] == ["acme/a.proto"]


async def test_broken_files_and_their_importers_are_named_and_the_others_used(tmp_path: Path) -> None:
    write(
        tmp_path,
        {
            "good.proto": GOOD.format("good"),
            "broken.proto": 'syntax = "proto3";\nmessage M { strin a = 1 }',
            "needs.proto": 'syntax = "proto3"; import "broken.proto"; message N { M m = 1; }',
            "lost.proto": 'syntax = "proto3"; import "no/where.proto"; message L { no.Where w = 1; }',
            "fine/too.proto": GOOD.format("fine"),
        },
    )
    source = await protos([tmp_path])
    assert source.services == ["fine.S", "good.S"]
    problems = [problem.removeprefix(f"{tmp_path}/") for problem in source.problems]
    by_file = {problem.partition(":")[0]: problem for problem in problems}
    assert set(by_file) == {"broken.proto", "needs.proto", "lost.proto"}
    assert by_file["broken.proto"].startswith("broken.proto:2:")
    assert "--import-path" in by_file["lost.proto"]


async def test_paths_without_files_are_named(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    source = await protos([tmp_path / "gone.proto", tmp_path / "empty"])
    assert source.problems == [
        f"{tmp_path}/gone.proto: no such file or folder",
        f"{tmp_path}/empty: no .proto file in this folder",
    ]


async def test_an_undefined_symbol_mentions_the_broken_files(tmp_path: Path) -> None:
    write(tmp_path, {"broken.proto": "?"})
    source = await protos([tmp_path])
    with pytest.raises(
        SchemaError, match=r"no proto files define a\.B \(1 problem with them, first: .*/broken\.proto:1:1"
    ):
        await source.fetch("a.B")


async def test_descriptor_sets(tmp_path: Path) -> None:
    write(tmp_path, {"a.proto": GOOD.format("a"), "bad.protoset": "no set at all"})
    protoset = tmp_path / "good.protoset"
    protoset.write_bytes(compile_protos([tmp_path / "a.proto"]).SerializeToString())
    _, loaded = await load_files(
        descriptor_sets=[protoset, tmp_path / "bad.protoset", tmp_path / "gone.protoset"]
    )
    source = MemorySource(DESCRIPTOR_SETS, loaded.indexes, loaded.problems)
    assert (await source.fetch("a.S")).provenance.origin == str(protoset)
    assert [problem.partition(": ")[2][:22] for problem in source.problems] == [
        "not a descriptor set: ",
        "No such file or direct",
    ]


async def test_nested_messages_are_found_by_their_full_name(tmp_path: Path) -> None:
    write(tmp_path, {"a.proto": 'syntax = "proto3"; package a; message Outer { message Inner {} }'})
    assert (await (await protos([tmp_path])).fetch("a.Outer.Inner")).files[0].name == "a.proto"


async def test_files_that_extend_a_message_come_with_it(tmp_path: Path) -> None:
    write(
        tmp_path,
        {
            "base.proto": """syntax = "proto2"; package p; message Base { extensions 100 to 200; }
            service S { rpc Do(Base) returns (Base); }""",
            "ext.proto": 'syntax = "proto2"; package q;import "base.proto"; extend p.Base { optional int32 x = 100; }',
        },
    )
    found = await (await protos([tmp_path])).fetch("p.S")
    assert {file.name for file in found.files} == {"base.proto", "ext.proto"}


def test_errors_of_protoc_are_reported_by_line(tmp_path: Path) -> None:
    write(tmp_path, {"a.proto": 'syntax = "proto3";\nmessage M { strin a = 1; Gone b = 2; }'})
    with pytest.raises(ProtocError) as error:
        compile_protos([tmp_path / "a.proto"])
    assert [line.partition(": ")[0] for line in error.value.lines] == [
        f"{tmp_path}/a.proto:2:13",
        f"{tmp_path}/a.proto:2:26",
    ]


async def test_many_broken_files_leave_the_others_usable(tmp_path: Path) -> None:
    write(tmp_path, {f"{number}.proto": "?" for number in range(3)} | {"good.proto": GOOD.format("good")})
    source = await protos([tmp_path])
    assert (source.services, len(source.problems)) == (["good.S"], 3)
