"""Message → JSON → message keeps everything, also what JSON cannot say."""

from typing import Any

import pytest
from google.protobuf.message import Message

from loom.codec import EncodeError, decode, encode
from tests.support.narrowing import descriptor_of
from tests.support.protos import an_any, descriptor, linked_protos, message


def json_of(value: Message) -> dict[str, Any]:
    fields: dict[str, Any] = decode(
        value.SerializeToString(), descriptor_of(value), linked_protos().pool
    ).json
    return fields


def newer(kept: str, **fields: Any) -> Any:
    return message("New", kept=kept, added=7, also_added=f"of {kept}", **fields)


def as_old(value: Message) -> Any:
    return message("Old").FromString(value.SerializeToString())


def test_unknown_fields_are_kept_at_every_place_when_another_field_is_edited() -> None:
    original = newer("top", nested=newer("nested"), list=[newer("a"), newer("b")], map={"k": newer("m")})
    old = as_old(original)
    edited = json_of(old)
    edited["nested"]["kept"] = "edited"
    back = message("New").FromString(
        encode(edited, descriptor("Old"), linked_protos().pool, original=original.SerializeToString())
    )
    original.nested.kept = "edited"
    assert back == original


def test_without_an_original_unknown_fields_are_lost() -> None:
    old = as_old(newer("top"))
    assert (
        encode(json_of(old), descriptor("Old"), linked_protos().pool)
        == message("Old", kept="top").SerializeToString()
    )


def test_what_an_edit_removes_takes_its_unknown_fields_along() -> None:
    original = newer("top", nested=newer("nested"), list=[newer("a"), newer("b"), newer("c")])
    edited = json_of(as_old(original))
    del edited["nested"]
    del edited["list"][1]
    edited["list"].append({"kept": "new"})
    edited["list"].insert(0, {"kept": "first"})
    back = message("New").FromString(
        encode(edited, descriptor("Old"), linked_protos().pool, original=original.SerializeToString())
    )
    assert not back.HasField("nested")
    assert [(item.kept, item.added) for item in back.list] == [("first", 0), ("a", 7), ("c", 7), ("new", 0)]


def test_unknown_fields_inside_an_any_are_kept() -> None:
    inside = an_any(newer("inside"))
    inside.type_url = "type.googleapis.com/loom.test.Old"
    original = message("Old", kept="top", any=inside)
    edited = json_of(original)
    edited["any"]["kept"] = "edited"
    back = message("Old").FromString(
        encode(edited, descriptor("Old"), linked_protos().pool, original=original.SerializeToString())
    )
    assert message("New").FromString(back.any.value) == message(
        "New", kept="edited", added=7, also_added="of inside"
    )


def test_an_any_of_unknown_type_survives_an_edit() -> None:
    strange = message("google.protobuf.Any", type_url="x.io/no.Such", value=b"\x08\x01\xff")
    original = message("WellKnown", any=strange, anys=[an_any(message("WellKnown", any=strange))])
    edited = json_of(original) | {"wInt32": 5}
    original.w_int32.value = 5
    assert (
        message("WellKnown").FromString(encode(edited, descriptor("WellKnown"), linked_protos().pool))
        == original
    )


def test_a_message_that_is_an_any_of_unknown_type() -> None:
    strange = message("google.protobuf.Any", type_url="x.io/no.Such", value=b"\x08\x01")
    assert encode(json_of(strange), strange.DESCRIPTOR, linked_protos().pool) == strange.SerializeToString()


def test_extensions_and_groups_come_back() -> None:
    base = message("older.Base", id="1", unpacked=[1], part=[{"size": 1}], detail={"text": "t"})
    base.Extensions[linked_protos().pool.FindExtensionByName("loom.test.older.Extra.inside")].on = True
    assert (
        message("older.Base").FromString(encode(json_of(base), base.DESCRIPTOR, linked_protos().pool)) == base
    )


@pytest.mark.parametrize(
    ("kind", "value", "path", "says"),
    [
        ("Scalars", {"fInt32": "x"}, "fInt32", 'whole number from -2147483648 to 2147483647, not "x"'),
        ("Scalars", {"fBool": True, "fInt32": 2**31}, "fInt32", "to 2147483647, not 2147483648"),
        (
            "Scalars",
            {"nope": 1},
            "nope",
            r"Scalars has no field of this name; it has fDouble, .* and \d+ more",
        ),
        ("Scalars", {"f_int33": 1}, "f_int33", "did you mean fInt32?"),
        ("Scalars", {"fEnum": "BLUE"}, "fEnum", 'one of .*, not "BLUE"'),
        ("Scalars", [], "", "is an object in JSON, not an array"),
        ("Scalars", "text", "", "not a string"),
        ("Scalars", None, "", "not null"),
        (
            "Tree",
            {"children": [{}, {"left": {"name": 5}}]},
            "children[1].left.name",
            "should be a string, not 5",
        ),
        ("Tree", {"children": {"left": {}}}, "children", "should be an array, not {"),
        ("Tree", {"left": 5}, "left", "should be an object, for a loom.test.Tree, not 5"),
        ("Tree", {"named": 5}, "named", "should be an object, not"),
        ("Tree", {"named": {"a": {"lfet": {}}}}, "named['a'].lfet", "did you mean left?"),
        ("Scalars", {"fBytes": "a"}, "fBytes", "a string of base64"),
        ("Scalars", {"fBool": "yes"}, "fBool", 'true or false, not "yes"'),
        ("Scalars", {"fFloat": 1e300}, "fFloat", "range of a float"),
        ("Scalars", {"fString": "x" * 100 + "\ud800"}, "fString", "x…"),
        ("Tree", {"named": {"a b": {"left": {"name": 1}}}}, "named['a b'].left.name", "string, not 1"),
        ("Lists", {"fInt64": 5}, "fInt64", "should be an array, not 5"),
        ("Choice", {"number": 1, "text": "a"}, "text", "only one field of the oneof .* number is already"),
        ("Scalars", {"fBytes": "AAA!AAA?"}, "fBytes", 'a string of base64, not "AAA!AAA."'),
        ("Scalars", {"f_bytes": "!!"}, "f_bytes", 'a string of base64, not "!!"'),
        ("Scalars", {"fBytes": "AA="}, "fBytes", "a string of base64"),
        ("Scalars", {"fBytes": "AAAA===="}, "fBytes", "a string of base64"),
        ("Scalars", {"fBytes": "AAAAA"}, "fBytes", "a string of base64"),
        ("Scalars", {"fBytes": "AA AA"}, "fBytes", "a string of base64"),
        ("Lists", {"fBytes": ["AAAA", "?"]}, "fBytes[1]", "a string of base64"),
        ("Lists", {"fMessage": [{}, {"fBytes": "?"}]}, "fMessage[1].fBytes", "a string of base64"),
        ("WellKnown", {"wBytes": "A!"}, "wBytes", 'a string of base64, not "A!"'),
        ("WellKnown", {"any": {"@type": "x/loom.test.Scalars", "fBytes": "?"}}, "any", 'not "?"'),
        ("WellKnown", {"any": {"@type": "x/no.Such", "@value": "?"}}, "any", 'not "?"'),
        ("WellKnown", {"timestamp": "x"}, "timestamp", 'a time in UTC .*, not "x"'),
        ("WellKnown", {"duration": 5}, "duration", "length of time in seconds"),
        ("WellKnown", {"any": {"a": 1}}, "any", "@type is missing"),
        ("WellKnown", {"any": {"@type": "x/google.protobuf.Duration"}}, "any", "'value' is missing"),
        ("WellKnown", {"any": {"@type": "x/no.T", "a": 1}}, "any", "Can not find .* x/no.T"),
    ],
)
def test_json_that_does_not_fit_is_rejected_with_its_path(
    kind: str, value: str | list[Any] | dict[str, Any] | None, path: str, says: str
) -> None:
    with pytest.raises(EncodeError, match=says) as error:
        encode(value, descriptor(kind), linked_protos().pool)
    assert error.value.path == path


@pytest.mark.parametrize(
    ("text", "data"),
    [
        ("", b""),
        ("_-8", b"\xff\xef"),
        ("/+8=", b"\xff\xef"),
        ("AAE=", b"\0\1"),
        ("AAE", b"\0\1"),
        ("AA==", b"\0"),
        ("AAAA", b"\0" * 3),
    ],
)
def test_base64_may_be_of_either_alphabet_and_padded_or_not(text: str, data: bytes) -> None:
    made = encode({"fBytes": text}, descriptor("Scalars"), linked_protos().pool)
    assert message("Scalars").FromString(made).f_bytes == data
    made = encode(
        {"wBytes": text, "any": {}, "timestamp": None}, descriptor("WellKnown"), linked_protos().pool
    )
    assert message("WellKnown").FromString(made).w_bytes.value == data


def test_endless_nesting_is_rejected() -> None:
    value: dict[str, Any] = {}
    for _ in range(5000):
        value = {"left": value}
    with pytest.raises(EncodeError):
        encode(value, descriptor("Tree"), linked_protos().pool)


def test_a_message_without_its_required_fields_is_shown_and_edited() -> None:
    decoded = decode(b"\x10\x05", descriptor("older.Base"), linked_protos().pool)
    assert decoded.json == {"count": 5}
    assert (
        encode({"count": 6}, descriptor("older.Base"), linked_protos().pool, original=b"\x10\x05")
        == b"\x10\x06"
    )
