"""Files that conflict, that the pool rejects, and that import what is missing."""

from collections.abc import Callable
from pathlib import Path

import pytest
from google.protobuf import descriptor_pb2
from google.protobuf.descriptor_pb2 import FieldDescriptorProto, FileDescriptorProto
from google.protobuf.text_format import Parse

from loom.codec import decode
from loom.schema import MemorySource, Schema, SchemaError
from loom.schema.descriptor_index import DescriptorIndex
from loom.schema.linker import link
from tests.support.schemas import compiled

BASE = """syntax = "proto2"; package p; message Base { optional string id = 1; extensions 100 to 200; }"""


def extending(name: str, number: int = 100) -> str:
    """A file of another team that extends the same message."""
    return f"""syntax = "proto2"; package {name}; import "base.proto"; import "google/protobuf/descriptor.proto";
    message {name.title()} {{
      optional string text = 1; extensions 1000;
      extend p.Base {{ optional string within = {number + 1}; }}
    }}
    extend p.Base {{ optional string note = {number}; }}
    service {name.title()}Service {{ rpc Do({name.title()}) returns (p.Base); }}"""


def separately_compiled(folder: Path, **sources: str) -> list[descriptor_pb2.FileDescriptorProto]:
    """Files that protoc would reject together, each compiled alone with its imports."""
    files: dict[str, descriptor_pb2.FileDescriptorProto] = {}
    for name, text in sources.items():
        sub = folder / name
        sub.mkdir()
        for file in compiled(sub, base=BASE, **{name: text}).file:
            files.setdefault(file.name, file)
    return list(files.values())


@pytest.mark.parametrize("order", [1, -1])
def test_of_two_files_with_the_same_extension_numbers_both_keep_their_messages(
    tmp_path: Path, order: int
) -> None:
    files = separately_compiled(tmp_path, one=extending("one"), two=extending("two"))
    linked = link(files[::order])
    for name in ("One", "Two"):
        descriptor = linked.pool.FindServiceByName(f"{name.lower()}.{name}Service").FindMethodByName("Do")
        assert decode(b"\x0a\x02hi", descriptor.input_type, linked.pool).json == {"text": "hi"}
    base = linked.pool.FindMessageTypeByName("p.Base")
    assert sorted(field.number for field in linked.pool.FindAllExtensions(base)) == [100, 101]
    [problem] = linked.problems
    assert problem.endswith("without its extensions that another file defines: 100 of p.Base, 101 of p.Base")


def test_no_extension_of_a_rejected_file_is_left_in_the_pool(tmp_path: Path) -> None:
    files = {file.name: file for file in separately_compiled(tmp_path, one=extending("one"))}
    rejected = files["one.proto"]
    rejected.message_type[0].field.add().CopyFrom(rejected.message_type[0].field[0])
    linked = link(files.values())
    extended = linked.pool.FindMessageTypeByName("p.Base")
    assert linked.pool.FindAllExtensions(extended) == []
    assert decode(b"\x0a\x01x\xa2\x06\x02hi", extended, linked.pool).json == {"id": "x"}
    [problem] = linked.problems
    assert problem.startswith("one.proto: ")


def test_extensions_that_do_not_conflict_are_all_kept(tmp_path: Path) -> None:
    linked = link(separately_compiled(tmp_path, one=extending("one"), two=extending("two", 150)))
    base = linked.pool.FindMessageTypeByName("p.Base")
    assert sorted(field.number for field in linked.pool.FindAllExtensions(base)) == [100, 101, 150, 151]
    assert linked.problems == ()


def duplicate_names() -> descriptor_pb2.FileDescriptorProto:
    """Two fields with one number, which protoc would reject."""
    file = Parse(
        """name: "bad.proto" package: "bad" message_type { name: "M" } service { name: "S" method {
        name: "Do" input_type: ".bad.M" output_type: ".bad.M" } }""",
        FileDescriptorProto(),
    )
    for name in ("a", "b"):
        file.message_type[0].field.add(
            name=name,
            number=1,
            type=FieldDescriptorProto.TYPE_INT32,
            label=FieldDescriptorProto.LABEL_OPTIONAL,
        )
    return file


def missing_type() -> descriptor_pb2.FileDescriptorProto:
    """A message that no file defines and no import can provide."""
    return Parse(
        """name: "bad.proto" package: "bad" message_type { name: "M" field { name: "x" number: 1 type: TYPE_MESSAGE
        label: LABEL_OPTIONAL type_name: ".bad.Gone" } } service { name: "S" method { name: "Do" input_type: ".bad.M"
        output_type: ".bad.M" } }""",
        FileDescriptorProto(),
    )


def bad_number() -> descriptor_pb2.FileDescriptorProto:
    """A field number that the wire format cannot express."""
    file = missing_type()
    file.message_type[0].field[0].CopyFrom(
        FieldDescriptorProto(
            name="x",
            number=2**29,
            type=FieldDescriptorProto.TYPE_INT32,
            label=FieldDescriptorProto.LABEL_OPTIONAL,
        )
    )
    return file


@pytest.mark.parametrize("malformed", [duplicate_names, missing_type, bad_number])
async def test_a_file_that_the_pool_rejects_is_named_with_the_reason(
    malformed: Callable[[], descriptor_pb2.FileDescriptorProto],
) -> None:
    index = DescriptorIndex()
    index.add([malformed()], "disk")
    schema = Schema([MemorySource("proto files", [index])])
    with pytest.raises(
        SchemaError, match=r"proto files describes bad\.S, but not usably: bad\.proto: .+"
    ) as caught:
        await schema.method("/bad.S/Do")
    [problem] = caught.value.problems
    assert problem.startswith("bad.proto: ")
    await schema.close()


async def test_a_method_that_its_service_lacks_is_reported_as_such(tmp_path: Path) -> None:
    index = DescriptorIndex()
    index.add(compiled(tmp_path, base=BASE, one=extending("one")).file, "disk")
    schema = Schema([MemorySource("proto files", [index])])
    with pytest.raises(SchemaError, match=r"proto files knows one\.OneService, but no method Gone in it"):
        await schema.method("/one.OneService/Gone")
    await schema.close()
