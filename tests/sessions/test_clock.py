"""A system clock that is set back or forward: calls keep their order and content, and no duration is negative."""

from pathlib import Path

import msgspec
import pytest

from loom.api.summary import summarise
from loom.model import Event
from loom.sessions import SessionReader, SessionWriter
from tests.sessions.conftest import emit
from tests.support.exports import assert_same, export, imported
from tests.support.traffic import dense, ended, recorded, unary

HOUR_NS = 3_600_000_000_000


def shifted(event: Event, by: int) -> Event:
    return msgspec.structs.replace(event, time_ns=event.time_ns + by)


def jumping(call_id: int, by: int, request: bytes = b"\x0a\x01a") -> list[Event]:
    """A call in whose middle the clock is set."""
    events = unary(call_id, request)
    middle = len(events) // 2
    return [*events[:middle], *(shifted(event, by) for event in events[middle:])]


@pytest.mark.parametrize("by", [-HOUR_NS, HOUR_NS], ids=["back", "forward"])
def test_calls_are_stored_restored_and_exported_as_they_were(
    by: int, path: Path, writer: SessionWriter, tmp_path: Path
) -> None:
    events = [*unary(1), *jumping(2, by), *(shifted(event, by) for event in unary(3))]
    emit(writer, *events)
    with SessionReader(path) as reader:
        restored = reader.newest(10, 1 << 20)
        totals = reader.totals()
    expected = recorded(*events)
    assert [call.id for call in restored] == [1, 2, 3]
    assert_same(restored, expected)
    assert (totals.calls, totals.ended) == (3, 3)
    assert all((summarise(call).duration_us or 0) >= 0 for call in restored)
    (tmp_path / "calls.ndjson").write_bytes(export("ndjson", expected, reveal=True))
    calls, problems = imported(tmp_path / "calls.ndjson")
    assert problems == []
    for call, wanted in zip(calls, expected, strict=True):  # a file has the duration instead of the end
        assert (call.id, call.duration_ns, call.status) == (wanted.id, wanted.duration_ns, wanted.status)
        assert list(call.messages) == list(wanted.messages)


def test_pruning_follows_the_order_of_calls_not_their_times(path: Path) -> None:
    writer = SessionWriter(path, budget=1_000_000)
    writer.open()
    for call_id in range(1, 61):
        emit(writer, *(shifted(event, -call_id * HOUR_NS) for event in unary(call_id, dense(50_000))))
    writer.close()
    with SessionReader(path) as reader:
        ids = [call.id for call in reader.newest(100, 1 << 30)]
    assert ids == list(range(ids[0], 61))
    assert 1 < ids[0] < 60


def test_a_deadline_that_the_clock_passed_by_a_jump_is_not_a_negative_duration() -> None:
    [call] = recorded(*jumping(1, -HOUR_NS), *ended(1))
    assert call.duration_ns == 0
