"""What came in a call, from what went on and its interceptions."""

import pytest

from loom.model import Call, Direction, HalfClosed, Intercepted, Status, StatusCode
from loom.model.interception import Action, ActionKind, Point
from loom.model.originals import original_call, original_messages
from tests.support.traffic import DOWN, UP, altered, began, ended, message, recorded

EDIT = (Action(ActionKind.RULE, "r", "acts"),)


def intercepted(point: Point, index: int, **fields: object) -> Intercepted:
    return Intercepted(1, 50, point, index, 40, EDIT, **fields)  # type: ignore[arg-type]  # any of its fields


def requests(call: Call) -> list[bytes | None]:
    return [item.data for item in original_messages(call) if item.direction is Direction.REQUEST]


def test_a_call_as_it_came() -> None:
    [call] = recorded(*altered(1))
    original = original_call(call)
    assert [item.data for item in original.messages] == [b"request", b"came", b"lost"]
    assert [item.index for item in original.messages] == [0, 1, 2]
    assert (original.request_messages, original.response_messages) == (1, 2)
    assert original.response_bytes == len(b"came") + len(b"lost")
    assert ("x-old", "1") in original.request_metadata
    assert original.status == Status(StatusCode.OK)
    assert original.interceptions == []
    assert [item.data for item in call.messages] == [b"request", b"went"]


def test_a_call_that_nothing_altered_is_its_own_original() -> None:
    [call] = recorded(*began(1), message(1, UP, b"x"), *ended(1))
    assert original_call(call) is call


@pytest.mark.parametrize(
    ("fields", "went"),
    [
        ({"count": 1, "data": b"two"}, [b"2"]),
        ({"count": 0, "data": b"two"}, []),
        ({"count": 3, "kept": 0}, [b"two", b"two", b"two"]),
        ({"count": 2, "kept": 1}, [b"inserted", b"two"]),
        ({"count": 2, "kept": 0}, [b"two", b"inserted"]),
        ({"count": 2, "data": b"two"}, [b"a", b"b"]),
    ],
)
def test_whatever_went_on_one_message_came(fields: dict[str, object], went: list[bytes]) -> None:
    [call] = recorded(
        *began(1),
        message(1, UP, b"one"),
        intercepted(Point.REQUEST_MESSAGE, 1, **fields),
        message(1, DOWN, b"between"),
        *(message(1, UP, data) for data in went),
        message(1, UP, b"three"),
        *ended(1),
    )
    assert requests(call) == [b"one", b"two", b"three"]


def test_an_original_whose_bytes_were_not_kept_has_none() -> None:
    [call] = recorded(
        *began(1), intercepted(Point.REQUEST_MESSAGE, 0, lost=3), message(1, UP, b"***"), *ended(1)
    )
    assert requests(call) == [None]


def test_messages_that_were_put_ahead_of_the_half_close_or_the_status_did_not_come() -> None:
    [call] = recorded(
        *began(1),
        message(1, UP, b"one"),
        intercepted(Point.HALF_CLOSE, 0, count=2, kept=1),
        message(1, UP, b"inserted"),
        HalfClosed(1, 50),
        intercepted(Point.STATUS, 0, count=2, status=Status(StatusCode.UNAVAILABLE), metadata=()),
        message(1, DOWN, b"made up"),
        *ended(1),
    )
    assert [item.data for item in original_call(call).messages] == [b"one"]


def test_a_half_close_that_was_withheld_came() -> None:
    [call] = recorded(*began(1), message(1, UP, b"one"), intercepted(Point.HALF_CLOSE, 0, count=0), *ended(1))
    assert call.half_closed_ns is None
    assert original_call(call).half_closed_ns == 40


def test_messages_that_were_dropped_from_memory_leave_their_gap() -> None:
    [call] = recorded(
        *began(1),
        *(message(1, UP, b"%d" % number) for number in range(5)),
        intercepted(Point.REQUEST_MESSAGE, 5, data=b"came"),
        message(1, UP, b"went"),
        *ended(1),
    )
    messages = list(call.messages)
    call.messages = type(call.messages)()
    call.messages.append(messages[0])
    call.messages.skip(3)
    for item in messages[4:]:
        call.messages.append(item)
    original = original_call(call)
    assert [(item.index, item.data) for item in original.messages] == [(0, b"0"), (4, b"4"), (5, b"came")]
    assert original.request_messages == 6
