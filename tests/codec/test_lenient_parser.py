"""Messages that protobuf rejects as a whole: what is there is decoded, and the place that is not is named."""

import json
from typing import Any

import pytest
from google.protobuf.message import Message
from google.rpc import status_pb2

from loom.codec import (
    DecodeError,
    Payload,
    decode,
    decode_status_details,
    encode,
    preview_payload,
    view_payload,
)
from loom.codec.lenient_parser import parse_leniently
from tests.support.narrowing import as_node
from tests.support.protos import an_any, descriptor, linked_protos, message


def view(data: bytes, name: str) -> Any:
    return view_payload(Payload(data), descriptor(name), linked_protos().pool, 100)


def node_at(tree: Any, *keys: str) -> Any:
    for key in keys:
        tree = next(child for child in tree.children if child.key == key)
    return tree


def spoiled(value: Any) -> bytes:
    """A message in which every ``BAD`` is a byte that UTF-8 does not have."""
    data: bytes = value.SerializeToString()
    return data.replace(b"BAD", b"\xff\xfe\xfd")


@pytest.mark.parametrize(
    ("value", "keys", "shown"),
    [
        (message("Scalars", f_string="aBADb", f_int32=5), ("fString",), {"fInt32": 5, "fString": "a���b"}),
        (
            message("Tree", left={"name": "BAD"}, name="x"),
            ("left", "name"),
            {"name": "x", "left": {"name": "���"}},
        ),
        (
            message("Maps", by_int32={-3: "BAD", 4: "ok"}),
            ("byInt32", "-3"),
            {"byInt32": {"-3": "���", "4": "ok"}},
        ),
        (message("Maps", by_bool={True: "BAD"}), ("byBool", "true"), {"byBool": {"true": "���"}}),
        (
            message("Maps", by_string={"BAD": {"bool_value": True}}),
            ("byString", "���"),
            {"byString": {"���": True}},
        ),
        (
            message("Maps", by_string={"k": {"string_value": "BAD"}}),
            ("byString", "k", "stringValue"),
            {"byString": {"k": "���"}},
        ),
        (message("Choice", text="BAD"), ("text",), {"text": "���"}),
        (message("google.protobuf.StringValue", value="BAD"), ("value",), "���"),
        (
            message("google.protobuf.ListValue", values=[{"number_value": 1}, {"string_value": "BAD"}]),
            ("values", "1", "stringValue"),
            [1.0, "���"],
        ),
    ],
    ids=lambda value: None if isinstance(value, bytes) else "",
)
def test_a_string_that_is_not_utf_8_costs_only_itself(
    value: Message, keys: tuple[Any, ...], shown: str | list[Any] | dict[str, Any]
) -> None:
    shown_view = view(spoiled(value), value.DESCRIPTOR.full_name.removeprefix("loom.test."))
    assert shown_view.json == shown
    assert json.loads(shown_view.json_text) == shown
    assert shown_view.error.startswith(f"{'.'.join(keys)}: ")
    assert "not valid UTF-8" in shown_view.error
    assert "not valid UTF-8" in node_at(shown_view.tree, *keys).note
    assert not shown_view.drift


def test_every_bad_string_is_named_and_many_are_counted() -> None:
    value = message("google.protobuf.ListValue", values=[{"string_value": "BAD"}] * 8)
    error = view(spoiled(value), "google.protobuf.ListValue").error
    assert error.count("not valid UTF-8") == 5
    assert error.endswith("; and 3 more")


def test_unknown_fields_and_groups_beside_a_bad_string_are_kept() -> None:
    unknown = b"\xfb\x07\x08\x01\xfc\x07" + b"\xd0\x0f\x05"  # a group of field 127, a number of field 250
    data = spoiled(message("Scalars", f_string="BAD")) + unknown
    shown = view(data, "Scalars")
    assert shown.drift
    assert [child.key for child in as_node(shown.tree).children] == ["fString", "127", "250"]


def nested(depth: int, name: str = "deep") -> bytes:
    """A Tree with ``depth`` trees within each other; protobuf parses 100 levels."""
    left = descriptor("Tree").fields_by_name["left"].number
    data: bytes = message("Tree", name=name).SerializeToString()
    for _ in range(depth):
        data = bytes([left << 3 | 2]) + varint(len(data)) + data
    return data


def varint(value: int) -> bytes:
    output = bytearray()
    while value > 127:
        output.append(value & 127 | 128)
        value >>= 7
    return bytes([*output, value])


def innermost(value: Any) -> tuple[int, Any]:
    depth = 0
    while "left" in value:
        value, depth = value["left"], depth + 1
    return depth, value


@pytest.mark.parametrize("depth", [99, 100, 101, 150, 199])
def test_messages_nested_deeper_than_protobuf_parses_are_decoded(depth: int) -> None:
    shown = view(nested(depth), "Tree")
    assert innermost(shown.json) == (depth, {"name": "deep"})
    assert shown.error is None
    assert not shown.drift


@pytest.mark.parametrize("depth", [200, 201, 500])
def test_what_is_nested_even_deeper_is_named_and_left_out(depth: int) -> None:
    shown = view(nested(depth), "Tree")
    assert innermost(shown.json) == (200, {})
    left_out = len(nested(depth - 200))
    assert f"nested deeper than 200 levels, {left_out} bytes are left out" in (shown.error or "")


def test_a_deep_message_with_a_bad_string_within() -> None:
    shown = view(nested(150, "BAD").replace(b"BAD", b"\xff\xff\xff"), "Tree")
    assert innermost(shown.json) == (150, {"name": "���"})
    assert shown.error == f"{'left.' * 150}name: not valid UTF-8, the invalid bytes are shown as �"


@pytest.mark.parametrize("depth", [33, 34, 60, 99])
def test_a_struct_of_many_levels(depth: int) -> None:
    value: Any = "bottom"
    for level in range(depth):
        value = {f"k{level}": value} if level % 2 else [value]
    built = message("google.protobuf.Value")
    target = built
    expected = value
    while not isinstance(value, str):
        if isinstance(value, list):
            target, value = target.list_value.values.add(), value[0]
        else:
            [(key, value)] = value.items()
            target = target.struct_value.fields[key]
    target.string_value = value
    shown = view(built.SerializeToString(), "google.protobuf.Value")
    assert (shown.json, shown.error) == (expected, None)


def test_an_any_with_a_bad_string_is_unpacked_all_the_same() -> None:
    inner = an_any(message("Scalars", f_string="BAD", f_int32=1))
    data = spoiled(message("WellKnown", any=inner))
    shown = view(data, "WellKnown")
    assert shown.json["any"]["fString"] == "���"
    assert shown.error == (
        "in an Any of loom.test.Scalars, fString: not valid UTF-8, the invalid bytes are shown as �"
    )
    assert "not valid UTF-8" in node_at(shown.tree, "any", "loom.test.Scalars", "fString").note


def test_an_error_detail_with_a_bad_string_is_decoded_all_the_same() -> None:
    status = status_pb2.Status(code=3, message="no")
    detail = an_any(message("Scalars", f_string="BAD", f_bool=True))
    status.details.add(type_url=detail.type_url, value=detail.value)
    [shown] = decode_status_details(spoiled(status), linked_protos().pool).details
    assert shown.json == {"fString": "���", "fBool": True}
    assert (shown.error or "").startswith("fString: not valid UTF-8")


def test_a_preview_shows_what_is_there() -> None:
    line, error = preview_payload(
        Payload(spoiled(message("Scalars", f_string="BAD", f_int32=5))),
        descriptor("Scalars"),
        linked_protos().pool,
    )
    assert (line, error) == ('fInt32: 5, fString: "���"', None)


@pytest.mark.parametrize("cut", [1, 3, 5])
def test_a_broken_wire_format_is_still_an_error(cut: int) -> None:
    data = spoiled(message("Tree", left={"name": "BAD"}, name="x"))[:-cut]
    shown = view(data, "Tree")
    assert (shown.json, shown.tree) == (None, None)
    assert "not a valid loom.test.Tree" in (shown.error or "")


def test_a_bad_string_keeps_its_bytes_when_another_field_is_edited() -> None:
    data = spoiled(message("Scalars", f_string="BAD", f_int32=5))
    value = view(data, "Scalars").json | {"fInt32": 6}
    edited = encode(value, descriptor("Scalars"), linked_protos().pool, original=data)
    assert edited == spoiled(message("Scalars", f_string="BAD", f_int32=6))


def test_an_any_with_a_bad_string_keeps_its_bytes_when_another_field_is_edited() -> None:
    data = spoiled(message("WellKnown", any=an_any(message("Scalars", f_string="BAD")), w_int32={"value": 1}))
    value = view(data, "WellKnown").json
    assert value == {"any": {"@type": "type.googleapis.com/loom.test.Scalars", "fString": "���"}, "wInt32": 1}
    edited = encode(value | {"wInt32": 2}, descriptor("WellKnown"), linked_protos().pool, original=data)
    parsed = message("WellKnown").FromString(edited)
    assert (parsed.w_int32.value, parsed.any.value) == (2, message("WellKnown").FromString(data).any.value)


def test_a_bad_string_in_an_any_keeps_its_bytes_when_another_field_of_the_any_is_edited() -> None:
    data = spoiled(message("WellKnown", any=an_any(message("Scalars", f_string="BAD", f_int32=1))))
    value = view(data, "WellKnown").json
    value["any"]["fInt32"] = 2
    edited = encode(value, descriptor("WellKnown"), linked_protos().pool, original=data)
    assert sorted(edited) == sorted(
        spoiled(message("WellKnown", any=an_any(message("Scalars", f_string="BAD", f_int32=2))))
    )
    assert view(edited, "WellKnown").json == value


def test_a_map_of_proto2_with_a_key_that_is_not_utf_8_is_read() -> None:
    """protobuf parses it and then reads no value of it, not even those of other keys."""
    labels = message("older.Labels", counts={"BAD": 1}, named={"x": {"counts": {"ok": 2, "aBAD": 3}}})
    seen = view(spoiled(labels), "older.Labels")
    assert seen.json == {"counts": {"���": 1}, "named": {"x": {"counts": {"a���": 3, "ok": 2}}}}
    assert "named.x.counts.a���: its key is not valid UTF-8" in seen.error
    assert node_at(seen.tree, "counts", "���").value == 1
    with pytest.raises(DecodeError, match="a key of a map is not valid UTF-8"):
        decode(spoiled(labels), descriptor("older.Labels"), linked_protos().pool)


def test_a_group_may_end_with_a_tag_that_is_longer_than_need_be() -> None:
    data = b"\x0a\x05\x0a\x01\xff\x10\x01" + b"\x1b\x22\x01x\x9c\x00"
    assert view(data, "older.Labels").json == {"counts": {"�": 1}, "inner": {"text": "x"}}


def test_a_sound_message_is_the_same_either_way() -> None:
    for value in (
        message("Scalars", f_string="é", f_bytes=b"\xff", f_double=1.5, f_sint64=-1),
        message(
            "Maps", by_int32={1: "x"}, by_fixed64={7: {"f_bool": True}}, by_string={"k": {"number_value": 1}}
        ),
        message("older.Base", id="x", unpacked=[1, 2], packed=[3]),
    ):
        parsed, flaws = parse_leniently(value.SerializeToString(), value.DESCRIPTOR)
        assert (parsed, flaws) == (value, [])
