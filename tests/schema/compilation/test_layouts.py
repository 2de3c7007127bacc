"""Trees as repositories have them: several roots, vendored files, imports that are missing, files that conflict."""

import os
from collections.abc import AsyncIterator, Mapping
from pathlib import Path

import pytest
from google.protobuf.descriptor import Descriptor

from loom.schema import Method, Schema, compile_protos
from loom.schema.compilation import load_files
from loom.schema.descriptor_index import MemorySource

LAYOUTS = Path(__file__).parents[2] / "fixtures" / "layouts"

SERVICE = """syntax = "proto3"; package {0};
message M {{ string {1} = 1; }}
service S {{ rpc Do(M) returns (M); }}
"""


def write(folder: Path, files: Mapping[str, str]) -> Path:
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return folder


async def load(*paths: Path) -> tuple[MemorySource, Schema]:
    loaded, _ = await load_files(paths)
    source = MemorySource("proto files", loaded.indexes, loaded.problems)
    return source, Schema([source])


def message_type(message: Descriptor, field: str) -> Descriptor:
    """The type of a field."""
    found = message.fields_by_name[field].message_type
    assert found is not None
    return found


async def request_fields(schema: Schema, path: str) -> list[str]:
    method = await schema.method(path)
    return list(method.request.fields_by_name)


async def problems_of(schema: Schema, path: str) -> list[str]:
    return schema.problems_with((await schema.method(path)).problems)


async def test_files_of_one_name_in_two_roots_are_different_files(tmp_path: Path) -> None:
    for name in ("a", "b"):
        write(
            tmp_path / name,
            {
                "common.proto": f'syntax = "proto3"; package {name}; message Own {{ string of_{name} = 1; }}',
                "service.proto": f"""syntax = "proto3"; package {name}; import "common.proto";
                message M {{ Own own = 1; }} service S {{ rpc Do(M) returns (M); }}""",
            },
        )
    source, schema = await load(tmp_path / "a", tmp_path / "b")
    assert (source.services, source.problems) == (["a.S", "b.S"], [])
    for name in ("a", "b"):
        method = await schema.method(f"/{name}.S/Do")
        own = message_type(method.request, "own")
        assert list(own.fields_by_name) == [f"of_{name}"]
        assert method.problems == ()
    both, schema = await load(tmp_path)
    assert (both.services, both.problems) == (["a.S", "b.S"], [])
    assert (await schema.method("/b.S/Do")).problems == ()


async def test_two_versions_of_a_package_are_both_used(tmp_path: Path) -> None:
    write(
        tmp_path,
        {
            "old/api.proto": SERVICE.format("acme.old", "x") + "message Shared { M m = 1; }",
            "one/shared.proto": 'syntax = "proto3"; package acme; message Shared { string one = 1; }',
            "two/shared.proto": 'syntax = "proto3"; package acme; message Shared { string two = 1; }',
            "one/one.proto": """syntax = "proto3"; package first; import "shared.proto";
            service S { rpc Do(acme.Shared) returns (acme.Shared); }""",
            "two/two.proto": """syntax = "proto3"; package second; import "shared.proto";
            service S { rpc Do(acme.Shared) returns (acme.Shared); }""",
        },
    )
    source, schema = await load(tmp_path)
    assert source.problems == []
    assert await request_fields(schema, "/first.S/Do") == ["one"]
    assert await request_fields(schema, "/second.S/Do") == ["two"]


async def test_conflicts_of_nested_symbols_are_found_by_compiling(tmp_path: Path) -> None:
    write(
        tmp_path,
        {
            f"{name}.proto": f"""syntax = "proto3"; package p;
            message {name} {{ string a = 1; }} enum {name}Kind {{ UNKNOWN = 0; }}
            service {name}Service {{ rpc Do({name}) returns ({name}); }}"""
            for name in ("One", "Two", "Three")
        },
    )
    source, schema = await load(tmp_path)
    assert (len(source.services), source.problems) == (3, [])
    for name in ("One", "Two", "Three"):
        assert await request_fields(schema, f"/p.{name}Service/Do") == ["a"]


OPTIONS = """syntax = "proto3";
package shop;
import "validate/validate.proto";
import "buf/validate/validate.proto";
import "gogoproto/gogo.proto";
import "google/api/annotations.proto";
import "protoc-gen-openapiv2/options/annotations.proto";
option (gogoproto.marshaler_all) = true;
option go_package = "shop";
option (grpc.gateway.protoc_gen_openapiv2.options.openapiv2_swagger) = {
  info: { title: "Shop; [1.0]"; version: "1" }  // a comment; with } in it
  schemes: [HTTP, HTTPS];
};
message Item {
  option (validate.disabled) = true;
  string name = 1 [(validate.rules).string = {min_len: 1, pattern: "[a-z]];\\"{"}, deprecated = true];
  repeated int32 counts = 2 [packed = false, (buf.validate.field).repeated.items.int32.gt = -1];
  oneof kind { option (validate.required) = true; bytes raw = 3 [(gogoproto.nullable) = false]; }
}
enum Colour { option (gogoproto.goproto_enum_prefix) = false; NONE = 0 [(gogoproto.enumvalue_customname) = "x"]; }
service Shop {
  rpc Get(Item) returns (Item) {
    option (google.api.http) = { get: "/v1/{name}" };
    option (grpc.gateway.protoc_gen_openapiv2.options.openapiv2_operation) = { tags: "a" };
  }
}
"""


async def test_imports_that_are_used_for_options_alone_do_not_matter(tmp_path: Path) -> None:
    write(tmp_path, {"shop.proto": OPTIONS})
    source, schema = await load(tmp_path)
    assert source.problems == []
    method = await schema.method("/shop.Shop/Get")
    assert (list(method.request.fields_by_name), method.problems) == (["name", "counts", "raw"], ())
    assert method.request.fields_by_name["name"].GetOptions().deprecated
    assert not method.request.fields_by_name["counts"].is_packed
    service = method.pool.FindServiceByName("shop.Shop")
    assert "google.api.http" in str(service.FindMethodByName("Get").GetOptions())


async def test_types_of_missing_imports_have_placeholders_and_are_named(tmp_path: Path) -> None:
    write(
        tmp_path,
        {
            "base.proto": """syntax = "proto3"; package base; import public "acme/money.proto";
            message Base { acme.Money price = 1; acme.Money.Unit.Kind kind = 2; string name = 3; }""",
            "shop.proto": """syntax = "proto3"; package acme.shop; import "base.proto"; import "acme/shop/local.proto";
            message M { base.Base base = 1; Local local = 2; Money money = 3; map<string, Local> more = 4; }
            service S { rpc Do(M) returns (M); rpc Get(Local) returns (stream acme.Money); }""",
            "other.proto": SERVICE.format("other", "a"),
        },
    )
    source, schema = await load(tmp_path)
    assert source.services == ["acme.shop.S", "other.S"]
    assert [problem.removeprefix(f"{tmp_path}/") for problem in source.problems] == [
        f"{file}: the import {name} is not found: its types are shown by field number; say where it is with"
        " --import-path"
        for file, name in [("base.proto", "acme/money.proto"), ("shop.proto", "acme/shop/local.proto")]
    ]
    method = await schema.method("/acme.shop.S/Do")
    assert message_type(method.request, "money").full_name == "acme.Money"
    assert list(method.request.fields_by_name) == ["base", "local", "money", "more"]
    base = message_type(method.request, "base")
    assert list(base.fields_by_name) == ["price", "kind", "name"]
    assert message_type(base, "price").full_name == "acme.Money"
    assert set(method.problems) == {
        "acme/money.proto: imported but not provided",
        "acme/shop/local.proto: imported but not provided",
    }
    assert await problems_of(schema, "/acme.shop.S/Do") == source.problems
    assert (await schema.method("/acme.shop.S/Get")).request.full_name == "acme.shop.Local"
    assert await problems_of(schema, "/other.S/Do") == source.problems


async def test_an_import_that_another_source_has_is_filled_from_it(tmp_path: Path) -> None:
    write(
        tmp_path,
        {
            "main/shop.proto": """syntax = "proto3"; package shop; import "elsewhere/money.proto";
            message M { elsewhere.Money price = 1; } service S { rpc Do(M) returns (M); }""",
            "apart/elsewhere/money.proto": 'syntax = "proto3"; package elsewhere; message Money { int64 units = 1; }',
        },
    )
    source, _ = await load(tmp_path / "main")
    money = tmp_path / "apart" / "elsewhere" / "money.proto"
    files = compile_protos([money], [tmp_path / "apart"])
    protoset = tmp_path / "money.protoset"
    protoset.write_bytes(files.SerializeToString())
    _, sets = await load_files(descriptor_sets=[protoset])
    schema = Schema([source, MemorySource("descriptor sets", sets.indexes, sets.problems)])
    method = await schema.method("/shop.S/Do")
    assert list(message_type(method.request, "price").fields_by_name) == ["units"]
    assert method.problems == ()


async def test_a_default_of_a_missing_enum_is_left_out(tmp_path: Path) -> None:
    write(
        tmp_path,
        {
            "a.proto": """syntax = "proto2"; package a; import "gone.proto";
            message M { optional gone.Colour colour = 1 [default = RED, deprecated = true];
              optional string text = 2 [default = "RED"]; optional bool on = 3 [default = true]; }
            service S { rpc Do(M) returns (M); }""",
        },
    )
    _, schema = await load(tmp_path)
    method = await schema.method("/a.S/Do")
    assert [field.default_value for field in list(method.request.fields)[1:]] == ["RED", True]


async def test_many_broken_files_cost_only_themselves(tmp_path: Path) -> None:
    files = {f"bad/{number}.proto": f"message M{number} {{ ? }}" for number in range(150)}
    files |= {f"typo/{number}.proto": f"message T{number} {{ strin a = 1; }}" for number in range(150)}
    files |= {f"good/{number}.proto": SERVICE.format(f"good{number}", "a") for number in range(20)}
    source, _ = await load(write(tmp_path, files))
    assert (len(source.services), len(source.problems)) == (20, 300)
    assert len({problem.partition(":")[0] for problem in source.problems}) == 300


@pytest.mark.parametrize(
    "name", ["with blank", "with:colon", "with=equals", "with'quote", 'with"quotes', "ünïcode"]
)
async def test_any_name_of_a_folder_or_file(tmp_path: Path, name: str) -> None:
    folder = tmp_path / name
    write(
        folder,
        {
            f"{name}.proto": SERVICE.format("p", "a"),
            f"{name}/more.proto": f"""syntax = "proto3"; package q; import '{name}.proto';
            service Q {{ rpc Do(p.M) returns (p.M); }}"""
            if "'" not in name
            else SERVICE.format("q", "a").replace("service S", "service Q"),
            "bad.proto": "?",
        },
    )
    source, schema = await load(folder)
    assert source.services == ["p.S", "q.Q"]
    assert await request_fields(schema, "/q.Q/Do") == ["a"]
    assert [problem.startswith(f"{folder}/bad.proto:1:1: ") for problem in source.problems] == [True]


async def test_a_broken_file_that_another_needs_is_named_once(tmp_path: Path) -> None:
    write(
        tmp_path,
        {
            "acme/bad.proto": "message Bad { ? }",
            "acme/good.proto": """syntax = "proto3"; package acme; import "acme/bad.proto";
            message M { Bad bad = 1; string name = 2; } service S { rpc Do(M) returns (M); }""",
        },
    )
    source, schema = await load(tmp_path)
    assert await request_fields(schema, "/acme.S/Do") == ["bad", "name"]
    bad, good = (problem.removeprefix(f"{tmp_path}/acme/") for problem in source.problems)
    assert bad.startswith("bad.proto:1:15: ")
    assert good == (
        f"good.proto: the types of {tmp_path}/acme/bad.proto are shown by field number, as it cannot be used"
    )
    assert await problems_of(schema, "/acme.S/Do") == source.problems


async def test_links_to_folders_are_followed_once(tmp_path: Path) -> None:
    write(tmp_path / "elsewhere", {"linked.proto": SERVICE.format("linked", "a")})
    root = write(tmp_path / "root", {"own.proto": SERVICE.format("own", "a")})
    (root / "link").symlink_to(tmp_path / "elsewhere")
    (root / "again").symlink_to(tmp_path / "elsewhere")
    (root / "loop").symlink_to(root)
    source, _ = await load(root)
    assert (source.services, source.problems) == (["linked.S", "own.S"], [])


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="needs a file that cannot be read")
async def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    root = write(tmp_path, {"good.proto": SERVICE.format("good", "a"), "secret.proto": ""})
    (root / "secret.proto").chmod(0)
    source, _ = await load(root)
    assert source.services == ["good.S"]
    assert source.problems == [f"{root}/secret.proto: Permission denied"]


async def test_a_file_that_is_not_utf_8_is_named_and_the_others_are_used(tmp_path: Path) -> None:
    write(tmp_path, {"good.proto": SERVICE.format("good", "a")})
    (tmp_path / "latin.proto").write_bytes(b'syntax = "proto3"; message \xe9 {}')
    source, _ = await load(tmp_path)
    assert source.services == ["good.S"]
    assert len(source.problems) == 1
    assert "latin.proto" in source.problems[0]


async def test_copies_of_well_known_types_are_those_of_loom(tmp_path: Path) -> None:
    write(
        tmp_path,
        {
            "third_party/google/protobuf/any.proto": 'syntax = "proto3"; package google.protobuf; message Any { }',
            "a.proto": """syntax = "proto3"; package a; import "google/protobuf/any.proto";
            message M { google.protobuf.Any any = 1; } service S { rpc Do(M) returns (M); }""",
        },
    )
    source, schema = await load(tmp_path)
    assert source.problems == []
    method = await schema.method("/a.S/Do")
    any_type = message_type(method.request, "any")
    assert list(any_type.fields_by_name) == ["type_url", "value"]


@pytest.mark.parametrize(
    ("layout", "services"),
    [
        ("vendored", ["acme.shop.v1.Shop", "github.com.acme.ledger.Ledger"]),
        ("go_module", ["orders.Orders"]),
        ("bazel", ["bank.accounts.v1.Accounts", "bank.cards.v1.Cards"]),
        ("nested_roots", ["billing.v1.Billing", "users.v1.Users"]),
        ("copies", ["alpha.Alpha", "beta.Beta"]),
    ],
)
async def test_layouts_of_repositories(layout: str, services: list[str]) -> None:
    """Each has the shape of a repository in the wild: where its imports are relative to differs by file."""
    source, schema = await load(LAYOUTS / layout)
    assert (source.services, source.problems) == (services, [])
    for service in services:
        methods = [path async for path in _methods(schema, source, service)]
        assert methods
        for method in methods:
            assert method.problems == ()


async def _methods(schema: Schema, source: MemorySource, service: str) -> AsyncIterator[Method]:
    files = (await source.fetch(service)).files
    for file in files:
        for item in file.service:
            if f"{file.package}.{item.name}" == service:
                for method in item.method:
                    yield await schema.method(f"/{service}/{method.name}")
