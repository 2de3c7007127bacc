"""What has passed is looked at in its order, in turns between which the loop is free."""

import asyncio
from collections.abc import Iterator
from typing import Any, cast

import pytest

from loom.model import EndedBy
from loom.proxy.wire import backlog as backlog_module
from loom.proxy.wire.backlog import Backlog
from loom.proxy.wire.connection import Connection


class Looked:
    """Stands for a connection: what it was told."""

    def __init__(self) -> None:
        self.told: list[Any] = []

    def saw(self, chunk: bytes, now: int, *, client: bool) -> Iterator[None]:
        """Look in two steps."""
        self.told.append((b"", client, now))
        yield
        self.told[-1] = (chunk, client, now)

    def closed(self, now: int, by: EndedBy) -> None:
        self.told.append((by, now))

    @property
    def what(self) -> list[Any]:
        return [told[0] for told in self.told]


@pytest.fixture
def looked() -> Looked:
    return Looked()


def connection(looked: Looked) -> Connection:
    return cast("Connection", looked)


async def turn() -> None:
    await asyncio.sleep(0)


async def test_order_and_times_are_kept_to_the_end(looked: Looked) -> None:
    backlog = Backlog()
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


async def test_the_loop_is_free_between_turns(looked: Looked, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backlog_module, "TURN_SECONDS", 0)
    backlog = Backlog()
    for number in range(3):
        backlog.passed(connection(looked), b"%d" % number, client=True)
    seen = []
    while backlog:
        await turn()
        seen.append(len(looked.told))
    assert seen == [1, 1, 2, 2, 3, 3]  # each in two steps
    assert looked.what == [b"0", b"1", b"2"]


async def test_settling_finishes_what_was_begun(looked: Looked, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backlog_module, "TURN_SECONDS", 0)
    backlog = Backlog()
    for number in range(2):
        backlog.passed(connection(looked), b"%d" % number, client=True)
    await turn()
    assert looked.what == [b""]
    backlog.settle()
    assert looked.what == [b"0"]
    backlog.drain()
    assert looked.what == [b"0", b"1"]


async def test_what_waited_for_long_gets_a_long_turn(looked: Looked, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backlog_module, "TURN_SECONDS", 0)
    monkeypatch.setattr(backlog_module, "LONG_TURN_SECONDS", 60)
    monkeypatch.setattr(backlog_module, "FREE_LAG_SECONDS", -2)
    monkeypatch.setattr(backlog_module, "MOST_LAG_SECONDS", -1)
    backlog = Backlog()
    for number in range(3):
        backlog.passed(connection(looked), b"%d" % number, client=True)
    await turn()
    assert len(looked.told) == 3


async def test_no_more_waits_than_may(looked: Looked, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backlog_module, "TURN_SECONDS", 0)
    monkeypatch.setattr(backlog_module, "MAX_WAITING", 20)
    backlog = Backlog()
    for _ in range(5):
        backlog.passed(connection(looked), b"ten bytes.", client=True)
    await turn()
    assert len(looked.told) == 3
    assert len(backlog) == 2


async def test_draining_looks_at_all_of_it(looked: Looked) -> None:
    backlog = Backlog()
    backlog.passed(connection(looked), b"one", client=True)
    backlog.closed(connection(looked), EndedBy.LOOM)
    backlog.drain()
    assert looked.what == [b"one", EndedBy.LOOM]
    await turn()
    assert len(looked.told) == 2
