"""Files as some reflection services make them up are mended; those of compilers are passed on as they are."""

from collections.abc import Sequence
from pathlib import Path

from google.protobuf.descriptor_pb2 import FileDescriptorProto, FileDescriptorSet
from google.protobuf.text_format import Parse

from loom.codec import decode
from loom.schema.built_in_files import BUILT_IN_FILES
from loom.schema.linker import link
from loom.schema.repair import repair
from tests.support.narrowing import required
from tests.support.protos import FOLDER
from tests.support.schemas import compiled

# As @grpc/reflection 1.0 answers for a service loaded by @grpc/proto-loader.
MADE_UP = """
file { name: "acme_shop.proto" package: "acme.shop" syntax: "proto3"
  message_type { name: "Req"
    field { name: "price" number: 2 label: LABEL_OPTIONAL type: TYPE_MESSAGE type_name: "Money" }
    field { name: "tags" number: 3 label: LABEL_REPEATED type: TYPE_MESSAGE type_name: "Tags" }
    nested_type { name: "Tags" options { map_entry: true }
      field { name: "key" number: 1 label: LABEL_OPTIONAL type: TYPE_STRING }
      field { name: "value" number: 2 label: LABEL_OPTIONAL type: TYPE_INT32 } } }
  service { name: "Shop" method { name: "Get" input_type: ".acme.shop.Req" output_type: ".acme.shop.Req" } } }
file { name: "acme.proto" package: "acme" syntax: "proto3"
  message_type { name: "Money"
    field { name: "units" number: 1 label: LABEL_OPTIONAL type: TYPE_INT64 }
    field { name: "at" number: 2 label: LABEL_OPTIONAL type: TYPE_MESSAGE type_name: "google.protobuf.Timestamp" } } }
file { name: "google_protobuf.proto" package: "google.protobuf" syntax: "proto3"
  message_type { name: "Timestamp"
    field { name: "seconds" number: 1 label: LABEL_OPTIONAL type: TYPE_INT64 }
    field { name: "nanos" number: 2 label: LABEL_OPTIONAL type: TYPE_INT32 } } }
"""


def made_up() -> Sequence[FileDescriptorProto]:
    return Parse(MADE_UP, FileDescriptorSet()).file


def test_files_without_imports_and_with_relative_names_decode() -> None:
    built = link(made_up())
    assert built.problems == ()
    method = built.pool.FindServiceByName("acme.shop.Shop").FindMethodByName("Get")
    data = b"\x12\x06\x08\x07\x12\x02\x08\x01\x1a\x05\x0a\x01a\x10\x02"
    assert decode(data, method.input_type, built.pool).json == {
        "price": {"units": "7", "at": "1970-01-01T00:00:01Z"},
        "tags": {"a": 2},
    }


def test_nothing_is_changed_in_place() -> None:
    files = made_up()
    before = [file.SerializeToString() for file in files]
    link(files)
    assert [file.SerializeToString() for file in files] == before


def test_sound_files_are_returned_unchanged(tmp_path: Path) -> None:
    files = {
        file.name: file
        for file in compiled(tmp_path, everything=(FOLDER / "everything.proto").read_text()).file
    }
    mended = repair(files, BUILT_IN_FILES)
    assert mended.keys() == files.keys()
    assert all(mended[name] is files[name] for name in files)


def test_relative_names_resolve_to_the_innermost_type() -> None:
    [file] = Parse(
        """file { name: "a.proto" package: "a.b"
        message_type { name: "M" nested_type { name: "T" }
          field { name: "x" number: 1 type: TYPE_MESSAGE type_name: "T" }
          field { name: "y" number: 2 type: TYPE_MESSAGE type_name: "b.T" }
          field { name: "z" number: 3 type: TYPE_MESSAGE type_name: "Gone" } }
        message_type { name: "T" } }""",
        FileDescriptorSet(),
    ).file
    mended = repair({"a.proto": file}, {})["a.proto"]
    assert [field.type_name for field in mended.message_type[0].field] == [".a.b.M.T", ".a.b.T", ".Gone"]


def test_packages_that_use_each_other_get_no_import_cycle() -> None:
    one = FileDescriptorProto(name="one.proto", package="one", syntax="proto3")
    two = FileDescriptorProto(name="two.proto", package="two", syntax="proto3")
    one.message_type.add(name="A").field.add(name="b", number=1, type=11, label=1, type_name=".two.B")
    two.message_type.add(name="B").field.add(name="a", number=1, type=11, label=1, type_name=".one.A")
    built = link([one, two])
    assert required(built.pool.FindMessageTypeByName("one.A").fields[0].message_type).full_name == "two.B"
