"""Messages split into records and put together again."""

import pytest
from google.protobuf.descriptor_pb2 import FieldDescriptorProto
from hypothesis import given
from hypothesis import strategies as st

from loom.codec.wire_parser import SGROUP, VARINT, WireFormatError, encode_varint
from loom.codec.wire_records import join_records, make_record, split_records


def test_records_keep_their_bytes() -> None:
    data = FieldDescriptorProto(name="x", number=5, type_name="a.B", json_name="y").SerializeToString()
    records = split_records(data)
    assert [record.number for record in records] == [1, 3, 6, 10]
    assert join_records(records) == data


def test_a_varint_that_is_longer_than_needed_stays_so() -> None:
    data = b"\x08\x85\x80\x00"
    [record] = split_records(data)
    assert (record.wire_type, record.payload) == (VARINT, b"\x85\x80\x00")
    assert join_records([record]) == data


def test_a_group_is_one_record() -> None:
    inner = join_records([make_record(1, VARINT, encode_varint(7))])
    group = make_record(3, SGROUP, inner)
    nested = make_record(3, SGROUP, join_records([group]))
    assert split_records(join_records([group])) == [group]
    [record] = split_records(join_records([nested]))
    assert record.payload == join_records([group])


@pytest.mark.parametrize(
    "data", [b"\x0a\x05ab", b"\x00", b"\x0b\x08\x01", b"\x09\x00", b"\x08", b"\xff" * 11]
)
def test_what_is_not_a_message_is_refused(data: bytes) -> None:
    with pytest.raises(WireFormatError):
        split_records(data)


@given(st.binary(max_size=60))
def test_any_bytes_are_refused_or_come_back(data: bytes) -> None:
    try:
        records = split_records(data)
    except WireFormatError:
        return
    assert join_records(records) == data
