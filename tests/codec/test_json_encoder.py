"""JSON as messages, and what the error says where it does not fit."""

from typing import Any

import pytest

from loom.codec import EncodeError, encode
from tests.support.protos import descriptor, linked_protos, message


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
        ("WellKnown", {"any": {"@type": "x/loom.test.Scalars", "fBytes": "?"}}, "any.fBytes", 'not "?"'),
        ("WellKnown", {"any": {"@type": "x/no.Such", "@value": "?"}}, "any.@value", 'not "?"'),
        ("WellKnown", {"timestamp": "x"}, "timestamp", 'a time in UTC .*, not "x"'),
        ("WellKnown", {"duration": 5}, "duration", "length of time in seconds"),
        ("WellKnown", {"any": {"a": 1}}, "any", "@type is missing"),
        ("WellKnown", {"any": {"@type": "x/google.protobuf.Duration"}}, "any", "'value' is missing"),
        (
            "WellKnown",
            {"any": {"@type": "x/no.T", "a": 1}},
            "any",
            "no source knows no.T, the type of this Any",
        ),
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
