"""Edits of messages: what they change, and that nothing else changes."""

import json
from typing import Any

import pytest
import regex
from google.protobuf import json_format
from google.protobuf.message import Message
from hypothesis import given
from hypothesis import strategies as st

from loom.codec import encode
from loom.codec.field_path import parse_path
from loom.codec.wire_records import join_records, make_record, split_records
from loom.interception.errors import EditError
from loom.interception.field_operations import (
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


def encoded(number: int, wire_type: int, payload: bytes) -> bytes:
    """One field in wire format."""
    return join_records([make_record(number, wire_type, payload)])


UNKNOWN = encoded(900, 2, b"from a newer schema")


def edited(shop: ShopTypes, data: bytes, path: str, operation: Operation) -> Any:
    """The JSON of an edited item, whose unknown field must have stayed."""
    result = edit_message(UNKNOWN + data, parse_path(path), operation, shop.request, shop.pool)
    assert result.startswith(UNKNOWN)
    return shown(shop, result.removeprefix(UNKNOWN))


def shown(shop: ShopTypes, data: bytes) -> Any:
    message: Message = message_class(shop.pool, "acme.shop.Item")()
    message.ParseFromString(data)
    return json.loads(json_format.MessageToJson(message, descriptor_pool=shop.pool, indent=None))


TREE: dict[str, Any] = {
    "name": "a",
    "count": "5",
    "colour": "RED",
    "tags": {"k": 1, "other": 2},
    "text": "t",
    "parts": [{"name": "b", "price": 1.5}, {"name": "c", "parts": [{"name": "d"}]}],
}


@pytest.mark.parametrize(
    ("path", "value", "expected"),
    [
        ("name", "z", {**TREE, "name": "z"}),
        ("count", 0, {key: value for key, value in TREE.items() if key != "count"}),
        ("colour", "COLOUR_UNSPECIFIED", {key: value for key, value in TREE.items() if key != "colour"}),
        ('tags["k"]', 9, {**TREE, "tags": {"k": 9, "other": 2}}),
        ("tags.new", 3, {**TREE, "tags": {"k": 1, "other": 2, "new": 3}}),
        ("tags[*]", 0, {**TREE, "tags": {"k": 0, "other": 0}}),
        (
            "parts.name",
            "z",
            {**TREE, "parts": [{"name": "z", "price": 1.5}, {**TREE["parts"][1], "name": "z"}]},
        ),
        (
            "parts[*].name",
            "z",
            {**TREE, "parts": [{"name": "z", "price": 1.5}, {**TREE["parts"][1], "name": "z"}]},
        ),
        ("parts[0].price", 2, {**TREE, "parts": [{"name": "b", "price": 2.0}, TREE["parts"][1]]}),
        ("parts[1]", {"name": "n"}, {**TREE, "parts": [TREE["parts"][0], {"name": "n"}]}),
        ("parts", [], {key: value for key, value in TREE.items() if key != "parts"}),
        ("at", "2026-01-31T12:00:00Z", {**TREE, "at": "2026-01-31T12:00:00Z"}),
        ("at.seconds", 5, {**TREE, "at": "1970-01-01T00:00:05Z"}),
        ("11", 2.5, {**TREE, "price": 2.5}),
    ],
)
def test_set(shop: ShopTypes, path: str, value: Any, expected: Any) -> None:
    assert edited(shop, shop.item(**TREE), path, SetValue(value)) == expected


def test_setting_a_member_of_a_oneof_clears_the_others(shop: ShopTypes) -> None:
    assert edited(shop, shop.item(text="t", name="a"), "number", SetValue(4)) == {"name": "a", "number": 4}


@pytest.mark.parametrize(
    ("path", "gone"),
    [
        ("name", lambda tree: tree.pop("name")),
        ("tags.k", lambda tree: tree["tags"].pop("k")),
        ("parts[0]", lambda tree: tree["parts"].pop(0)),
        ("parts[1].parts[0].name", lambda tree: tree["parts"][1]["parts"][0].pop("name")),
        ("parts.price", lambda tree: tree["parts"][0].pop("price")),
        ("**.price", lambda tree: tree["parts"][0].pop("price")),
        ("parts[7]", lambda _: None),
        ("blob", lambda _: None),
    ],
)
def test_delete(shop: ShopTypes, path: str, gone: Any) -> None:
    expected = json.loads(json.dumps(TREE))
    gone(expected)
    assert edited(shop, shop.item(**TREE), path, DeleteValue()) == expected


def test_a_name_anywhere(shop: ShopTypes) -> None:
    names = edited(shop, shop.item(**TREE), "**.name", DeleteValue())
    assert "name" not in json.dumps(names)


def test_append_replace_and_redact(shop: ShopTypes) -> None:
    assert edited(shop, shop.item(), "parts", AppendValue({"name": "x"})) == {"parts": [{"name": "x"}]}
    replace = ReplaceText(regex.compile("o(.)"), "0\\1")
    assert edited(shop, shop.item(name="foobar"), "name", replace) == {"name": "f0obar"}
    assert edited(shop, shop.item(name="foobar"), "text", replace) == {"name": "foobar"}
    assert edited(shop, shop.item(name="x", count=3), "name", RedactValue()) == {
        "name": "••••••",
        "count": "3",
    }
    assert edited(shop, shop.item(name="x", count=3), "count", RedactValue()) == {"name": "x"}


def test_a_merge_patch(shop: ShopTypes) -> None:
    patch = {"name": "m", "colour": None, "tags": {"k": None, "n": 7}, "at": "1970-01-01T00:00:05Z"}
    data = merge_message(shop.item(**TREE), patch, shop.request, shop.pool)
    kept = {key: value for key, value in TREE.items() if key != "colour"}
    assert shown(shop, data) == {**kept, "name": "m", "tags": {"other": 2, "n": 7}, "at": patch["at"]}


def test_an_edit_touches_no_other_byte(shop: ShopTypes) -> None:
    # fields out of order, a varint that is too long, and a singular field that is there twice
    before, after = b"\x10\x85\x80\x00" + encoded(1, 2, b"old"), b"\x59" + bytes(8) + b"\x18\x01"
    data = before + encoded(5, 2, b"\x08\x85\x00") + after
    result = edit_message(data, parse_path("at.nanos"), SetValue(3), shop.request, shop.pool)
    assert result.startswith(before)
    assert result.endswith(after)
    assert encoded(5, 2, b"\x08\x85\x00\x10\x03") in result


def test_a_field_that_is_split_is_one_message(shop: ShopTypes) -> None:
    data = encoded(5, 2, b"\x08\x05") + encoded(5, 2, b"\x10\x01")
    result = edit_message(data, parse_path("at.seconds"), SetValue(9), shop.request, shop.pool)
    assert split_records(result) == [make_record(5, 2, b"\x08\x09\x10\x01")]


@pytest.mark.parametrize("packed", [True, False])
def test_elements_of_packed_lists(packed: bool) -> None:
    pool = link(BUILT_IN_FILES.values()).pool
    path = pool.FindMessageTypeByName("google.protobuf.SourceCodeInfo.Location")
    data = b"\x0a\x03\x04\x05\x06" if packed else b"\x08\x04\x08\x05\x08\x06"

    def values(operation: Operation, where: str) -> list[int]:
        message: Any = message_class(pool, path.full_name)()
        message.ParseFromString(edit_message(data, parse_path(where), operation, path, pool))
        return list(message.path)

    assert values(SetValue(300), "path[1]") == [4, 300, 6]
    assert values(SetValue(0), "path[*]") == [0, 0, 0]
    assert values(DeleteValue(), "path[0]") == [5, 6]
    assert values(AppendValue(7), "path") == [4, 5, 6, 7]


def test_struct_and_any_are_entered(shop: ShopTypes) -> None:
    struct = shop.pool.FindMessageTypeByName("google.protobuf.Any")
    url = "type.googleapis.com/acme.shop.Item"
    data = encode({"@type": url, "name": "a"}, struct, shop.pool)
    result = edit_message(data, parse_path("name"), SetValue("b"), struct, shop.pool)
    assert result == encode({"@type": url, "name": "b"}, struct, shop.pool)
    built = link(BUILT_IN_FILES.values()).pool
    kind = built.FindMessageTypeByName("google.protobuf.Struct")
    tree = encode({"a": {"b": [1, {"c": "x"}]}, "z": None}, kind, built)
    changed = edit_message(tree, parse_path("a.b[1].c"), SetValue("y"), kind, built)
    message: Any = message_class(built, kind.full_name)()
    message.ParseFromString(changed)
    assert json_format.MessageToDict(message) == {"a": {"b": [1.0, {"c": "y"}]}, "z": None}


@pytest.mark.parametrize(
    ("path", "value", "expected"),
    [
        ("2", 7, b"\x0a\x01a\x10\x07"),
        ("1", "b", b"\x0a\x01b\x10\x05"),
        ("3", True, b"\x0a\x01a\x10\x05\x18\x01"),
        ("10.1", "n", b"\x0a\x01a\x10\x05\x52\x03\x0a\x01n"),
        ("1", {"base64": "AP8="}, b"\x0a\x02\x00\xff\x10\x05"),
        ("2", -1, b"\x0a\x01a\x10" + b"\xff" * 9 + b"\x01"),
    ],
)
def test_numbers_need_no_schema(shop: ShopTypes, path: str, value: Any, expected: bytes) -> None:
    assert edit_message(b"\x0a\x01a\x10\x05", parse_path(path), SetValue(value), None, shop.pool) == expected


@pytest.mark.parametrize(
    ("path", "operation", "message"),
    [
        ("nme", SetValue(1), "has no field 'nme'; it has name, count"),
        ("count", SetValue("many"), "count: count: this should be a whole number"),
        ("count.x", SetValue(1), "count is not a message"),
        ("name[0]", SetValue("x"), "name is not a list"),
        ("parts[3]", SetValue({}), "no element [3]: parts has 2"),
        ("name", AppendValue("x"), "name is not a list"),
        ("count", ReplaceText(regex.compile("x"), ""), "count is not text"),
        ("any.value.x", SetValue("x"), "any.value.x: value is not a message"),
    ],
)
def test_what_does_not_fit_is_named(shop: ShopTypes, path: str, operation: Operation, message: str) -> None:
    with pytest.raises(EditError) as caught:
        edit_message(shop.item(**TREE), parse_path(path), operation, shop.request, shop.pool)
    assert message in str(caught.value)


def test_without_a_schema_names_are_refused(shop: ShopTypes) -> None:
    with pytest.raises(EditError, match="name 'count' by its number"):
        edit_message(b"", parse_path("count"), SetValue(1), None, shop.pool)
    with pytest.raises(EditError, match="field 2, which is a varint, cannot become 'x'"):
        edit_message(b"\x10\x05", parse_path("2"), SetValue("x"), None, shop.pool)
    with pytest.raises(EditError, match="not valid protobuf"):
        edit_message(b"\xff", parse_path("2"), SetValue(1), None, shop.pool)


def test_a_regular_expression_that_explodes_is_stopped(shop: ShopTypes) -> None:
    explosive = ReplaceText(regex.compile(r"(a|aa)+$"), "x")
    with pytest.raises(EditError, match="took longer than 50 ms"):
        edit_message(shop.item(name="a" * 60 + "!"), parse_path("name"), explosive, shop.request, shop.pool)


ITEMS = st.recursive(
    st.fixed_dictionaries(
        {},
        optional={
            "name": st.text(max_size=5),
            "count": st.integers(-(2**63), 2**63 - 1),
            "price": st.floats(),
        },
    ),
    lambda inner: st.fixed_dictionaries(
        {}, optional={"name": st.text(max_size=5), "parts": st.lists(inner, max_size=3)}
    ),
    max_leaves=8,
)


@given(ITEMS, st.text(max_size=4))
def test_an_edit_is_what_protobuf_would_do(shop: ShopTypes, fields: dict[str, Any], name: str) -> None:
    def build(tree: dict[str, Any]) -> Any:
        message: Any = message_class(shop.pool, "acme.shop.Item")()
        for key, value in tree.items():
            if key == "parts":
                message.parts.extend(build(part) for part in value)
            else:
                setattr(message, key, value)
        return message

    expected = build(fields)
    data = expected.SerializeToString(deterministic=True)
    for part in expected.parts:
        part.name = name
    result = edit_message(data, parse_path("parts.name"), SetValue(name), shop.request, shop.pool)
    message: Any = message_class(shop.pool, "acme.shop.Item")()
    message.ParseFromString(result)
    assert message.SerializeToString(deterministic=True) == expected.SerializeToString(deterministic=True)
