"""A text in a message is found, however few of its fields are visited."""

import struct
from typing import Any

import pytest
from google.protobuf import message_factory
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from hypothesis import given, settings
from hypothesis import strategies as some

from loom.search.field_walker import FieldWalker
from loom.search.text_prefilter import TextPrefilter
from tests.support.narrowing import required
from tests.support.protos import an_any, descriptor, linked_protos, message

KINDS = [
    "Scalars",
    "Lists",
    "Maps",
    "Choice",
    "WellKnown",
    "Tree",
    "Names",
    "older.Base",
    "google.protobuf.Any",
]
INNER = [
    "loom.test.Scalars",
    "loom.test.older.Base",
    "google.protobuf.FieldMask",
    "google.protobuf.Struct",
    "no.Such",
]
# Among them letters whose lower case is of other letters, or depends on what stands beside them.
LETTERS = some.text(some.sampled_from('abAB_-,. 019+/=éÉßİK\u03a3\u03c3\u03c2\ufffd🐈\n"'), max_size=6)
FIELD = FieldDescriptor
FIXED = {FIELD.TYPE_DOUBLE: "<d", FIELD.TYPE_FLOAT: "<f", FIELD.TYPE_FIXED64: "<Q", FIELD.TYPE_FIXED32: "<I"}
SIGNED = {FIELD.TYPE_SFIXED64: 8, FIELD.TYPE_SFIXED32: 4}


def varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def payload(draw: Any, field: FIELD, depth: int) -> tuple[int, bytes]:
    """A value on the wire: its wire type and its bytes."""
    if field.type == FIELD.TYPE_GROUP:
        return 3, wire(draw, required(field.message_type), depth - 1) + varint(field.number << 3 | 4)
    if field.message_type is not None:
        data = wire(draw, required(field.message_type), depth - 1)
        return 2, varint(len(data)) + data
    if field.type in (FIELD.TYPE_STRING, FIELD.TYPE_BYTES):
        data = draw(some.binary(max_size=5)) if draw(some.integers(0, 9)) == 0 else draw(LETTERS).encode()
        return 2, varint(len(data)) + data
    if field.type in FIXED:
        code = FIXED[field.type]
        value = draw(
            some.floats(width=64 if code == "<d" else 32) if code in "<d <f" else some.integers(0, 2**32 - 1)
        )
        return 1 if struct.calcsize(code) == 8 else 5, struct.pack(code, value)
    if field.type in SIGNED:
        size = SIGNED[field.type]
        return 1 if size == 8 else 5, draw(some.binary(min_size=size, max_size=size))
    return 0, varint(draw(some.one_of(some.integers(0, 3), some.integers(0, 2**64 - 1))))


def wire(draw: Any, kind: Descriptor, depth: int) -> bytes:
    """Bytes of a message: some of its fields, with values that may be odd."""
    if kind.full_name == "google.protobuf.Any" and draw(some.booleans()):
        name = draw(some.sampled_from(INNER))
        inner = (
            b"\x08\x01\xff"
            if name == "no.Such"
            else wire(draw, linked_protos().pool.FindMessageTypeByName(name), depth - 1)
        )
        return an_any_of(name, inner)
    out = b""
    if depth > 0:
        fields = list(kind.fields)
        for field in draw(some.lists(some.sampled_from(fields), max_size=4)) if fields else []:
            wire_type, data = payload(draw, field, depth)
            out += varint(field.number << 3 | wire_type) + data
    return out


def an_any_of(name: str, data: bytes) -> bytes:
    packed = message("google.protobuf.Any", type_url=f"type.googleapis.com/{name}", value=data)
    return bytes(packed.SerializeToString())


def type_of(name: str) -> Descriptor | None:
    try:
        return linked_protos().pool.FindMessageTypeByName(name)
    except KeyError:
        return None


def all_names() -> list[str]:
    return ["COLOUR_UNSPECIFIED", "RED", "CRIMSON", "NEGATIVE", "ONE", "TWO"]


EVERYTHING = FieldWalker(type_of)


def holds(leaves: list[tuple[str, str]], text: str) -> bool:
    return any(text.lower() in leaf.lower() for _, leaf in leaves)


def agrees(data: bytes, kind: Any, text: str) -> bool:
    """Whether looking at little finds what looking at everything finds; True also where nothing is left out."""
    prefilter = TextPrefilter(text, all_names())
    if not prefilter.usable or prefilter.matches_bytes(data):
        return True
    little = FieldWalker(type_of, prefilter)
    found = holds(little.fields(data, kind), text) if little.type_may_match(kind) else False
    return found == holds(EVERYTHING.fields(data, kind), text)


@settings(max_examples=600, deadline=None, derandomize=True)
@given(some.data())
def test_what_a_message_says_is_found(data: Any) -> None:
    chosen = data.draw(some.sampled_from([*KINDS, None]))
    kind = None if chosen is None else message_factory.GetMessageClass(descriptor(chosen))
    content = wire(data.draw, descriptor(chosen or "Scalars"), 3)
    leaves = EVERYTHING.fields(content, kind)
    texts = [data.draw(LETTERS)]
    for _, leaf in leaves[:20]:
        start = data.draw(some.integers(0, max(len(leaf) - 1, 0)))
        part = leaf[start : start + data.draw(some.integers(1, 6))]
        texts += [part, part.swapcase()]
    for text in texts:
        assert agrees(content, kind, text), (text, leaves)


@pytest.mark.parametrize(
    ("kind", "fields", "text"),
    [
        ("Scalars", {"f_int64": -12345}, "-123"),
        ("Scalars", {"f_double": float("inf")}, "inf"),
        ("Scalars", {"f_double": 1e300}, "1E+300"),
        ("Scalars", {"f_bool": True}, "tru"),
        ("Scalars", {"f_enum": 1}, "RED"),
        ("Scalars", {"f_enum": 77}, "77"),
        ("Scalars", {"f_bytes": b"\x00\x01\x02"}, "AAEC"),
        ("WellKnown", {"timestamp": {"seconds": 1_700_000_000}}, "2023-11"),
        ("WellKnown", {"timestamp": {"seconds": 10**15}}, "10000000"),
        ("WellKnown", {"duration": {"seconds": 90}}, "90s"),
        ("WellKnown", {"field_mask": {"paths": ["user_name", "b"]}}, "userName"),
        ("WellKnown", {"field_mask": {"paths": ["user_name", "b"]}}, "name,b"),
        ("WellKnown", {"struct": {"a": 5}}, "5"),
        ("WellKnown", {"struct": {"a": None}}, "null"),
    ],
)
def test_what_reads_otherwise_than_it_is_written_is_found(
    kind: str, fields: dict[str, Any], text: str
) -> None:
    made = message(kind, **fields)
    data = made.SerializeToString()
    prefilter = TextPrefilter(text, all_names())
    little = FieldWalker(type_of, prefilter)
    assert prefilter.matches_bytes(data) or holds(little.fields(data, type(made)), text)
    packed = an_any(made).SerializeToString()
    whole = message_factory.GetMessageClass(descriptor("google.protobuf.Any"))
    assert prefilter.matches_bytes(packed) or holds(little.fields(packed, whole), text)


def test_text_that_is_none_is_found_as_the_bytes_that_it_is() -> None:
    """proto2 lets it pass; proto3 refuses the message."""
    kind = message_factory.GetMessageClass(descriptor("older.Base"))
    data = b"\x0a\x02\xff\xfe"
    assert ("id", "//4=") in EVERYTHING.fields(data, kind)
    assert agrees(data, kind, "//4")


def test_of_a_letter_whose_lower_case_depends_on_its_neighbours_nothing_is_said() -> None:
    capital, last = "A\u03a3", "a\u03c2"
    tree = message("Tree", name=capital, left=message("Tree", name="z"))
    assert holds(EVERYTHING.fields(tree.SerializeToString(), type(tree)), last)
    assert not TextPrefilter(last).usable


def test_a_message_that_cannot_say_it_is_not_even_parsed() -> None:
    """What makes a search through many messages fast."""
    for kind in ("Scalars", "WellKnown", "Tree", "older.Base"):
        made = message_factory.GetMessageClass(descriptor(kind))
        assert not FieldWalker(type_of, TextPrefilter("nothing-like-it", all_names())).type_may_match(made)
    assert not FieldWalker(type_of, TextPrefilter("nothing-like-it")).type_may_match(None)
    assert FieldWalker(type_of, TextPrefilter("12")).type_may_match(None)


def test_numbers_are_not_taken_for_truths() -> None:
    """In Python 1 is equal to True."""
    made = message(
        "WellKnown", w_int32={"value": 1}, struct={"one": 1, "yes": True, "none": None, "half": 0.5}
    )
    assert sorted(EVERYTHING.fields(made.SerializeToString(), type(made))) == [
        ("struct.half", "0.5"),
        ("struct.none", "null"),
        ("struct.one", "1"),
        ("struct.yes", "true"),
        ("w_int32", "1"),
    ]
