"""Descriptors with text that is not UTF-8 are refused, wherever it is: reading it would fail anywhere later."""

from pathlib import Path

import pytest
from google.protobuf.descriptor_pb2 import FileDescriptorProto, FileDescriptorSet
from google.protobuf.message import DecodeError

from loom.schema.compilation.descriptor_sets import read_descriptor_sets
from loom.schema.parsing import parse_descriptor_set, parse_file

PLACES = ["xx.proto", "pkg_xx", "Msg_xx", "field_xx", ".a.Type_xx", "option_xx"]


def a_file() -> FileDescriptorProto:
    file = FileDescriptorProto(name="xx.proto", package="pkg_xx", syntax="proto3")
    field = file.message_type.add(name="Msg_xx").field
    field.add(name="field_xx", number=1, label=1, type=11, type_name=".a.Type_xx")
    file.options.go_package = "option_xx"
    return file


def spoilt(content: bytes, place: str) -> bytes:
    assert place.encode() in content
    return content.replace(place.encode(), place.encode().replace(b"xx", b"\xff\xfe"))


@pytest.mark.parametrize("place", PLACES)
def test_text_that_is_not_utf_8_is_refused(place: str) -> None:
    content = a_file().SerializeToString()
    assert parse_file(content) == a_file()
    with pytest.raises(DecodeError, match="not UTF-8"):
        parse_file(spoilt(content, place))
    with pytest.raises(DecodeError, match="not UTF-8"):
        parse_descriptor_set(FileDescriptorSet(file=[FileDescriptorProto(name="a")]).SerializeToString() +
                             spoilt(FileDescriptorSet(file=[a_file()]).SerializeToString(), place))  # fmt: skip


def test_one_bad_descriptor_set_spoils_no_other(tmp_path: Path) -> None:
    good = FileDescriptorSet(file=[a_file()]).SerializeToString()
    (tmp_path / "bad").write_bytes(spoilt(good, "Msg_xx"))
    (tmp_path / "good").write_bytes(good)
    sets, problems = read_descriptor_sets([str(tmp_path / "bad"), str(tmp_path / "good")])
    assert [path for path, _ in sets] == [str(tmp_path / "good")]
    [problem] = problems
    assert problem == f"{tmp_path / 'bad'}: a name is not UTF-8"
