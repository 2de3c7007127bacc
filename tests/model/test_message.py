import pytest

from loom.model import Direction, Message, Messages
from loom.model.message import HEAD
from tests.support.narrowing import required


def filled(count: int) -> Messages:
    messages = Messages()
    for index in range(count):
        messages.append(Message(index, Direction.REQUEST, index, 1, b"x"))
    return messages


def indices(messages: Messages) -> list[int]:
    return [message.index for message in messages]


def test_whole_while_nothing_is_dropped() -> None:
    messages = filled(5)
    assert indices(messages) == [0, 1, 2, 3, 4]
    assert [message.index for message in messages.page(3, 10)] == [3, 4]
    assert required(messages.get(4)).index == 4
    assert messages.get(5) is None
    assert not messages.gap()


def test_the_middle_goes_first_and_indices_stay() -> None:
    messages = filled(100)
    dropped = [required(messages.drop()).index for _ in range(10)]
    assert dropped == list(range(64, 74))
    assert messages.gap() == range(64, 74)
    assert len(messages) == 90
    assert required(messages.get(63)).index == 63
    assert messages.get(64) is None
    assert messages.get(73) is None
    assert required(messages.get(74)).index == 74
    assert required(messages.get(99)).index == 99
    assert [message.index for message in messages.page(62, 4)] == [62, 63, 74, 75]
    assert indices(messages) == [*range(64), *range(74, 100)]


def test_the_head_goes_last_and_the_newest_stays() -> None:
    messages = filled(HEAD + 2)
    dropped = [required(messages.drop()).index for _ in range(HEAD)]
    assert dropped == [HEAD, *range(HEAD - 1, 0, -1)]
    assert indices(messages) == [0, HEAD + 1]
    assert messages.gap() == range(1, HEAD + 1)
    assert [required(messages.drop()).index for _ in range(2)] == [0, HEAD + 1]
    assert messages.drop() is None
    assert len(messages) == 0
    assert messages.gap() == range(HEAD + 2)


@pytest.mark.parametrize("count", [1, 2, 5, HEAD, HEAD + 1, 300])
def test_there_is_one_gap_however_often_messages_are_dropped_and_added(count: int) -> None:
    messages = filled(count)
    size = count
    for turn in range(500):
        for _ in range(turn % 4):
            messages.append(Message(size, Direction.REQUEST, size, 1, b"x"))
            size += 1
        dropped = [messages.drop() for _ in range(turn % 3 + 1)]
        present = indices(messages)
        gap = messages.gap()
        assert present == [index for index in range(size) if index not in gap]
        assert [message.index for message in messages.page(0, size + 1)] == present
        assert all((messages.get(index) is None) == (index in gap) for index in range(size))
        assert len(messages) == len(present)
        assert None not in dropped or not present
        assert messages.has_middle == (len([index for index in present if index >= gap.start]) > 1)


def test_a_long_stream_keeps_its_indices_through_compaction() -> None:
    messages = Messages()
    for index in range(20_000):
        messages.append(Message(index, Direction.RESPONSE, index, 1, b"x"))
        if len(messages) > 500:
            messages.drop()
    assert len(messages) == 500
    assert indices(messages)[:64] == list(range(64))
    assert indices(messages)[64:] == list(range(20_000 - 436, 20_000))
    for index in (0, 63, 19_999, 20_000 - 436):
        assert required(messages.get(index)).index == index
    assert messages.get(20_000 - 437) is None
    assert len(messages._items) < 2_500
