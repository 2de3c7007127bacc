"""Large messages are packed without being copied, and nobody can tell."""

import msgspec
import pytest
import zstandard

from loom.model import Direction, MessageSeen
from loom.recording.sessions.batch import _FEW, _LARGE, Batch, compressor, pack
from loom.recording.sessions.records import unpack
from tests.support.traffic import UP, began, dense, ended, message, unary


def packed(*calls):
    return b"".join(pack(calls))


def as_one(*calls):
    """What msgspec makes of them, without the array around it."""
    head = {range(1, 16): 1, range(16, 1 << 16): 3}
    size = next(size for lengths, size in head.items() if len(calls) in lengths)
    return msgspec.msgpack.encode(calls)[size:]


@pytest.mark.parametrize("size", [0, _LARGE, _LARGE + 1, 65_535, 65_536])
@pytest.mark.parametrize("calls", [1, 3, _FEW, _FEW + 1])
def test_large_messages_are_packed_as_small_ones_are(size, calls):
    events = [
        [*began(number), message(number, UP, dense(size)), message(number, UP, b""), *ended(number)]
        for number in range(1, calls + 1)
    ]
    assert packed(*events) == as_one(*events)


@pytest.mark.parametrize("call_id", [0xC4, 0xC400, 0xC4_0000, 0xC400C400])
def test_what_stands_for_no_bytes_may_occur_anywhere_before_them(call_id):
    event = MessageSeen(
        call_id, 0xC400_C400_C400, Direction.REQUEST, b"\xc4\0" * _LARGE, True, "\u0100\0\xc4\0"
    )
    assert packed([event]) == as_one([event])


def test_a_batch_comes_back_as_it_went_in():
    batch = Batch()
    large = [*began(1), message(1, UP, dense(100_000)), *ended(1)]
    assert batch.add([large])
    assert batch.add([unary(number) for number in range(2, 40)])
    assert (batch.started, batch.ended, batch.ids) == (39, 39, (1, 39))
    records = unpack(batch.row(compressor()))
    assert records == [*large, *(event for number in range(2, 40) for event in unary(number))]


def test_a_batch_takes_no_more_than_there_is_room_for():
    batch = Batch(limit=1000)
    assert not batch.add([[message(1, UP, dense(2000))]])
    assert len(batch) == 0
    assert batch.add([unary(1)])


def test_bytes_that_were_changed_are_not_taken_for_genuine():
    batch = Batch()
    batch.add([[*began(1), message(1, UP, dense(100_000)), *ended(1)]])
    row = batch.row(compressor())
    assert unpack(row)[2].data == dense(100_000)
    changed = row[:50_000] + bytes(4) + row[50_004:]
    with pytest.raises(msgspec.DecodeError, match="checksum"):
        unpack(changed)


def test_a_batch_of_an_earlier_loom_has_no_checksum_and_is_read():
    batch = Batch()
    batch.add([unary(1)])
    row = batch.row(zstandard.ZstdCompressor(level=1))
    assert [event.call_id for event in unpack(row)] == [1] * len(unary(1))
