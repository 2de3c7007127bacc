"""Without a schema: numbers, wire types, and every guess that fits."""

import base64
import struct

import pytest

from loom.api.messages import Node
from loom.codec import wire_view
from loom.codec.node import Budget
from tests.support.protos import message


def only(data: bytes) -> Node:
    [child] = wire_view(data).children
    return child


def test_varints_may_be_signed_zigzag_or_booleans() -> None:
    assert only(b"\x08\x01") == Node(
        key="1", number=1, kind="scalar", type="varint", value="1", note="bool true"
    )
    assert only(b"\x08\x96\x01").note == "sint 75"
    assert "int64 -1" in only(b"\x08" + b"\xff" * 9 + b"\x01").note


def test_fixed_numbers_may_be_floats_or_signed() -> None:
    assert only(b"\x0d" + struct.pack("<f", 1.1)).note == "float 1.1"
    assert only(b"\x09" + struct.pack("<d", -2.5)).note.startswith("double -2.5, signed ")


def test_text_is_text_and_says_what_else_it_could_be() -> None:
    node = only(b"\x12\x05hello")
    assert (node.type, node.value) == ("len: string", "hello")
    assert "could be bytes" in node.note


def test_text_that_is_also_a_message_says_so() -> None:
    assert "message" in only(b"\x0a\x02(A").note  # "(A" is field 5 = 65 as well


def test_nested_messages() -> None:
    node = only(b"\x1a\x04\x08\x01\x12\x00")
    assert node.type == "len: message"
    assert [child.key for child in node.children] == ["1", "2"]
    assert "could be bytes" in node.note


def test_packed_numbers_are_named() -> None:
    assert "packed varints [1, 300, 2]" in only(b"\x22\x04\x01\xac\x02\x02").note
    assert "packed floats [1.0, 2.5]" in only(b"\x22\x08" + struct.pack("<2f", 1, 2.5)).note


def test_bytes_that_are_nothing_else() -> None:
    node = only(b"\x0a\x03\xff\xfe\x80")
    assert node.kind == "bytes"
    assert base64.b64decode(node.value) == b"\xff\xfe\x80"


def test_groups() -> None:
    node = only(b"\x0b\x10\x01\x13\x14\x0c")
    assert (node.type, [child.key for child in node.children]) == ("group", ["2", "2"])


@pytest.mark.parametrize(
    "data",
    [
        b"\x08",
        b"\x0a\x05abc",
        b"\x00\x01",
        b"\x0f\x01",
        b"\x08" + b"\xff" * 11,
        b"\x0b\x08\x01",
        b"\x0c",
        b"\x0d\x01",
    ],
    ids=[
        "no value",
        "short",
        "field 0",
        "wire type 7",
        "long varint",
        "open group",
        "stray end",
        "short fixed",
    ],
)
def test_bytes_that_are_not_a_message_have_the_reason(data: bytes) -> None:
    view = wire_view(data)
    assert view.kind == "bytes"
    assert view.note.startswith("not a protobuf message: ")


def test_an_empty_message_is_a_message() -> None:
    assert wire_view(b"").kind == "message"


def nested(levels: int, data: bytes = b"") -> bytes:
    for _ in range(levels):
        data = b"\x0a" + varint(len(data)) + data
    return data


def varint(value: int) -> bytes:
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    return bytes([*out, value])


def nodes(node: Node) -> int:
    return 1 + sum(map(nodes, node.children))


def test_nesting_is_limited() -> None:
    view = wire_view(nested(5000, b"\x08\x01"))
    assert nodes(view) < 50


def test_nested_groups_are_limited() -> None:
    assert wire_view(b"\x0b" * 100_000).kind == "bytes"


def test_a_very_large_message_shows_its_beginning_and_counts_the_rest() -> None:
    view = wire_view(b"\x08\x01" * 500_000)
    assert len(view.children) == 2000
    assert view.more
    assert "only the first" in view.note


def test_the_cost_of_hostile_bytes_is_bounded() -> None:
    budget = Budget(2000, 20_000)
    view = wire_view(nested(30, b"\x08\x01" * 30_000), budget)
    assert budget.steps >= 0
    assert nodes(view) <= 2001


def test_when_the_budget_is_used_up_the_bytes_are_shown_as_they_are() -> None:
    view = wire_view(b"\x0a\x04\x08\x01\x10\x02", Budget(100, 1))
    assert view.children[0].kind == "bytes"
    assert "not parsed any further" in view.children[0].note


def test_every_field_of_a_real_message_is_there() -> None:
    data = message("Scalars", f_int32=1, f_string="é", f_double=1.5, f_bytes=b"\xff").SerializeToString()
    assert sorted(int(child.key) for child in wire_view(data).children) == [1, 3, 14, 15]
