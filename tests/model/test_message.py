from loom.model import Direction, Message, Messages


def filled(count: int) -> Messages:
    messages = Messages()
    for index in range(count):
        messages.append(Message(index, Direction.REQUEST, index, 1, b"x"))
    return messages


def indices(messages: Messages) -> list[int]:
    return [message.index for message in messages]


def test_whole_while_nothing_is_dropped():
    messages = filled(5)
    assert indices(messages) == [0, 1, 2, 3, 4]
    assert [message.index for message in messages.page(3, 10)] == [3, 4]
    assert messages.get(4).index == 4
    assert messages.get(5) is None
    assert not messages.gap()


def test_the_middle_goes_first_and_indices_stay():
    messages = filled(100)
    dropped = [messages.drop_oldest().index for _ in range(10)]
    assert dropped == list(range(64, 74))
    assert messages.gap() == range(64, 74)
    assert len(messages) == 90
    assert messages.get(63).index == 63
    assert messages.get(64) is None
    assert messages.get(73) is None
    assert messages.get(74).index == 74
    assert messages.get(99).index == 99
    assert [message.index for message in messages.page(62, 4)] == [62, 63, 74, 75]
    assert indices(messages) == [*range(64), *range(74, 100)]


def test_the_first_ones_are_never_dropped():
    messages = filled(Messages.HEAD)
    assert messages.drop_oldest() is None
    assert len(messages) == Messages.HEAD


def test_a_long_stream_keeps_its_indices_through_compaction():
    messages = Messages()
    for index in range(20_000):
        messages.append(Message(index, Direction.RESPONSE, index, 1, b"x"))
        if len(messages) > 500:
            messages.drop_oldest()
    assert len(messages) == 500
    assert indices(messages)[:64] == list(range(64))
    assert indices(messages)[64:] == list(range(20_000 - 436, 20_000))
    for index in (0, 63, 19_999, 20_000 - 436):
        assert messages.get(index).index == index
    assert messages.get(20_000 - 437) is None
    assert len(messages._items) < 2_500
