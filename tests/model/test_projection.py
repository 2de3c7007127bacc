"""Events are projected to calls, and calls back to events."""

from collections.abc import Iterator

import pytest

from loom.model import (
    Call,
    CallEnded,
    CallStarted,
    CallState,
    EndedBy,
    Event,
    Kind,
    KindDeclared,
    MessageSeen,
    Status,
    StatusCode,
)
from loom.model.projection import (
    INTERRUPTED,
    Projection,
    apply_events,
    end_interrupted,
    events_of,
    new_call,
    project,
)
from tests.support.recorded_calls import crowded_stream, same, trimmed_stream
from tests.support.traffic import DOWN, UP, began, ended, message, recorded, unary


def calls() -> Iterator[Call]:
    yield from recorded(*unary(1), *unary(2, b"", b""), *began(3))
    yield from recorded(*began(4), message(4, UP, bytes(range(256))), *ended(4, Status(5, "no ✗", b"\x00d")))
    yield from recorded(*began(5), *ended(5, Status(99, ""), EndedBy.CLIENT))
    call = recorded(*unary(6))[0]
    call.declared_kind, call.replay_of = Kind.BIDI, 1
    yield call
    yield trimmed_stream()
    yield crowded_stream()


@pytest.mark.parametrize("call", list(calls()), ids=lambda call: str(call.id))
def test_the_inverse_gives_the_events_of_the_same_call(call: Call) -> None:
    [projected] = project(events_of(call))
    assert (projected.request_messages, projected.response_messages) == (
        call.request_messages,
        call.response_messages,
    )
    assert (projected.request_bytes, projected.response_bytes) == (call.request_bytes, call.response_bytes)
    assert projected.half_closed_after == call.half_closed_after
    if not call.messages.gap():
        assert same(projected, call)
    else:
        present = [message for message in call.messages if message.data is not None]
        assert [message for message in projected.messages if message.data is not None] == present


def test_the_inverse_renumbers() -> None:
    call = recorded(*unary(1))[0]
    call.replay_of = 7
    assert {event.call_id for event in events_of(call, 5, 3)} == {5}
    [projected] = project(events_of(call, 5, 3))
    assert (projected.id, projected.replay_of) == (5, 3)
    [projected] = project(events_of(call))
    assert (projected.id, projected.replay_of) == (1, 7)


def test_a_message_past_the_limit_keeps_its_size() -> None:
    call = new_call(CallStarted(1, 1, "/a.B/C"))
    cost = apply_events(call, [message(1, UP, b"x" * 100)], 100)
    assert apply_events(call, [message(1, DOWN, b"x" * 101)], 100) == cost - 100
    assert [(item.size, item.data is None) for item in call.messages] == [(100, False), (101, True)]
    assert (call.dropped_messages, call.dropped_bytes) == (1, 101)
    assert (call.request_bytes, call.response_bytes) == (100, 101)


def test_a_call_comes_when_it_ends_and_the_others_last() -> None:
    events = [*began(2), *began(1), *unary(3), *ended(2)]
    assert [call.id for call in project(events)] == [3, 2, 1]


def test_events_of_a_call_that_never_started_or_has_ended_are_passed_over() -> None:
    projection = Projection()
    assert projection.apply(message(1, UP, b"x")) is None
    [call] = [call for event in unary(2) if (call := projection.apply(event)) is not None]
    assert projection.apply(message(2, UP, b"x")) is None
    assert call.request_messages == 1
    assert projection.live_calls() == []


def test_a_kind_of_its_own_precedes_that_of_the_method() -> None:
    method = "/acme.shop.v1.Shop/GetOrder"
    events: list[Event | KindDeclared] = [*unary(1), *unary(2), *unary(3)]
    events[-1:-1] = [KindDeclared(3, 1, None)]
    events[len(unary(1)) - 1 : len(unary(1)) - 1] = [KindDeclared(1, 1, Kind.BIDI)]
    kinds = [call.declared_kind for call in project(events, {method: Kind.UNARY})]
    assert kinds == [Kind.BIDI, Kind.UNARY, None]


def test_an_interrupted_call_ends_with_its_last_event() -> None:
    call = recorded(*began(1), message(1, UP, b"x", 100), message(1, DOWN, b"x", 300))[0]
    end_interrupted(call)
    assert call.state is CallState.ENDED
    assert call.ended_ns == call.last_response_ns
    assert (call.status, call.ended_by) == (Status(StatusCode.UNKNOWN, INTERRUPTED), EndedBy.LOOM)
    done = recorded(*unary(2))[0]
    before = done.ended_ns
    assert end_interrupted(done).ended_ns == before


def test_the_inverse_of_a_gap_has_the_sums() -> None:
    call = trimmed_stream()
    messages = [event for event in events_of(call) if isinstance(event, MessageSeen)]
    dropped = [event for event in messages if event.lost is not None]
    assert len(messages) == call.response_messages
    assert len(dropped) == call.dropped_messages == len(call.messages.gap())
    assert sum(event.lost or 0 for event in dropped) == call.dropped_bytes
    assert isinstance(list(events_of(call))[-1], CallEnded)
