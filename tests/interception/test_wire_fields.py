"""Messages split into fields and put together again."""

import pytest
from google.protobuf.descriptor_pool import DescriptorPool
from hypothesis import given
from hypothesis import strategies as st

from loom.codec.wire_parser import SGROUP, VARINT, WireFormatError
from loom.interception.wire_fields import encode_varint, join_fields, make_field, split_fields
from tests.support.schemas import message_class


def test_fields_keep_their_bytes(pool: DescriptorPool) -> None:
    data = message_class(pool, "acme.shop.Item")(
        name="x", count=5, tags={"a": 1}, price=1.5
    ).SerializeToString()
    fields = split_fields(data)
    assert [field.number for field in fields] == [1, 2, 4, 11]
    assert join_fields(fields) == data


def test_a_varint_that_is_longer_than_needed_stays_so() -> None:
    data = b"\x08\x85\x80\x00"
    [field] = split_fields(data)
    assert (field.kind, field.payload) == (VARINT, b"\x85\x80\x00")
    assert join_fields([field]) == data


def test_a_group_is_one_field() -> None:
    inner = make_field(1, VARINT, encode_varint(7)).raw
    group = make_field(3, SGROUP, inner)
    nested = make_field(3, SGROUP, group.raw)
    assert split_fields(group.raw) == [group]
    [field] = split_fields(nested.raw)
    assert field.payload == group.raw


@pytest.mark.parametrize(
    "data", [b"\x0a\x05ab", b"\x00", b"\x0b\x08\x01", b"\x09\x00", b"\x08", b"\xff" * 11]
)
def test_what_is_not_a_message_is_refused(data: bytes) -> None:
    with pytest.raises(WireFormatError):
        split_fields(data)


@given(st.binary(max_size=60))
def test_any_bytes_are_refused_or_come_back(data: bytes) -> None:
    try:
        fields = split_fields(data)
    except WireFormatError:
        return
    assert join_fields(fields) == data
