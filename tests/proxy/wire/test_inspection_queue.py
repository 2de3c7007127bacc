"""What has passed is looked at in its order, in turns between which the loop is free."""

import asyncio
from collections.abc import Iterator, Sequence
from typing import Any, cast

import pytest

from loom.model import EndedBy, Event, HalfClosed
from loom.proxy.wire import inspection_queue as backlog_module
from loom.proxy.wire.connection import Connection
from loom.proxy.wire.event_buffer import Gathering
from loom.proxy.wire.inspection_queue import Backlog


class Looked:
    """Stands for a connection: what it was told. Of each chunk it emits one event."""

    def __init__(self, gathering: Gathering) -> None:
        self.told: list[Any] = []
        self._gathering = gathering

    def saw(self, chunk: bytes, now: int, *, client: bool) -> Iterator[None]:
        """Look in two steps."""
        self.told.append((b"", client, now))
        yield
        self.told[-1] = (chunk, client, now)
        self._gathering.emit(HalfClosed(len(self.told), now))

    def closed(self, now: int, by: EndedBy) -> None:
        self.told.append((by, now))

    @property
    def what(self) -> list[Any]:
        return [told[0] for told in self.told]


class Counts:
    """A sink: how many parts of calls came at once, each time."""

    def __init__(self) -> None:
        self.came: list[int] = []
        self.ids: list[int] = []

    def emit(self, *events: Event) -> None:
        self.emit_all([events])

    def emit_all(self, calls: Sequence[Sequence[Event]]) -> None:
        self.came.append(len(calls))
        self.ids += [events[0].call_id for events in calls]


@pytest.fixture
def counts() -> Counts:
    return Counts()


@pytest.fixture
def gathering(counts: Counts) -> Gathering:
    return Gathering(counts)


@pytest.fixture
def backlog(gathering: Gathering) -> Backlog:
    return Backlog(gathering)


@pytest.fixture
def looked(gathering: Gathering) -> Looked:
    return Looked(gathering)


def connection(looked: Looked) -> Connection:
    return cast("Connection", looked)


async def turn() -> None:
    await asyncio.sleep(0)


async def test_order_and_times_are_kept_to_the_end(looked: Looked, backlog: Backlog) -> None:
    backlog.passed(connection(looked), b"one", client=True)
    backlog.passed(connection(looked), b"two", client=False)
    backlog.closed(connection(looked), EndedBy.CLIENT)
    assert looked.told == []
    assert len(backlog) == 3
    await turn()
    assert looked.what == [b"one", b"two", EndedBy.CLIENT]
    assert [told[1] for told in looked.told[:2]] == [True, False]
    times = [told[-1] for told in looked.told]
    assert times == sorted(times)
    assert not backlog


async def test_the_loop_is_free_between_turns(
    looked: Looked, backlog: Backlog, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backlog_module, "TURN_SECONDS", 0)
    for number in range(3):
        backlog.passed(connection(looked), b"%d" % number, client=True)
    seen = []
    while backlog:
        await turn()
        seen.append(len(looked.told))
    assert seen == [1, 1, 2, 2, 3, 3]  # each in two steps
    assert looked.what == [b"0", b"1", b"2"]


async def test_settling_finishes_what_was_begun(
    looked: Looked, backlog: Backlog, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backlog_module, "TURN_SECONDS", 0)
    for number in range(2):
        backlog.passed(connection(looked), b"%d" % number, client=True)
    await turn()
    assert looked.what == [b""]
    backlog.settle()
    assert looked.what == [b"0"]
    backlog.drain()
    assert looked.what == [b"0", b"1"]


async def test_what_waited_for_long_gets_a_long_turn(
    looked: Looked, backlog: Backlog, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backlog_module, "TURN_SECONDS", 0)
    monkeypatch.setattr(backlog_module, "LONG_TURN_SECONDS", 60)
    monkeypatch.setattr(backlog_module, "FREE_LAG_SECONDS", -2)
    monkeypatch.setattr(backlog_module, "MOST_LAG_SECONDS", -1)
    for number in range(3):
        backlog.passed(connection(looked), b"%d" % number, client=True)
    await turn()
    assert len(looked.told) == 3


async def test_no_more_waits_than_may(
    looked: Looked, backlog: Backlog, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backlog_module, "TURN_SECONDS", 0)
    monkeypatch.setattr(backlog_module, "MAX_WAITING", 20)
    for _ in range(5):
        backlog.passed(connection(looked), b"ten bytes.", client=True)
    await turn()
    assert len(looked.told) == 3
    assert len(backlog) == 2


async def test_draining_looks_at_all_of_it(looked: Looked, backlog: Backlog) -> None:
    backlog.passed(connection(looked), b"one", client=True)
    backlog.closed(connection(looked), EndedBy.LOOM)
    backlog.drain()
    assert looked.what == [b"one", EndedBy.LOOM]
    await turn()
    assert len(looked.told) == 2


async def test_what_a_turn_brings_is_handed_on_at_once(
    looked: Looked, backlog: Backlog, counts: Counts, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backlog_module, "TURN_SECONDS", 60)
    for _ in range(backlog_module.ENOUGH + 5):
        backlog.passed(connection(looked), b"a few bytes", client=True)
    assert counts.came == []
    await turn()
    assert counts.came == [backlog_module.ENOUGH, 5]
    assert counts.ids == sorted(counts.ids)


async def test_a_large_chunk_is_handed_on_alone(
    looked: Looked, backlog: Backlog, counts: Counts, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backlog_module, "TURN_SECONDS", 60)
    for size in (1, backlog_module.ENOUGH_BYTES, backlog_module.ENOUGH_BYTES, 1):
        backlog.passed(connection(looked), bytes(size), client=True)
    await turn()
    assert counts.came == [2, 1, 1]


async def test_nothing_of_a_chunk_that_is_settled_is_kept_back(
    looked: Looked, backlog: Backlog, counts: Counts, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backlog_module, "TURN_SECONDS", 0)
    for _ in range(2):
        backlog.passed(connection(looked), b"a few bytes", client=True)
    await turn()
    assert counts.came == []
    backlog.settle()
    assert counts.came == [1]
    backlog.drain()
    assert counts.came == [1, 1]
