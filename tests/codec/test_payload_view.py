"""A payload in every view, and what is shown when one of them fails."""

import gzip
import json
from typing import Any

import msgspec
import pytest

from loom.codec import Payload, preview_payload, view_payload
from loom.codec.payload_view import PayloadView
from tests.support.narrowing import as_node, required
from tests.support.protos import an_any, descriptor, linked_protos, message

SCALARS = message("Scalars", f_string="héllo", f_int64=7)


def view(
    data: bytes,
    name: str | None = "Scalars",
    max_bytes: int = 65536,
    max_text: int | None = None,
    **fields: Any,
) -> PayloadView:
    shown = view_payload(
        Payload(data, **fields), descriptor(name) if name else None, linked_protos().pool, max_bytes, max_text
    )
    return msgspec.json.decode(msgspec.json.encode(shown), type=type(shown))


def line(data: bytes, name: str | None = "Scalars", **fields: Any) -> tuple[Any, ...]:
    return preview_payload(Payload(data, **fields), descriptor(name) if name else None, linked_protos().pool)


def test_every_view_of_a_message() -> None:
    data = SCALARS.SerializeToString()
    shown = view(data)
    assert shown.json == {"fString": "héllo", "fInt64": "7"}
    assert json.loads(required(shown.json_text)) == shown.json
    assert "héllo" in (shown.json_text or "")
    assert [child.key for child in as_node(shown.tree).children] == ["fInt64", "fString"]
    assert [child.key for child in as_node(shown.wire).children] == ["4", "14"]
    assert (shown.hex, shown.truncated) == (data.hex(), 0)
    assert (shown.error, shown.drift) == (None, False)


def test_a_compressed_message_shows_what_is_in_it() -> None:
    assert view(gzip.compress(SCALARS.SerializeToString()), compression="gzip").json["fString"] == "héllo"
    assert line(gzip.compress(SCALARS.SerializeToString()), compression="gzip")[0].startswith("fInt64: 7")


def test_a_bomb_has_no_preview() -> None:
    text, error = line(gzip.compress(bytes(2_000_000)), compression="gzip")
    assert (text, error) == ("too large for a preview: open it to see it", None)


def test_what_cannot_be_decompressed_shows_its_error_and_its_bytes() -> None:
    shown = view(b"not gzip", compression="gzip")
    assert (shown.error or "").startswith("not valid gzip")
    assert shown.hex == b"not gzip".hex()
    assert line(b"not gzip", compression="gzip")[1].startswith("not valid gzip")


def test_what_does_not_decode_shows_its_error_its_fields_and_its_bytes() -> None:
    shown = view(b"\x72\x02\xff\xfe\x20")  # a field without its value
    assert "not a valid loom.test.Scalars" in (shown.error or "")
    assert shown.json is None
    assert "not a protobuf message: cut short" in as_node(shown.wire).note
    assert shown.hex == "7202fffe20"


def test_what_does_not_fit_its_type_shows_its_error_and_its_fields_by_number() -> None:
    shown = view(b"\x72\x02ab", "WellKnown")  # field 14 is a message there
    assert "not a valid loom.test.WellKnown" in (shown.error or "")
    assert as_node(shown.wire).children[0].key == "14"


def test_hex_is_cut_where_asked() -> None:
    shown = view(SCALARS.SerializeToString(), max_bytes=3)
    assert (len(shown.hex), shown.truncated) == (6, SCALARS.ByteSize() - 3)


def test_without_a_descriptor_the_wire_view_is_the_preview() -> None:
    shown = view(SCALARS.SerializeToString(), name=None)
    assert (shown.json, shown.tree) == (None, None)
    assert shown.preview == '4: 7, 14: "héllo"'
    assert line(SCALARS.SerializeToString(), name=None) == ('4: 7, 14: "héllo"', None)


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"\xff\xff\x01", "ff ff 01"),
        (b"\xff" * 100, "ff " * 64 + "…"),
        (b'{"a": 1}\n', '{"a": 1}'),
        (b"", ""),
    ],
)
def test_previews_of_bytes_that_are_not_a_message(data: bytes, expected: str) -> None:
    assert line(data, None) == (expected, None)
    assert view(data, None).preview == expected


def test_json_payloads_are_shown_as_json() -> None:
    shown = view(b'{"a": [1, null, {"b": "c"}]}', encoding="json")
    assert shown.json == {"a": [1, None, {"b": "c"}]}
    assert as_node(shown.tree).children[0].kind == "list"
    assert (shown.wire, shown.error, shown.payload) == (None, None, "json")
    assert line(b'{\n "a": 1}', encoding="json") == ('{ "a": 1}', None)


def test_json_payloads_that_are_not_json() -> None:
    assert (view(b"{oops", encoding="json").error or "").startswith("not valid JSON")


def test_json_nested_too_deeply_is_not_called_invalid() -> None:
    shown = view(b"[" * 100_000 + b"]" * 100_000, encoding="json")
    assert shown.error == "nested too deeply to be shown"


def test_json_without_a_content_type_is_recognised() -> None:
    shown = view(b'{"orderId": 17}')
    assert shown.json == {"orderId": 17}
    assert shown.error == "not protobuf: this is JSON"
    assert view(b'{"orderId": 17}', name=None).payload == "json"


def test_other_encodings_are_named_and_shown_as_bytes() -> None:
    shown = view(b"\1\2", encoding="thrift")
    assert shown.error == "thrift is not decoded: see the bytes"
    assert shown.hex == "0102"
    assert line(b"\1\2", encoding="thrift") == ("2 bytes of thrift", None)


def test_an_any_of_unknown_type_names_it_and_shows_its_fields() -> None:
    strange = message("google.protobuf.Any", type_url="x.io/no.Such", value=b"\x08\x01")
    view = view_payload(
        Payload(message("WellKnown", any=strange, w_int32={"value": 1}).SerializeToString()),
        descriptor("WellKnown"), linked_protos().pool, 100,
    )  # fmt: skip
    assert view.missing_types == {"no.Such"}
    assert view.json == {"any": {"@type": "x.io/no.Such", "@value": "CAE="}, "wInt32": 1}
    assert "no source knows no.Such" in (view.error or "")
    [node, _] = as_node(view.tree).children
    assert (node.kind, node.value) == ("any", "x.io/no.Such")
    assert node.children[0].key == "1"


def test_an_any_of_known_type_is_unpacked_in_the_tree() -> None:
    shown = view(message("WellKnown", any=an_any(SCALARS)).SerializeToString(), "WellKnown")
    assert as_node(shown.tree).children[0].children[0].type == "loom.test.Scalars"


def test_fields_that_the_schema_does_not_have_are_drift() -> None:
    newer = message("New", kept="k", added=5).SerializeToString()
    shown = view(newer, "Old")
    assert shown.drift
    last = as_node(shown.tree).children[-1]
    assert (last.key, last.kind, last.value) == ("100", "unknown", "5")
    assert last.note.startswith("unknown field")


def test_the_tree_has_oneofs_enums_maps_and_well_known_values() -> None:
    shown = as_node(view(message("Choice", colour=1).SerializeToString(), "Choice").tree).children[0]
    assert (shown.oneof, shown.value, shown.enum_number) == ("choice", "RED", 1)
    made = message("Maps")
    made.by_bool[True] = "x"
    shown = as_node(view(made.SerializeToString(), "Maps").tree).children[0]
    assert (shown.kind, shown.type, shown.children[0].key) == ("map", "map<bool, string>", "true")
    known = view(message("WellKnown", timestamp={"seconds": 1}).SerializeToString(), "WellKnown")
    stamp = as_node(known.tree).children[0]
    assert (stamp.value, stamp.children[0].value) == ("1970-01-01T00:00:01Z", "1")


def test_a_very_large_message_has_all_its_json_and_the_beginning_of_its_tree() -> None:
    shown = view(
        message("Lists", f_message=[{"f_int32": i} for i in range(1, 20_001)]).SerializeToString(), "Lists"
    )
    assert len(shown.json["fMessage"]) == 20_000
    [items] = as_node(shown.tree).children
    assert len(items.children) + items.more == 20_000
    assert items.more


@pytest.mark.parametrize("size", [1, 150, 10_000])
def test_a_preview_is_one_short_line(size: int) -> None:
    text, error = line(message("Lists", f_string=["a\nb" * size]).SerializeToString(), "Lists")
    assert error is None
    assert len(text) <= 200
    assert "\n" not in text


def test_the_json_of_a_very_large_message_can_be_cut() -> None:
    data = message("Lists", f_message=[{"f_int32": i} for i in range(1, 20_001)]).SerializeToString()
    shown = view(data, "Lists", max_text=1000)
    assert (shown.json, shown.json_cut) == (None, True)
    assert len(required(shown.json_text)) == 1000
    assert (shown.json_text or "").startswith('{"fMessage":[{"fInt32":1},{"fInt32":2},')
    assert as_node(shown.tree).children[0].more
    whole = view(data, "Lists", max_text=10_000_000)
    assert (whole.json_cut, len(whole.json["fMessage"])) == (False, 20_000)


def test_a_short_message_with_a_long_text_is_cut_all_the_same() -> None:
    shown = view(message("Lists", f_bool=[True] * 1000).SerializeToString(), "Lists", max_text=20)
    assert (shown.json_text, shown.json, shown.json_cut) == ('{"fBool":[true,true,', None, True)
    shown = view(b"[" + b"1," * 1000 + b"1]", max_text=5, encoding="json")
    assert (shown.json_text, shown.json, shown.json_cut) == ("[1,1,", None, True)


def test_unknown_fields_are_seen_behind_the_part_that_is_shown() -> None:
    message_of = message("Lists", f_message=[{"f_int32": 1}] * 6_000)
    shown = view(message_of.SerializeToString() + b"\xf8\x3f\x01", "Lists", max_text=10)
    assert shown.drift
    assert not view(message_of.SerializeToString(), "Lists", max_text=10).drift


def test_numbers_in_json_payloads_keep_their_digits() -> None:
    text = '{"a":123456789012345678901234567890,"b":1.0000000000000000000001,"c":9007199254740993}'
    shown = view_payload(Payload(text.encode(), "", "json"), None, linked_protos().pool, 100)
    assert msgspec.json.format(msgspec.json.encode(shown.json), indent=-1) == text.encode()
    assert json.loads(required(shown.json_text))["a"] == 123456789012345678901234567890
    values = [child.value for child in as_node(shown.tree).children]
    assert values == ["123456789012345678901234567890", 1.0, "9007199254740993"]
    msgspec.json.encode(shown)


@pytest.mark.parametrize("depth", [50, 900, 100_000])
def test_json_payloads_of_any_depth_can_be_shown(depth: int) -> None:
    shown = view_payload(Payload(b"[" * depth + b"]" * depth, "", "json"), None, linked_protos().pool, 100)
    assert b"nested deeper" in msgspec.json.encode(shown) or depth == 50 or shown.error


def test_a_large_struct_is_not_repeated_at_each_of_its_levels() -> None:
    made = message("WellKnown")
    place = made.struct
    for depth in range(25):
        place.update({f"k{at}": "x" * 100 for at in range(40)})
        place.update({"inner": {"depth": depth}})
        place = place.fields["inner"].struct_value
    data = made.SerializeToString()
    assert len(msgspec.json.encode(view(data, "WellKnown").tree)) < 10 * len(data)
