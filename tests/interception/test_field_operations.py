"""Operations on fields: without a schema, within well-known types, on texts in maps, and what they refuse."""

import struct
from typing import Any

import pytest
import regex
from google.protobuf import json_format
from google.protobuf.descriptor_pool import DescriptorPool

from loom.codec import encode
from loom.codec.field_path import parse_path
from loom.interception.errors import EditError
from loom.interception.field_operations import (
    MAX_TEXT,
    AppendValue,
    DeleteValue,
    Operation,
    RedactValue,
    ReplaceText,
    SetValue,
)
from loom.interception.message_edit import edit_message, merge_message
from loom.schema.built_in_files import BUILT_IN_FILES
from loom.schema.linker import link
from tests.support.schemas import message_class

from .conftest import ShopTypes

I32, I64 = b"\x0d\x05\x00\x00\x00", b"\x09\x05\x00\x00\x00\x00\x00\x00\x00"
LOCATION = "google.protobuf.SourceCodeInfo.Location"  # has a packed list of numbers
ERROR_INFO = "google.rpc.ErrorInfo"  # has a map of texts


@pytest.fixture(scope="module")
def built_in() -> DescriptorPool:
    return link(BUILT_IN_FILES.values()).pool


def edited(pool: DescriptorPool, kind: str, value: Any, path: str, operation: Operation) -> Any:
    """The JSON of a message of this kind after an edit of the one with this JSON."""
    descriptor = pool.FindMessageTypeByName(kind)
    data = edit_message(encode(value, descriptor, pool), parse_path(path), operation, descriptor, pool)
    message: Any = message_class(pool, kind)()
    message.ParseFromString(data)
    return json_format.MessageToDict(message)


@pytest.mark.parametrize(
    ("data", "value", "expected"),
    [
        (I32, 7, b"\x0d\x07\x00\x00\x00"),
        (I32, -1, b"\x0d\xff\xff\xff\xff"),
        (I32, 1.5, b"\x0d" + struct.pack("<f", 1.5)),
        (I64, 7, b"\x09\x07\x00\x00\x00\x00\x00\x00\x00"),
        (I64, 2.5, b"\x09" + struct.pack("<d", 2.5)),
        (b"", 2.5, b"\x09" + struct.pack("<d", 2.5)),
        (b"", "a", b"\x0a\x01a"),
    ],
)
def test_without_a_schema_the_wire_type_stays(data: bytes, value: Any, expected: bytes) -> None:
    assert edit_message(data, parse_path("1"), SetValue(value), None, DescriptorPool()) == expected


@pytest.mark.parametrize(
    ("path", "operation", "expected"),
    [
        ("1[1]", SetValue("z"), b"\x0a\x01a\x0a\x01z"),
        ("1[*]", SetValue("z"), b"\x0a\x01z\x0a\x01z"),
        ("1", AppendValue("c"), b"\x0a\x01a\x0a\x01b\x0a\x01c"),
        ("1[0]", DeleteValue(), b"\x0a\x01b"),
        ("1", ReplaceText(regex.compile("b"), "cc"), b"\x0a\x01a\x0a\x02cc"),
        ("1", RedactValue(), b""),
        ("7.1", DeleteValue(), b"\x0a\x01a\x0a\x01b"),
    ],
)
def test_without_a_schema_a_list_is_what_is_there_more_than_once(
    path: str, operation: Operation, expected: bytes
) -> None:
    data = b"\x0a\x01a\x0a\x01b"
    assert edit_message(data, parse_path(path), operation, None, DescriptorPool()) == expected


@pytest.mark.parametrize(
    ("data", "path", "operation", "message"),
    [
        (I32, "1", SetValue("x"), "field 1, which is 32 bits, cannot become 'x' without a schema"),
        (b"\x0a\x01a", "1", SetValue(5), "field 1, which is text or bytes, cannot become 5 without a schema"),
        (b"", "1", SetValue([1]), "field 1, cannot become [1] without a schema"),
        (b"\x08\x05", "1", ReplaceText(regex.compile("x"), ""), "field 1 is not text"),
        (b"\x0a\x01\xff", "1", ReplaceText(regex.compile("x"), ""), "field 1 is not text"),
        (b"\x08\x05", "1.2", SetValue(1), "is not a message"),
        (b"\x08\x05", "**.x", DeleteValue(), "** needs the schema of the message"),
    ],
)
def test_without_a_schema_what_does_not_fit_is_named(
    data: bytes, path: str, operation: Operation, message: str
) -> None:
    with pytest.raises(EditError) as caught:
        edit_message(data, parse_path(path), operation, None, DescriptorPool())
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("path", "operation", "expected"),
    [
        ("a", SetValue("y"), {"a": "y", "list": [1, "x"]}),
        ("new", SetValue({"b": 1}), {"a": "x", "list": [1, "x"], "new": {"b": 1}}),
        ("fields.new.string_value", SetValue("y"), {"a": "x", "list": [1, "x"], "new": "y"}),
        ("list[1]", SetValue(9), {"a": "x", "list": [1, 9]}),
        ("list[0]", DeleteValue(), {"a": "x", "list": ["x"]}),
        ("a", DeleteValue(), {"list": [1, "x"]}),
        ("a", RedactValue(), {"list": [1, "x"]}),
    ],
)
def test_a_struct_is_edited_as_its_json(
    built_in: DescriptorPool, path: str, operation: Operation, expected: Any
) -> None:
    tree = {"a": "x", "list": [1, "x"]}
    assert edited(built_in, "google.protobuf.Struct", tree, path, operation) == expected


def test_fields_of_a_timestamp_are_set_by_their_names(shop: ShopTypes) -> None:
    data = edit_message(b"", parse_path("at.seconds"), SetValue("5"), shop.request, shop.pool)
    assert data == b"\x2a\x02\x08\x05"
    with pytest.raises(EditError, match=r"at\.nanos: nanos: "):
        edit_message(data, parse_path("at.nanos"), SetValue("many"), shop.request, shop.pool)
    assert edit_message(b"", parse_path("at.seconds"), DeleteValue(), shop.request, shop.pool) == b""


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ('metadata["k"]', {"k": "f0o", "other": "oo"}),
        ("metadata[*]", {"k": "f0o", "other": "0o"}),
        ("metadata.absent", {"k": "foo", "other": "oo"}),
    ],
)
def test_text_is_replaced_in_the_entries_of_a_map(
    built_in: DescriptorPool, path: str, expected: dict[str, str]
) -> None:
    replace = ReplaceText(regex.compile("o(?=o)"), "0")
    tree = {"reason": "foo", "metadata": {"k": "foo", "other": "oo"}}
    assert edited(built_in, ERROR_INFO, tree, path, replace) == {"reason": "foo", "metadata": expected}


def test_text_that_is_too_long_and_values_that_are_no_text_are_refused(shop: ShopTypes) -> None:
    replace = ReplaceText(regex.compile("x"), "y")
    with pytest.raises(EditError, match="the values of tags are not text"):
        edit_message(shop.item(tags={"k": 1}), parse_path("tags.k"), replace, shop.request, shop.pool)
    data = shop.item(name="a" * (MAX_TEXT + 1))
    with pytest.raises(EditError, match="the text has more than"):
        edit_message(data, parse_path("name"), replace, shop.request, shop.pool)


@pytest.mark.parametrize(
    ("path", "expected"), [("path[*]", {}), ("path[9]", {"path": [4, 5]}), ("span", {"path": [4, 5]})]
)
def test_elements_of_a_packed_list_are_removed(
    built_in: DescriptorPool, path: str, expected: dict[str, list[int]]
) -> None:
    assert edited(built_in, LOCATION, {"path": [4, 5]}, path, DeleteValue()) == expected


def test_a_merge_enters_messages_and_replaces_lists(built_in: DescriptorPool) -> None:
    kind = built_in.FindMessageTypeByName("google.protobuf.FileDescriptorProto")
    data = encode({"name": "a", "options": {"javaPackage": "j", "goPackage": "g"}}, kind, built_in)
    patch = {"options": {"java_package": None, "goPackage": "h"}, "dependency": ["b"]}
    message: Any = message_class(built_in, kind.full_name)()
    message.ParseFromString(merge_message(data, patch, kind, built_in))
    expected = {"name": "a", "options": {"goPackage": "h"}, "dependency": ["b"]}
    assert json_format.MessageToDict(message) == expected
    with pytest.raises(EditError, match="a merge is an object of fields"):
        merge_message(data, ["a"], kind, built_in)


def test_an_any_of_an_unknown_type_is_refused(shop: ShopTypes) -> None:
    data = b"\x32\x05\x0a\x03x/y"
    with pytest.raises(EditError, match="the schema does not know the type 'y' of an Any"):
        edit_message(data, parse_path("any.name"), SetValue("a"), shop.request, shop.pool)


def test_a_message_that_is_nested_too_deeply_is_refused(shop: ShopTypes) -> None:
    path = parse_path(".".join(["parts[0]"] * 101 + ["name"]))
    data = b""
    for _ in range(101):
        data = encode({}, shop.request, shop.pool) + b"\x52" + _varint(len(data)) + data
    with pytest.raises(EditError, match="the message is nested too deeply"):
        edit_message(data, path, SetValue("a"), shop.request, shop.pool)


def _varint(number: int) -> bytes:
    return bytes([number]) if number < 128 else bytes([number & 127 | 128, number >> 7])
