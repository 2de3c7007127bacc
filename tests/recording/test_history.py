import pytest

from loom.model import Call, Direction, Message, Messages, Status
from loom.recording.history import CALL_COST, MESSAGE_COST, History


def add(history: History, call_id: int, *, live: bool = False) -> Call:
    call = Call(call_id, "/a.B/C", call_id)
    history.add(call)
    if not live:
        end(history, call)
    return call


def end(history: History, call: Call) -> None:
    call.ended_ns = call.started_ns + 1
    call.status = Status(0)
    history.ended(call)


def message(call: Call, size: int) -> Message:
    index = call.request_messages
    call.request_messages += 1
    return Message(index, Direction.REQUEST, index, size, b"x" * size)


def keep(history: History, call: Call, message: Message) -> None:
    history.grew(call, history.keep(call, message))


def ids(history: History) -> list[int]:
    return [call.id for call in history]


def room_for(calls: int) -> History:
    history = History()
    history.budget = calls * (CALL_COST + len("/a.B/C"))
    return history


def test_the_oldest_goes_first_and_is_counted():
    history = room_for(3)
    for call_id in range(1, 6):
        add(history, call_id)
    assert ids(history) == [3, 4, 5]
    assert history.evicted == 2
    assert history.oldest_id == 3
    assert history.get(2) is None
    assert history.bytes <= history.budget


def test_a_live_call_is_passed_over_and_goes_when_it_has_ended():
    history = room_for(3)
    live = add(history, 1, live=True)
    for call_id in range(2, 6):
        add(history, call_id)
    assert ids(history) == [1, 4, 5]
    assert history.oldest_id == 4
    end(history, live)
    assert history.oldest_id == 1
    add(history, 6)
    assert ids(history) == [4, 5, 6]


def test_a_stream_over_its_share_loses_its_middle_only():
    history = History(budget=1 << 20)
    other = add(history, 1)
    call = add(history, 2, live=True)
    for _ in range(2000):
        keep(history, call, message(call, 1000))
    assert history.get(1) is other
    assert call.messages.get(0) is not None
    assert call.messages.get(1999) is not None
    assert len(call.messages) + call.dropped_messages == 2000
    assert call.dropped_bytes == call.dropped_messages * 1000 == history.dropped_bytes
    assert history.bytes <= history.budget


def test_one_message_over_the_share_keeps_its_size():
    history = History(budget=1 << 20)
    call = add(history, 1, live=True)
    keep(history, call, message(call, 1 << 19))
    held = call.messages.get(0)
    assert held.data is None
    assert held.size == 1 << 19
    assert (call.dropped_messages, call.dropped_bytes) == (1, 1 << 19)


def test_many_live_streams_share_the_budget():
    history = History(budget=1 << 20)
    calls = [add(history, call_id, live=True) for call_id in range(1, 9)]
    for _ in range(400):
        for call in calls:
            keep(history, call, message(call, 1000))
    assert history.bytes <= history.budget
    assert len(history) == 8
    assert history.dropped_messages > 0


def test_clear_keeps_what_is_in_flight():
    history = room_for(10)
    add(history, 1)
    live = add(history, 2, live=True)
    assert history.clear() == 1
    assert ids(history) == [2]
    end(history, live)
    assert history.clear() == 1
    assert history.bytes == 0
    assert history.oldest_id == 3


def test_growth_of_a_cleared_call_is_not_counted():
    history = room_for(10)
    call = add(history, 1)
    history.clear()
    history.grew(call, 100)
    assert history.bytes == 0


def test_pages():
    history = room_for(100)
    for call_id in range(1, 11):
        add(history, call_id)
    assert [call.id for call in history.newest(3)] == [8, 9, 10]
    assert [call.id for call in history.newest(3, before=8)] == [5, 6, 7]
    assert [call.id for call in history.after(8, 10)] == [9, 10]


def test_replays_are_found_by_their_parent():
    history = room_for(100)
    add(history, 1)
    history.add(Call(2, "/a.B/C", 2, replay_of=1))
    assert history.replays_of(1) == [2]


@pytest.mark.parametrize("held_live", [0, 50])
def test_evicting_stays_cheap_in_steps_not_time(held_live):
    """Each eviction looks at a bounded number of calls: counted, not timed."""
    history = room_for(1000)
    for call_id in range(1, held_live + 1):
        add(history, call_id, live=True)
    looked = 0
    original = history._next_to_go

    def counting():
        nonlocal looked
        looked += 1 + len(history._passed - before)
        return original()

    before: set[int] = set(history._passed)
    history._next_to_go = counting
    for call_id in range(held_live + 1, 5000):
        add(history, call_id)
        before = set(history._passed)
    assert history.evicted >= 3900
    assert looked <= history.evicted + held_live + 10


def test_cost_of_a_message_covers_its_bytes():
    history = History()
    call = add(history, 1, live=True)
    before = history.bytes
    keep(history, call, message(call, 10))
    assert history.bytes - before == MESSAGE_COST + 10
    assert isinstance(call.messages, Messages)
