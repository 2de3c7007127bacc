"""JSON equals the canonical mapping; protobuf's own json_format is the measure."""

import json
import math
from types import SimpleNamespace
from typing import Any

import pytest
from google.protobuf import json_format

from loom.codec import JsonDecoder, decode, parse
from loom.codec.compiled_readers import COMPILE_AFTER, _is_compilable
from loom.codec.json_printer import JsonPrinter
from loom.codec.scalars import single
from loom.codec.truncated_json import truncated_json
from tests.support.protos import an_any, content, descriptor, linked_protos, message

INT64_MIN, INT64_MAX, UINT64_MAX = -(2**63), 2**63 - 1, 2**64 - 1
FLOAT_MAX, FLOAT_TINY = 3.4028234663852886e38, 1.401298464324817e-45
LOWEST = {
    "f_double": -1.7976931348623157e308, "f_float": -FLOAT_MAX, "f_int32": -(2**31), "f_int64": INT64_MIN,
    "f_uint32": 0, "f_uint64": 0, "f_sint32": -(2**31), "f_sint64": INT64_MIN, "f_fixed32": 1, "f_fixed64": 1,
    "f_sfixed32": -(2**31), "f_sfixed64": INT64_MIN, "f_bool": False, "f_string": "\0", "f_bytes": b"\0",
    "f_enum": -1,
}  # fmt: skip
HIGHEST = {
    "f_double": 1.7976931348623157e308, "f_float": FLOAT_MAX, "f_int32": 2**31 - 1, "f_int64": INT64_MAX,
    "f_uint32": 2**32 - 1, "f_uint64": UINT64_MAX, "f_sint32": 2**31 - 1, "f_sint64": INT64_MAX,
    "f_fixed32": 2**32 - 1, "f_fixed64": UINT64_MAX, "f_sfixed32": 2**31 - 1, "f_sfixed64": INT64_MAX,
    "f_bool": True, "f_string": "\U0010ffff é \u2028 </script>", "f_bytes": bytes(range(256)), "f_enum": 1,
}  # fmt: skip


def mapped(value: Any) -> Any:
    """Our JSON, after it was checked against protobuf's and against what ``decode`` says."""
    printer = JsonPrinter(linked_protos().pool)
    result = printer.value(value)
    assert printer.problems == []
    assert result == json_format.MessageToDict(value, descriptor_pool=linked_protos().pool)
    assert [printer.value(value) for _ in range(COMPILE_AFTER)][-1] == result, "once its readers are compiled"
    text, complete = truncated_json(JsonPrinter(linked_protos().pool), value, 1_000_000)
    assert complete
    assert json.loads(text) == result
    decoded = content(value.SerializeToString(), value.DESCRIPTOR)
    assert decoded.value.json == result
    assert json.loads(decoded.text) == result
    assert not decoded.value.unknown_fields
    return result


@pytest.mark.parametrize("values", [{}, LOWEST, HIGHEST], ids=["empty", "lowest", "highest"])
def test_scalars_at_their_limits(values: dict[str, Any]) -> None:
    mapped(message("Scalars", **values))


def test_64_bit_integers_are_text_and_smaller_ones_numbers() -> None:
    result = mapped(message("Scalars", f_int64=INT64_MAX, f_uint64=UINT64_MAX, f_int32=7))
    assert result == {"fInt32": 7, "fInt64": "9223372036854775807", "fUint64": "18446744073709551615"}


@pytest.mark.parametrize("number", [math.nan, math.inf, -math.inf, -0.0, 5e-324, 0.1, 1e100, 123456789.123])
def test_doubles(number: float) -> None:
    mapped(message("Scalars", f_double=number))
    mapped(message("Lists", f_double=[number, 0.0]))


@pytest.mark.parametrize(
    "number", [math.nan, math.inf, -math.inf, -0.0, FLOAT_TINY, 0.1, 16777216.0, 3.3, 8.589973e9]
)
def test_floats_are_the_shortest_that_read_back(number: float) -> None:
    mapped(message("Scalars", f_float=number))
    mapped(message("Lists", f_float=[number]))


def test_a_tenth_as_a_float_is_a_tenth() -> None:
    assert mapped(message("Scalars", f_float=0.1)) == {"fFloat": 0.1}
    assert single(FLOAT_MAX) == 3.4028235e38


def test_minus_zero_is_not_nothing() -> None:
    result = mapped(message("Scalars", f_double=-0.0, f_float=-0.0))
    assert [math.copysign(1, result[name]) for name in ("fDouble", "fFloat")] == [-1, -1]


def test_fields_with_presence_are_shown_when_set_to_their_default() -> None:
    zero = {"f_double": 0.0, "f_int64": 0, "f_bool": False, "f_string": "", "f_bytes": b"", "f_enum": 0}
    assert mapped(message("Scalars", **zero)) == {}
    assert len(mapped(message("Optionals", **zero))) == len(zero)


def test_the_first_of_two_names_of_an_enum_value_is_its_name() -> None:
    assert mapped(message("Scalars", f_enum=1)) == {"fEnum": "RED"}


def test_an_enum_value_without_a_name_is_its_number() -> None:
    assert mapped(message("Scalars", f_enum=42)) == {"fEnum": 42}


def test_lists() -> None:
    filled = {
        "f_double": [1.5, 0.0], "f_float": [0.1, 0.0], "f_int64": [INT64_MIN, 0], "f_sint32": [-1, 0],
        "f_fixed64": [UINT64_MAX], "f_bool": [True, False], "f_string": ["", "a"], "f_bytes": [b"", b"\xff"],
        "f_enum": [0, 1, 42], "f_message": [{}, {"f_bool": True}], "packed": [1, 2], "unpacked": [3, 4],
    }  # fmt: skip
    assert len(mapped(message("Lists", **filled))) == len(filled)


def test_packed_and_unpacked_are_read_alike() -> None:
    kind = descriptor("Lists")
    packed, unpacked = b"\x92\x01\x02\x01\x02", b"\x90\x01\x01\x90\x01\x02"
    assert (
        decode(packed, kind, linked_protos().pool).json
        == decode(unpacked, kind, linked_protos().pool).json
        == {"packed": [1, 2]}
    )


def test_maps_with_every_kind_of_key() -> None:
    scalars = message("Scalars", f_bool=True)
    timestamp = message("google.protobuf.Timestamp", seconds=1, nanos=5000)
    result = message("Maps")
    result.by_int32[-1] = "a"
    result.by_int64[INT64_MIN] = math.inf
    result.by_uint32[2**32 - 1] = b"\0"
    result.by_uint64[UINT64_MAX] = INT64_MAX
    result.by_sint32[-5] = 0.1
    result.by_sint64[0] = True
    result.by_fixed32[0] = 1
    result.by_fixed64[9].CopyFrom(scalars)
    result.by_sfixed32[-9] = 0
    result.by_sfixed64[INT64_MAX].CopyFrom(timestamp)
    result.by_bool[True] = "yes"
    result.by_bool[False] = "no"
    result.by_string[""].string_value = "empty key"
    result.by_string["é\n"].null_value = 0
    shown = mapped(result)
    assert shown["byBool"] == {"true": "yes", "false": "no"}
    assert shown["bySfixed64"] == {str(INT64_MAX): "1970-01-01T00:00:01.000005Z"}


@pytest.mark.parametrize(
    ("chosen", "shown"),
    [
        ({"number": 0}, {"number": 0}),
        ({"text": ""}, {"text": ""}),
        ({"message": {}}, {"message": {}}),
        ({"nothing": 0}, {"nothing": None}),
        ({"colour": 0}, {"colour": "COLOUR_UNSPECIFIED"}),
        ({}, {}),
    ],
)
def test_a_oneof_shows_what_was_chosen_even_if_it_is_zero(
    chosen: dict[str, Any], shown: dict[str, Any]
) -> None:
    assert mapped(message("Choice", **chosen)) == shown


@pytest.mark.parametrize(
    ("seconds", "nanos", "text"),
    [
        (0, 0, "1970-01-01T00:00:00Z"),
        (-62135596800, 0, "0001-01-01T00:00:00Z"),
        (253402300799, 999999999, "9999-12-31T23:59:59.999999999Z"),
        (253402300799, 0, "9999-12-31T23:59:59Z"),
        (1, 120_000_000, "1970-01-01T00:00:01.120Z"),
        (-1, 1, "1969-12-31T23:59:59.000000001Z"),
    ],
)
def test_timestamps(seconds: int, nanos: int, text: str) -> None:
    assert mapped(message("WellKnown", timestamp={"seconds": seconds, "nanos": nanos})) == {"timestamp": text}


@pytest.mark.parametrize(
    ("seconds", "nanos", "text"),
    [
        (0, 0, "0s"),
        (315576000000, 0, "315576000000s"),
        (-1, -500_000_000, "-1.500s"),
        (0, -1, "-0.000000001s"),
    ],
)
def test_durations(seconds: int, nanos: int, text: str) -> None:
    result = mapped(
        message("WellKnown", duration={"seconds": seconds, "nanos": nanos}, durations=[{"seconds": 1}])
    )
    assert result == {"duration": text, "durations": ["1s"]}


def test_field_masks() -> None:
    result = message("WellKnown", field_mask={"paths": ["user.display_name", "photo"]})
    assert mapped(result) == {"fieldMask": "user.displayName,photo"}


def test_struct_value_and_list() -> None:
    result = message("WellKnown")
    result.struct.update({"a": 1.5, "b": None, "c": [True, "x", {"d": []}], "": {}})
    result.list.extend([1, "two", None, [3], {"four": False}])
    result.value.struct_value.update({"nested": {"deep": [0]}})
    shown = mapped(result)
    assert shown["struct"]["c"] == [True, "x", {"d": []}]
    assert shown["list"] == [1, "two", None, [3], {"four": False}]


def test_a_value_without_content_and_a_null() -> None:
    mapped(message("WellKnown", value={}))
    assert mapped(message("WellKnown", value={"null_value": 0})) == {"value": None}


def test_wrappers_are_their_values_even_if_those_are_zero() -> None:
    names = ["bool", "bytes", "double", "float", "int32", "int64", "string", "uint32", "uint64"]
    assert mapped(message("WellKnown", **{f"w_{name}": {} for name in names})) == {
        "wBool": False, "wBytes": "", "wDouble": 0.0, "wFloat": 0.0, "wInt32": 0, "wInt64": "0", "wString": "",
        "wUint32": 0, "wUint64": "0",
    }  # fmt: skip


def test_any_of_messages_of_well_known_types_and_of_any() -> None:
    inner = an_any(message("Scalars", f_int32=1))
    stamp = an_any(message("google.protobuf.Duration", seconds=3))
    empty = an_any(message("google.protobuf.Empty"))
    shown = mapped(
        message("WellKnown", any=inner, anys=[stamp, an_any(stamp), message("google.protobuf.Any")], empty={})
    )
    assert shown["any"] == {"@type": "type.googleapis.com/loom.test.Scalars", "fInt32": 1}
    assert shown["anys"][1]["value"] == {
        "@type": "type.googleapis.com/google.protobuf.Duration",
        "value": "3s",
    }
    assert (
        decode(empty.SerializeToString(), empty.DESCRIPTOR, linked_protos().pool)
        .json["@type"]
        .endswith("Empty")
    )


def test_names_that_are_keywords_or_hide_methods() -> None:
    result = message("Names", **{"from": 1, "HasField": "x", "snake_case_2x": 3, "renamed": 4})
    # json_format itself fails on these
    assert decode(result.SerializeToString(), descriptor("Names"), linked_protos().pool).json == {
        "from": 1, "HasField": "x", "snakeCase2x": 3, "something-else": 4,
    }  # fmt: skip
    hiding = message("Names", DESCRIPTOR="d", ListFields="l", HasField="h")
    decoded = content(hiding.SerializeToString(), descriptor("Names"))
    assert decoded.value.json == {"HasField": "h", "ListFields": "l", "DESCRIPTOR": "d"}
    assert len(decoded.tree.children) == 3


def test_names_that_python_cannot_say() -> None:
    fields = {
        "from": 1,
        "class": "c",
        "None": True,
        "lambda": b"\xff",
        "not": 1,
        "and": [0, 1, 9],
        "d": "d",
        "v": 0.5,
    }
    result = message("Keywords", **fields, m={True: 0, False: 9})
    assert mapped(result) == {
        "from": 1, "class": "c", 'a "key"': True, "lambda": "/w==", "not": "RED", "d": "d", "v": 0.5,
        "and": ["COLOUR_UNSPECIFIED", "RED", 9], "m": {"true": "COLOUR_UNSPECIFIED", "false": 9},
    }  # fmt: skip
    assert mapped(message("Keywords", **{"is": ""})) == {"is": ""}


def test_a_proto2_string_that_is_not_utf_8() -> None:
    """Only proto3 and its kin enforce UTF-8."""
    data = message("older.Base", id="x").SerializeToString().replace(b"x", b"\xff") + b"\xa2\x06\x02a\xfe"
    for decoded in (
        content(data, descriptor("older.Base")).value,
        JsonDecoder(linked_protos().pool).decode(parse(data, descriptor("older.Base"))),
    ):
        assert decoded.json == {"id": "�", "[loom.test.older.note]": "a�"}
        assert "not valid UTF-8" in decoded.problems


def test_proto2_presence_groups_extensions_and_closed_enums() -> None:
    base = message("older.Base", id="", count=7, unpacked=[1, 2], packed=[3])
    base.detail.text = "in a group"
    base.part.add(size=1)
    base.part.add()
    pool = linked_protos().pool
    base.Extensions[pool.FindExtensionByName("loom.test.older.note")] = "hi"
    base.Extensions[pool.FindExtensionByName("loom.test.older.numbers")].extend([INT64_MAX, 0])
    base.Extensions[pool.FindExtensionByName("loom.test.older.extra")].on = False
    base.Extensions[pool.FindExtensionByName("loom.test.older.Extra.inside")].on = True
    shown = mapped(base)
    assert shown["[loom.test.older.numbers]"] == [str(INT64_MAX), "0"]
    assert shown["[loom.test.older.Extra.inside]"] == {"on": True}
    assert shown["detail"] == {"text": "in a group"}
    assert shown["count"] == 7


def test_an_unknown_value_of_a_closed_enum_is_an_unknown_field() -> None:
    decoded = decode(b"\x0a\x01a\x18\x63", descriptor("older.Base"), linked_protos().pool)
    assert decoded.json == {"id": "a"}
    assert decoded.unknown_fields


def test_editions() -> None:
    result = message("edition.Modern", explicit="", implicit="", expanded=[1, 2], packed=[3], mood=1)
    result.delimited.explicit = "delimited"
    assert mapped(result) == {
        "explicit": "", "delimited": {"explicit": "delimited"}, "expanded": [1, 2], "packed": [3], "mood": "GOOD",
    }  # fmt: skip


def test_deep_nesting() -> None:
    result = message("Tree", name="0")
    place = result
    for depth in range(1, 99):
        place = place.left
        place.name = str(depth)
    mapped(result)


def test_messages_whose_fields_cannot_be_read_by_attribute_never_are() -> None:
    values: dict[str, dict[str, Any]] = {"Names": {"HasField": "x", "from": 1}, "older.Base": {"id": "x"}}
    for name, fields in values.items():
        printer = JsonPrinter(linked_protos().pool)
        shown = [printer.value(message(name, **fields)) for _ in range(COMPILE_AFTER + 1)]
        assert shown == [fields] * (COMPILE_AFTER + 1)


def test_a_name_that_is_not_an_identifier_is_never_compiled() -> None:
    """A descriptor may come from an untrusted peer; that protobuf rejects such names is not relied on."""
    for name, safe in {"id": True, "x\n import os": False, "a.b": False, "": False}.items():
        stand_in: Any = SimpleNamespace(is_extendable=False, fields=[SimpleNamespace(name=name)])
        assert _is_compilable(stand_in) is safe


@pytest.mark.parametrize(
    ("fields", "shown", "problem"),
    [
        ({"timestamp": {"seconds": 10**15}}, {"seconds": str(10**15)}, "Timestamp"),
        ({"duration": {"seconds": 1, "nanos": -1}}, {"seconds": "1", "nanos": -1}, "Duration"),
        ({"field_mask": {"paths": ["Not_a_Path"]}}, {"paths": ["Not_a_Path"]}, "FieldMask"),
        ({"value": {"number_value": math.nan}}, "NaN", "no JSON form"),
        ({"any": {"type_url": "a/b.C", "value": b"\1"}}, {"@type": "a/b.C", "@value": "AQ=="}, "knows b.C"),
        (
            {"any": {"type_url": "a/loom.test.Tree", "value": b"\1"}},
            {"@type": "a/loom.test.Tree", "@value": "AQ=="},
            "not a valid loom.test.Tree",
        ),
        ({"any": {"value": b"\1"}}, {"@type": "", "@value": "AQ=="}, "without a name"),
    ],
)  # fmt: skip
def test_values_without_canonical_json_are_shown_with_a_problem(
    fields: dict[str, Any], shown: str | dict[str, Any], problem: str
) -> None:
    printer = JsonPrinter(linked_protos().pool)
    [value] = printer.value(message("WellKnown", **fields)).values()
    assert value == shown
    assert problem in printer.problems[0]


def test_one_decoder_for_many_messages() -> None:
    many = JsonDecoder(linked_protos().pool)
    unknown = message("google.protobuf.Any", type_url="x/no.Such", value=b"\1")
    values = [
        message("Scalars", f_int32=1), message("WellKnown", any=unknown), message("Scalars", f_int32=2),
        message("Tree", left={"left": {"name": "x"}}),
    ]  # fmt: skip
    for value in values:
        data = value.SerializeToString()
        alone, found = (
            decode(data, value.DESCRIPTOR, linked_protos().pool),
            many.decode(parse(data, value.DESCRIPTOR)),
        )
        assert found == alone


def test_nested_anys_are_limited() -> None:
    inner = message("Scalars", f_bool=True)
    for _ in range(40):
        inner = an_any(inner)
    printer = JsonPrinter(linked_protos().pool)
    printer.value(inner)
    assert "not unpacked" in printer.problems[0]


def test_unknown_fields_in_an_any_count_as_unknown() -> None:
    newer = an_any(message("New", kept="k", added=5))
    newer.type_url = "x/loom.test.Old"
    assert decode(newer.SerializeToString(), newer.DESCRIPTOR, linked_protos().pool).unknown_fields
