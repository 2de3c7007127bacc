"""Large messages are stored once per batch, without being copied, and decode as they were."""

from collections.abc import Sequence
from pathlib import Path

import msgspec
import pytest

from loom.model import Direction, Event, MessageSeen
from loom.sessions import SessionWriter, session_path
from loom.sessions.batch import DEFAULT_LARGE_MESSAGE, LARGE_SEARCH_GROUPS, Batch, new_compressor
from loom.sessions.event_codec import unpack
from tests.support.traffic import DOWN, UP, began, dense, ended, message, unary


def data_of(event: object) -> bytes:
    """The data of a message's event."""
    assert isinstance(event, MessageSeen)
    return event.data


def encoded(*groups: Sequence[Sequence[Event]]) -> Batch:
    """A batch of these groups; asserts that its stored form decodes to them."""
    batch = Batch()
    for group in groups:
        assert batch.add(group)
    events = [event for group in groups for part in group for event in part]
    assert unpack(batch.compress(new_compressor())) == events
    return batch


@pytest.mark.parametrize("size", [0, DEFAULT_LARGE_MESSAGE, DEFAULT_LARGE_MESSAGE + 1, 65_535, 65_536])
@pytest.mark.parametrize("calls", [1, 3, 15, 16, 17])
def test_large_messages_are_encoded_once(size: int, calls: int) -> None:
    parts = [
        [*began(number), message(number, UP, dense(size)), message(number, UP, b""), *ended(number)]
        for number in range(1, calls + 1)
    ]
    batch = encoded(parts)
    once = msgspec.msgpack.encode(
        [[*part[:2], message(part[0].call_id, UP, b""), *part[3:]] for part in parts]
    )
    # The bytes of a message that repeats are there once; the others say in at most six bytes which they are.
    assert batch.size <= len(once) + (
        size + 6 * calls if size > DEFAULT_LARGE_MESSAGE else (size + 6) * calls
    )


@pytest.mark.parametrize("call_id", [0xC4, 0xC400, 0xC4_0000, 0xC400C400])
def test_the_encoding_of_empty_bytes_may_occur_ahead_of_the_data(call_id: int) -> None:
    event = MessageSeen(
        call_id,
        0xC400_C400_C400,
        Direction.REQUEST,
        b"\xc4\0" * DEFAULT_LARGE_MESSAGE,
        True,
        "\u0100\0\xc4\0",
    )
    encoded([[event]])


def test_a_batch_decodes_to_its_events() -> None:
    large = [*began(1), message(1, UP, dense(100_000)), *ended(1)]
    batch = encoded([large], [unary(number) for number in range(2, 40)])
    assert (batch.started, batch.ended, batch.ids) == (39, 39, (1, 39))


def test_large_messages_of_one_size_are_distinguished() -> None:
    one, other = b"1" * 20_000, b"2" * 20_000
    many = [one, one, other, other, one, other, b"3" * 20_001, other, one]
    encoded(*([[message(number, DOWN, data)]] for number, data in enumerate(many)))
    encoded([[message(number, DOWN, data)] for number, data in enumerate(many)])
    encoded([[message(1, DOWN, data) for data in many]])


def test_large_messages_are_noticed_after_many_small_ones() -> None:
    small = [[unary(number)] for number in range(1, LARGE_SEARCH_GROUPS + 2)]
    large = [[message(1, UP, dense(2 * DEFAULT_LARGE_MESSAGE))]]
    batch = encoded(*small, large, *small, large, large)
    assert batch.size < len(msgspec.msgpack.encode([*small, large, *small])) + 200


def test_a_large_message_that_cannot_be_encoded_is_not_referred_to() -> None:
    data = dense(20_000)
    lost = MessageSeen(1, 1, UP, data, True, "\udcff")
    batch = Batch()
    for part in ([message(1, UP, data[::-1])], [lost], [message(1, UP, data)], [message(1, UP, data)]):
        assert batch.add([part])
    assert [data_of(event) for event in unpack(batch.compress(new_compressor()))] == [data[::-1], data, data]


def test_a_large_message_that_does_not_fit_is_not_referred_to() -> None:
    batch = Batch(limit=45_000)
    assert batch.add([[message(1, UP, b"1" * 20_000)]])
    assert not batch.add([[message(1, UP, b"2" * 20_000), message(1, UP, b"2" * 30_000)]])
    assert batch.add([[message(1, UP, b"2" * 20_000)]])
    assert [data_of(event)[:1] for event in unpack(batch.compress(new_compressor()))] == [b"1", b"2"]


def test_a_batch_refuses_more_than_its_limit() -> None:
    batch = Batch(limit=1000)
    assert not batch.add([[message(1, UP, dense(2000))]])
    assert batch.size == 0
    assert batch.add([unary(1)])


def test_large_and_small_messages_come_back_from_a_session_in_their_order(tmp_path: Path) -> None:
    writer = SessionWriter(session_path("default", tmp_path))
    writer.open()
    sent = [
        dense(size + number) if number % 7 else b"same" * 5000
        for number, size in enumerate([9, 40_000] * 100)
    ]
    for event in began(1):
        writer.emit(event)
    for data in sent:
        writer.emit(message(1, DOWN, data))
    assert writer.flush(20)
    [call] = writer.restore(1)
    assert [held.data for held in call.messages] == sent
    writer.close()


def test_changed_bytes_fail_the_checksum() -> None:
    batch = Batch()
    batch.add([[*began(1), message(1, UP, dense(100_000)), *ended(1)]])
    row = batch.compress(new_compressor())
    assert data_of(unpack(row)[2]) == dense(100_000)
    changed = row[:50_000] + bytes(4) + row[50_004:]
    with pytest.raises(msgspec.DecodeError, match="checksum"):
        unpack(changed)
