import logging
from collections.abc import Sequence
from typing import Never, cast

import pytest

from loom.api.summary import summarise
from loom.model import (
    Call,
    CallEnded,
    CallStarted,
    CallState,
    Direction,
    EndedBy,
    Event,
    HalfClosed,
    Kind,
    MessageSeen,
    MetadataSeen,
    Observer,
    Section,
    Status,
)
from loom.recording.history import History
from loom.recording.recorder import Recorder
from tests.support.narrowing import required


class Notes(Observer):
    def __init__(self) -> None:
        self.changes: list[tuple[int, int]] = []
        self.ends: list[int] = []

    def changed(self, calls: Sequence[Call]) -> None:
        self.changes += [(call.id, call.version) for call in calls]

    def ended(self, calls: Sequence[Call]) -> None:
        self.ends += [call.id for call in calls]


def events() -> list[Event]:
    return [
        CallStarted(1, 1_000, "/acme.Shop/Watch", "ipv4:127.0.0.1:5", deadline_ns=9_000_000),
        MetadataSeen(1, 1_000, Section.REQUEST, (("x-a", "1"), ("x-a", "2"), ("k-bin", b"\x00"))),
        MessageSeen(1, 2_000, Direction.REQUEST, b"abc"),
        HalfClosed(1, 2_500),
        MetadataSeen(1, 3_000, Section.INITIAL, (("y", "1"),)),
        MessageSeen(1, 4_000, Direction.RESPONSE, b"hello", compressed=True, encoding="gzip"),
        MessageSeen(1, 5_000, Direction.RESPONSE, b""),
        MetadataSeen(1, 6_000, Section.TRAILING, (("z", "1"),)),
        CallEnded(1, 7_000, Status(5, "gone"), EndedBy.BACKEND, note="why"),
    ]


def test_a_call_is_the_fold_of_its_events() -> None:
    history, notes = History(), Notes()
    recorder = Recorder(history, [notes])
    for event in events():
        recorder.emit(event)
    call = required(history.get(1))
    assert call.request_metadata == (("x-a", "1"), ("x-a", "2"), ("k-bin", b"\x00"))
    assert (call.initial_metadata, call.trailing_metadata) == ((("y", "1"),), (("z", "1"),))
    assert (call.request_messages, call.response_messages) == (1, 2)
    assert (call.request_bytes, call.response_bytes) == (3, 5)
    assert [message.data for message in call.messages] == [b"abc", b"hello", b""]
    assert required(call.messages.get(1)).encoding == "gzip"
    assert (call.half_closed_ns, call.half_closed_after) == (2_500, 1)
    assert (call.first_response_ns, call.last_response_ns) == (4_000, 5_000)
    assert call.status == Status(5, "gone")
    assert call.state is CallState.ENDED
    assert call.kind is Kind.SERVER
    assert notes.ends == [1]
    assert [version for _, version in notes.changes] == list(range(1, 10))
    assert summarise(call).duration_us == 6


@pytest.mark.parametrize("together", [2, 3, 5, 9])
def test_events_that_come_together_make_the_same_call(together: int) -> None:
    one, several, notes = History(), History(), Notes()
    by_one, by_several = Recorder(one), Recorder(several, [notes])
    for event in events():
        by_one.emit(event)
    for start in range(0, 9, together):
        by_several.emit(*events()[start : start + together])
    call, expected = required(several.get(1)), required(one.get(1))
    assert list(call.messages) == list(expected.messages)
    assert several.bytes == one.bytes
    assert several.live == 0
    assert notes.ends == [1]
    assert [version for _, version in notes.changes] == list(range(1, -(-9 // together) + 1))
    call.messages, call.version = expected.messages, expected.version
    assert call == expected


def test_a_call_is_there_from_its_first_event() -> None:
    history = History()
    recorder = Recorder(history)
    recorder.emit(events()[0])
    summary = summarise(required(history.get(1)))
    assert summary.state == "live"
    assert summary.status is None
    assert history.live == 1


def test_the_schema_says_the_kind_when_it_knows() -> None:
    history = History()
    recorder = Recorder(history, declared_kind={"/acme.Shop/Watch": Kind.BIDI}.get)
    recorder.emit(events()[0])
    assert summarise(required(history.get(1))).kind == "bidi"
    assert summarise(required(history.get(1))).kind_known


def test_late_events_of_an_ended_call_change_nothing() -> None:
    history = History()
    recorder = Recorder(history)
    for event in [*events(), *events()[1:]]:
        recorder.emit(event)
    assert required(history.get(1)).request_messages == 1


def test_a_failing_observer_is_logged_and_counted_and_the_traffic_never_sees_it(
    caplog: pytest.LogCaptureFixture,
) -> None:
    class Broken(Observer):
        def changed(self, calls: Sequence[Call]) -> Never:
            raise RuntimeError("boom")

        ended = changed

    notes = Notes()
    recorder = Recorder(History(), [Broken(), notes])
    with caplog.at_level(logging.ERROR):
        recorder.emit(events()[0])
    assert recorder.failures == 1
    assert "recording failed" in caplog.text
    assert notes.changes == [(1, 1)]


def test_a_call_that_cannot_be_recorded_does_not_keep_those_that_came_with_it(
    caplog: pytest.LogCaptureFixture,
) -> None:
    history, notes = History(), Notes()
    recorder = Recorder(history, [notes])
    broken: list[Event] = [
        CallStarted(1, 1_000, "/a.B/C"),
        MessageSeen(1, 2_000, Direction.REQUEST, cast("bytes", None)),
    ]
    whole: list[Event] = [CallStarted(2, 1_000, "/a.B/C"), CallEnded(2, 2_000, Status(0))]
    with caplog.at_level(logging.ERROR):
        recorder.emit_all([broken, whole])
    assert recorder.failures == 1
    assert notes.ends == [2]
    assert required(history.get(2)).state is CallState.ENDED
