"""Interceptions in events, calls and back."""

from collections.abc import Iterable

import pytest

from loom.model import (
    Call,
    CallEnded,
    CallStarted,
    EndedBy,
    Event,
    Intercepted,
    KindDeclared,
    MetadataSeen,
    Status,
    StatusCode,
)
from loom.model.interception import HELD, Action, ActionKind, Point, held_spans
from loom.model.projection import apply_events, events_of, new_call, project
from tests.support.traffic import altered

EDIT = Action(ActionKind.RULE, "empty cart", "set items[0].price")


def metadata_of(event: Event) -> object:
    assert isinstance(event, MetadataSeen | Intercepted)
    return event.metadata


def projected(events: Iterable[Event | KindDeclared]) -> Call:
    [call] = project(events)
    return call


def test_a_call_has_what_went_and_its_interceptions_what_came() -> None:
    call = projected(altered(1))
    assert call.request_metadata == metadata_of(altered(1)[2])
    assert [message.data for message in call.messages] == [b"request", b"went"]
    assert call.status == Status(StatusCode.NOT_FOUND, "gone")
    block, edited, dropped, status = call.interceptions
    assert (block.point, block.metadata) == (Point.REQUEST_METADATA, metadata_of(altered(1)[1]))
    assert (edited.data, edited.size, edited.position, edited.count) == (b"came", 4, 1, 1)
    assert (dropped.data, dropped.position, dropped.count) == (b"lost", 2, 0)
    assert status.status == Status(StatusCode.OK)
    assert edited.held_ns == 30_000
    assert call.modified
    assert call.acted == ((ActionKind.RULE, "empty cart"), (ActionKind.FAULT, "flaky"))


def test_a_delay_alone_modifies_nothing() -> None:
    delayed = Intercepted(1, 1_090, Point.REQUEST_MESSAGE, 0, 1_000, (EDIT,), altered=False)
    call = projected([CallStarted(1, 1_000, "/s/m"), delayed])
    assert not call.modified
    assert call.held_ns == 0
    assert call.interceptions[0].data is None


def test_the_events_of_an_altered_call_give_it_again() -> None:
    call = projected(altered(1))
    again = projected(events_of(call))
    assert again.interceptions == call.interceptions
    assert (again.acted, again.modified) == (call.acted, call.modified)


@pytest.mark.parametrize("limit", [0, 1, 3])
def test_interceptions_past_the_limit_are_counted(limit: int) -> None:
    start, *events = altered(1)
    assert isinstance(start, CallStarted)
    call = new_call(start)
    apply_events(call, events, max_interceptions=limit)
    assert len(call.interceptions) == limit
    assert call.dropped_interceptions == 4 - limit
    assert call.modified


def test_originals_share_a_limit_of_bytes() -> None:
    call = new_call(CallStarted(1, 1_000, "/s/m"))
    events = [
        Intercepted(1, 1_000, Point.REQUEST_MESSAGE, n, 1_000, (EDIT,), data=b"12345") for n in range(3)
    ]
    apply_events(call, events, message_limit=10)
    assert [item.data for item in call.interceptions] == [b"12345", b"12345", None]
    assert [item.size for item in call.interceptions] == [5, 5, 5]
    [_, *rest] = [event for event in events_of(call) if isinstance(event, Intercepted)]
    assert rest[1].lost == 5


def test_held_time_is_that_of_breakpoints_and_counts_once() -> None:
    stop = Action(ActionKind.BREAKPOINT, "b", "sent")
    spans = [
        (100, 200, (EDIT,)),  # a delay
        (1_200, 1_300, (stop,)),
        (1_000, 1_400, (EDIT, stop)),  # the other direction, around it
        (1_350, 1_500, (stop,)),
        (2_000, 2_010, (stop,)),
    ]
    call = projected(
        [
            CallStarted(1, 0, "/s/m"),
            *(
                Intercepted(1, end, Point.REQUEST_MESSAGE, index, start, actions, altered=False)
                for index, (start, end, actions) in enumerate(spans)
            ),
            CallEnded(1, 3_000, Status(StatusCode.OK), EndedBy.BACKEND),
        ]
    )
    assert held_spans(call.interceptions) == [(1_000, 1_500), (2_000, 2_010)]
    assert (call.held_ns, call.active_ns) == (510, 2_490)


def test_a_decision_takes_the_place_of_what_says_that_the_item_is_held() -> None:
    note, sent = (Action(ActionKind.BREAKPOINT, "b", effect) for effect in (HELD, "sent"))
    events: list[Event | KindDeclared] = [
        CallStarted(1, 0, "/s/m"),
        Intercepted(1, 10, Point.REQUEST_MESSAGE, 0, 10, (note,), altered=False),
        Intercepted(1, 20, Point.RESPONSE_MESSAGE, 0, 20, (note,), altered=False),
        Intercepted(1, 30, Point.REQUEST_MESSAGE, 0, 10, (sent,), altered=False),
    ]
    call = projected(events)
    assert [(item.point, item.actions) for item in call.interceptions] == [
        (Point.RESPONSE_MESSAGE, (note,)),
        (Point.REQUEST_MESSAGE, (sent,)),
    ]
    assert (call.acted, call.modified) == (((ActionKind.BREAKPOINT, "b"),), False)
