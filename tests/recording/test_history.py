import gc
import logging
import sys
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import pytest

from loom.model import (
    Call,
    CallEnded,
    CallStarted,
    Direction,
    Event,
    MessageSeen,
    MetadataSeen,
    Section,
    Status,
)
from loom.model.memory import CALL_COST, MESSAGE_COST, METADATA_ITEM_COST
from loom.model.message import HEAD
from loom.recording.history import History
from loom.recording.recorder import Recorder

METHOD = "/a.B/C"
COST = CALL_COST + len(METHOD)


def start(history: History, call_id: int) -> Call:
    call = Call(call_id, METHOD, call_id)
    history.add(call)
    return call


def end(history: History, call: Call) -> None:
    history.update(call, [CallEnded(call.id, call.id + 1, Status(0))])


def add(history: History, call_id: int) -> Call:
    call = start(history, call_id)
    end(history, call)
    return call


def send(history: History, call: Call, size: int) -> None:
    history.update(call, [MessageSeen(call.id, call.id, Direction.REQUEST, b"x" * size)])


def ids(history: History) -> list[int]:
    return [call.id for call in history]


def room_for(calls: int) -> History:
    history = History()
    history.budget = calls * COST
    return history


def indices(call: Call) -> list[int]:
    return [message.index for message in call.messages]


def assert_counted(history: History) -> None:
    """The counters agree with the calls in memory."""
    calls = list(history)
    assert history.bytes == sum(
        COST + sum(MESSAGE_COST + len(message.data or b"") for message in call.messages) for call in calls
    )
    for call in calls:
        assert len(call.messages) + len(call.messages.gap()) == call.request_messages
        present = [message for message in call.messages if message.data is not None]
        assert len(present) + call.dropped_messages == call.request_messages
        assert sum(message.size for message in present) + call.dropped_bytes == call.request_bytes


def test_the_oldest_is_evicted_first_and_counted() -> None:
    history = room_for(3)
    for call_id in range(1, 6):
        add(history, call_id)
    assert ids(history) == [3, 4, 5]
    assert history.evicted == 2
    assert history.oldest_id == history.complete_from == 3
    assert history.get(2) is None
    assert history.bytes <= history.budget


def test_a_live_call_is_evicted_only_when_it_has_ended() -> None:
    history = room_for(3)
    live = start(history, 1)
    for call_id in range(2, 6):
        add(history, call_id)
    assert ids(history) == [1, 4, 5]
    assert history.oldest_id == 4
    end(history, live)
    assert history.oldest_id == 1
    add(history, 6)
    assert ids(history) == [4, 5, 6]
    assert history.evicted_live == 0


def test_calls_that_end_out_of_order_are_evicted_in_order() -> None:
    history = room_for(6)
    calls = [start(history, call_id) for call_id in range(1, 7)]
    for number in (4, 2, 5, 1, 6, 3):
        end(history, calls[number - 1])
    for call_id in range(7, 13):
        add(history, call_id)
        assert ids(history) == list(range(call_id - 5, call_id + 1))
        assert history.oldest_id == history.complete_from == call_id - 5


def test_memory_is_complete_from_the_first_call_while_nothing_was_evicted() -> None:
    history = room_for(4)
    assert history.complete_from == 1
    live = start(history, 5)  # the first of this run
    add(history, 6)
    add(history, 7)
    assert (history.complete_from, history.oldest_id) == (5, 6)
    add(history, 8)
    add(history, 9)
    assert ids(history) == [5, 7, 8, 9]
    assert history.complete_from == 7
    end(history, live)
    assert (history.complete_from, history.oldest_id) == (7, 5)
    history.clear()
    assert history.complete_from == 10


def test_a_stream_over_its_share_loses_its_middle_only() -> None:
    history = History(budget=1 << 20)
    other = add(history, 1)
    call = start(history, 2)
    for _ in range(2000):
        send(history, call, 1000)
    assert history.get(1) is other
    assert call.messages.get(0) is not None
    assert call.messages.get(1999) is not None
    assert len(call.messages) + call.dropped_messages == 2000
    assert call.dropped_bytes == call.dropped_messages * 1000 == history.dropped_bytes
    assert history.bytes <= history.budget
    assert_counted(history)


def test_a_stream_of_large_messages_keeps_its_first_and_its_newest() -> None:
    history = History(budget=1 << 20)
    call = start(history, 1)
    for _ in range(200):
        send(history, call, 50_000)
        assert history.bytes <= history.call_budget
    assert indices(call) == [0, 1, 2, 3, 199]
    assert_counted(history)


def test_one_message_over_the_share_keeps_its_size() -> None:
    history = History(budget=1 << 20)
    call = start(history, 1)
    send(history, call, 1 << 19)
    [message] = call.messages
    assert (message.data, message.size) == (None, 1 << 19)
    assert (call.dropped_messages, call.dropped_bytes) == (1, 1 << 19)
    assert (history.dropped_messages, history.dropped_bytes) == (1, 1 << 19)


def test_many_live_streams_share_the_budget() -> None:
    history = History(budget=1 << 20)
    calls = [start(history, call_id) for call_id in range(1, 9)]
    for _ in range(400):
        for call in calls:
            send(history, call, 1000)
    assert history.bytes <= history.budget
    assert len(history) == 8
    assert history.dropped_messages > 0
    assert {len(call.messages) for call in calls} <= {len(calls[0].messages) + more for more in (-1, 0, 1)}
    assert all(indices(call)[:HEAD] == list(range(HEAD)) for call in calls)
    assert_counted(history)


def test_the_budget_holds_where_live_calls_have_only_first_messages() -> None:
    history = History(budget=1 << 20)
    calls = [start(history, call_id) for call_id in range(1, 201)]
    for _ in range(10):
        for call in calls:
            send(history, call, 10_000)
            assert history.bytes <= history.budget
    assert len(history) == 200
    assert history.dropped_messages == sum(call.dropped_messages for call in calls)
    assert_counted(history)


def test_the_budget_holds_where_live_calls_have_no_messages(caplog: pytest.LogCaptureFixture) -> None:
    history = room_for(50)
    with caplog.at_level(logging.WARNING):
        for call_id in range(1, 201):
            start(history, call_id)
    assert ids(history) == list(range(151, 201))
    assert (history.evicted, history.evicted_live, history.live) == (150, 150, 50)
    assert history.bytes <= history.budget
    assert history.complete_from == 151
    assert [record.getMessage() for record in caplog.records] == [
        "calls in flight alone fill the history's budget: the oldest are no longer in memory"
    ]


def test_past_the_limit_of_live_calls_the_oldest_is_evicted_and_its_events_are_ignored() -> None:
    history = History(max_live=10)
    recorder = Recorder(history)
    for call_id in range(1, 13):
        recorder.emit(CallStarted(call_id, call_id, METHOD))
    assert list(history.in_flight) == ids(history) == list(range(3, 13))
    assert history.evicted_live == 2
    for call_id in (1, 2, 3):
        recorder.emit(CallEnded(call_id, 100, Status(0)))
    assert history.live == 9
    assert history.get(3) is not None
    assert recorder.failures == 0


def test_ended_calls_are_evicted_before_live_ones_lose_messages() -> None:
    history = room_for(10)
    live = start(history, 1)
    for call_id in range(2, 20):
        add(history, call_id)
    send(history, live, 4 * COST)
    assert indices(live) == [0]
    assert live.dropped_messages == 0
    assert len(history) < 7
    assert history.bytes <= history.budget


def test_clear_keeps_calls_in_flight() -> None:
    history = room_for(10)
    add(history, 1)
    live = start(history, 2)
    assert history.clear() == 1
    assert ids(history) == [2]
    end(history, live)
    assert history.clear() == 1
    assert history.bytes == 0
    assert history.oldest_id == 3


def test_growth_of_an_evicted_call_is_not_counted() -> None:
    history = room_for(10)
    call = add(history, 1)
    history.clear()
    send(history, call, 100)
    assert history.bytes == 0


def test_pages() -> None:
    history = room_for(100)
    for call_id in range(1, 11):
        add(history, call_id)
    assert [call.id for call in history.newest(3)] == [8, 9, 10]
    assert [call.id for call in history.newest(3, before=8)] == [5, 6, 7]
    assert [call.id for call in history.after(8, 10)] == [9, 10]


def test_replays_are_found_by_their_parent() -> None:
    history = room_for(100)
    add(history, 1)
    history.add(Call(2, METHOD, 2, replay_of=1))
    assert history.replays_of(1) == [2]


def test_a_message_and_metadata_are_counted_with_their_bytes() -> None:
    history = History()
    call = start(history, 1)
    before = history.bytes
    send(history, call, 10)
    assert history.bytes - before == MESSAGE_COST + 10
    history.update(call, [MetadataSeen(1, 1, Section.REQUEST, (("key", "value"),))])
    assert history.bytes - before == MESSAGE_COST + 10 + METADATA_ITEM_COST + 8


def steps(function: Callable[[], object]) -> int:
    """How many lines of Python and calls of built-in functions running it takes: work, counted instead of timed."""
    count = 0

    def trace(*_: object) -> Any:
        nonlocal count
        count += 1
        return trace

    def profile(_: object, event: str, __: object) -> None:
        nonlocal count
        count += event == "c_call"

    before, profiler = sys.gettrace(), sys.getprofile()
    gc.disable()  # others may have registered callbacks for it
    sys.settrace(trace)
    sys.setprofile(profile)
    try:
        function()
    finally:
        sys.settrace(before)
        sys.setprofile(profiler)
        gc.enable()
    return count


@pytest.mark.parametrize("per_call", [1, 100])
def test_an_event_takes_as_many_steps_with_many_live_calls_over_the_budget_as_with_few(per_call: int) -> None:
    def most_steps(open_calls: int) -> int:
        history = History(budget=open_calls * (COST + per_call * (MESSAGE_COST + 500)))
        history.call_budget = history.budget
        calls = [start(history, call_id) for call_id in range(1, open_calls + 1)]
        for _ in range(per_call + 1):
            for call in calls:
                send(history, call, 500)  # the last round is over the budget
        assert history.dropped_messages > 0
        each = [steps(partial(send, history, call, 500)) for call in calls[:30]]
        assert history.bytes <= history.budget
        return sum(each)

    few, many = most_steps(30), most_steps(3000)
    assert many <= few * 1.1


def test_evicting_takes_as_many_steps_beside_many_live_calls_as_beside_few() -> None:
    def all_steps(live_calls: int) -> int:
        history = room_for(live_calls + 100)
        for call_id in range(1, live_calls + 1):
            start(history, call_id)
        batches: Sequence[Sequence[Event]] = [
            [CallStarted(call_id, 1, METHOD), CallEnded(call_id, 2, Status(0))]
            for call_id in range(live_calls + 1, live_calls + 301)
        ]
        recorder = Recorder(history)
        taken = steps(lambda: recorder.emit_all(batches))
        assert (history.evicted, history.evicted_live) == (200, 0)
        return taken

    assert all_steps(3000) == all_steps(3)
