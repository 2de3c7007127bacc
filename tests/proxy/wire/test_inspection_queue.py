"""The inspection queue: order, turns between which the loop is free, and batches of events."""

import asyncio
from collections.abc import Callable, Iterator, Sequence
from typing import Any, cast

import pytest

from loom.model import EndedBy, Event, HalfClosed
from loom.proxy.event_buffer import EventBuffer
from loom.proxy.wire.connection import Connection
from loom.proxy.wire.inspection_queue import InspectionQueue

BATCH_SIZE = 16
BATCH_BYTES = 1000


class FakeConnection:
    """Logs its inputs, processes a chunk in two steps, and emits one event per chunk."""

    def __init__(self, events: EventBuffer) -> None:
        self.log: list[Any] = []
        self.short_steps = False
        self.step_lengths: list[bool] = []
        self._events = events

    def receive_data(self, chunk: bytes, now: int, *, client: bool) -> Iterator[None]:
        self.step_lengths.append(self.short_steps)
        self.log.append((b"", client, now))
        yield
        self.log[-1] = (chunk, client, now)
        self._events.emit(HalfClosed(len(self.log), now))

    def close(self, now: int, by: EndedBy) -> None:
        self.log.append((by, now))

    @property
    def inputs(self) -> list[Any]:
        return [entry[0] for entry in self.log]


class BatchSink:
    """Records the size of each batch and the call ids."""

    def __init__(self) -> None:
        self.batches: list[int] = []
        self.ids: list[int] = []

    def emit(self, *events: Event) -> None:
        self.emit_all([events])

    def emit_all(self, calls: Sequence[Sequence[Event]]) -> None:
        self.batches.append(len(calls))
        self.ids += [events[0].call_id for events in calls]


@pytest.fixture
def sink() -> BatchSink:
    return BatchSink()


@pytest.fixture
def events(sink: BatchSink) -> EventBuffer:
    return EventBuffer(sink)


@pytest.fixture
def make_queue(events: EventBuffer) -> Callable[..., InspectionQueue]:
    def make(**options: Any) -> InspectionQueue:
        return InspectionQueue(events, batch_size=BATCH_SIZE, batch_bytes=BATCH_BYTES, **options)

    return make


@pytest.fixture
def fake(events: EventBuffer) -> FakeConnection:
    return FakeConnection(events)


@pytest.fixture
def connection(fake: FakeConnection) -> Connection:
    return cast("Connection", fake)


async def run_turn() -> None:
    await asyncio.sleep(0)


async def test_order_and_timestamps_are_kept(
    fake: FakeConnection, connection: Connection, make_queue: Callable[..., InspectionQueue]
) -> None:
    queue = make_queue()
    queue.put_chunk(connection, b"one", client=True)
    queue.put_chunk(connection, b"two", client=False)
    queue.put_close(connection, EndedBy.CLIENT)
    assert fake.log == []
    assert len(queue) == 3
    await run_turn()
    assert fake.inputs == [b"one", b"two", EndedBy.CLIENT]
    assert [entry[1] for entry in fake.log[:2]] == [True, False]
    times = [entry[-1] for entry in fake.log]
    assert times == sorted(times)
    assert not queue


async def test_the_loop_is_free_between_turns(
    fake: FakeConnection, connection: Connection, make_queue: Callable[..., InspectionQueue]
) -> None:
    queue = make_queue(turn=0)
    for number in range(3):
        queue.put_chunk(connection, b"%d" % number, client=True)
    lengths = []
    while queue:
        await run_turn()
        lengths.append(len(fake.log))
    assert lengths == [1, 1, 2, 2, 3, 3]  # each chunk in two steps
    assert fake.inputs == [b"0", b"1", b"2"]


async def test_a_flush_finishes_the_chunk_in_progress(
    fake: FakeConnection, connection: Connection, make_queue: Callable[..., InspectionQueue]
) -> None:
    queue = make_queue(turn=0)
    for number in range(2):
        queue.put_chunk(connection, b"%d" % number, client=True)
    await run_turn()
    assert fake.inputs == [b""]
    queue.flush()
    assert fake.inputs == [b"0"]
    queue.drain()
    assert fake.inputs == [b"0", b"1"]


async def test_turns_grow_with_the_delay(
    fake: FakeConnection, connection: Connection, make_queue: Callable[..., InspectionQueue]
) -> None:
    queue = make_queue(turn=0, longest_turn=60, lag=-2, longest_lag=-1)
    for number in range(3):
        queue.put_chunk(connection, b"%d" % number, client=True)
    await run_turn()
    assert len(fake.log) == 3


async def test_a_turn_lasts_until_the_queue_is_below_its_limit(
    fake: FakeConnection, connection: Connection, make_queue: Callable[..., InspectionQueue]
) -> None:
    queue = make_queue(turn=0, max_bytes=20)
    for _ in range(5):
        queue.put_chunk(connection, b"ten bytes.", client=True)
    await run_turn()
    assert len(fake.log) == 3
    assert len(queue) == 2


async def test_draining_processes_the_whole_queue(
    fake: FakeConnection, connection: Connection, make_queue: Callable[..., InspectionQueue]
) -> None:
    queue = make_queue()
    queue.put_chunk(connection, b"one", client=True)
    queue.put_close(connection, EndedBy.LOOM)
    queue.drain()
    assert fake.inputs == [b"one", EndedBy.LOOM]
    await run_turn()
    assert len(fake.log) == 2


async def test_events_of_a_turn_are_flushed_in_batches(
    sink: BatchSink, connection: Connection, make_queue: Callable[..., InspectionQueue]
) -> None:
    queue = make_queue(turn=60)
    for _ in range(BATCH_SIZE + 5):
        queue.put_chunk(connection, b"a few bytes", client=True)
    assert sink.batches == []
    await run_turn()
    assert sink.batches == [BATCH_SIZE, 5]
    assert sink.ids == sorted(sink.ids)


async def test_a_large_chunk_is_flushed_alone(
    sink: BatchSink, connection: Connection, make_queue: Callable[..., InspectionQueue]
) -> None:
    queue = make_queue(turn=60)
    for size in (1, BATCH_BYTES, BATCH_BYTES, 1):
        queue.put_chunk(connection, bytes(size), client=True)
    await run_turn()
    assert sink.batches == [2, 1, 1]


async def test_a_flush_emits_the_events_of_the_chunk_in_progress(
    sink: BatchSink, connection: Connection, make_queue: Callable[..., InspectionQueue]
) -> None:
    queue = make_queue(turn=0)
    for _ in range(2):
        queue.put_chunk(connection, b"a few bytes", client=True)
    await run_turn()
    assert sink.batches == []
    queue.flush()
    assert sink.batches == [1]
    queue.drain()
    assert sink.batches == [1, 1]


class Throttle:
    """Records which connections are throttled, in order."""

    def __init__(self) -> None:
        self.log: list[tuple[object, bool]] = []

    def __call__(self, connection: Connection, paused: bool) -> None:
        self.log.append((connection, paused))


def other_connection(events: EventBuffer) -> Connection:
    return cast("Connection", FakeConnection(events))


async def test_a_connection_with_most_of_the_bytes_is_throttled_until_none_wait(
    connection: Connection, events: EventBuffer, make_queue: Callable[..., InspectionQueue]
) -> None:
    throttle = Throttle()
    queue = make_queue(turn=0, throttle=throttle, least_bytes=100, connection_bytes=1_000, connection_lag=60)
    queue.put_chunk(other_connection(events), b"a call", client=True)
    queue.put_chunk(connection, bytes(1_000), client=True)
    assert throttle.log == []
    queue.put_chunk(connection, bytes(500), client=False)
    assert throttle.log == [(connection, True)]
    queue.put_chunk(connection, bytes(500), client=True)
    queue.drain()
    assert throttle.log == [(connection, True), (connection, False)]


async def test_a_connection_whose_bytes_have_waited_is_throttled(
    connection: Connection, events: EventBuffer, make_queue: Callable[..., InspectionQueue]
) -> None:
    throttle = Throttle()
    queue = make_queue(turn=0, throttle=throttle, least_bytes=100, connection_lag=-1)
    other = other_connection(events)
    for _ in range(3):
        queue.put_chunk(connection, bytes(200), client=True)
        queue.put_chunk(other, b"a call", client=True)
    queue.drain()
    assert throttle.log == [(connection, True), (connection, False)]


async def test_a_connection_alone_is_never_throttled(
    connection: Connection, fake: FakeConnection, make_queue: Callable[..., InspectionQueue]
) -> None:
    throttle = Throttle()
    queue = make_queue(throttle=throttle, least_bytes=100, connection_bytes=1_000, connection_lag=-1)
    for _ in range(10):
        queue.put_chunk(connection, bytes(1_000), client=True)
    queue.drain()
    assert throttle.log == []
    assert fake.step_lengths == [False] * 10


async def test_a_connection_is_alone_once_the_others_are_closed(
    connection: Connection,
    fake: FakeConnection,
    events: EventBuffer,
    make_queue: Callable[..., InspectionQueue],
) -> None:
    throttle = Throttle()
    queue = make_queue(throttle=throttle, least_bytes=100, connection_bytes=1_000, connection_lag=-1)
    other = other_connection(events)
    queue.put_chunk(other, b"a call", client=True)
    queue.put_close(other, EndedBy.CLIENT)
    queue.drain()
    for _ in range(10):
        queue.put_chunk(connection, bytes(1_000), client=True)
    queue.drain()
    assert throttle.log == []
    assert fake.step_lengths == [False] * 10


async def test_connections_with_equal_shares_are_not_throttled(
    connection: Connection, events: EventBuffer, make_queue: Callable[..., InspectionQueue]
) -> None:
    throttle = Throttle()
    queue = make_queue(throttle=throttle, least_bytes=100, connection_bytes=1_000, connection_lag=-1)
    other = other_connection(events)
    for _ in range(5):
        queue.put_chunk(connection, bytes(500), client=True)
        queue.put_chunk(other, bytes(500), client=True)
    assert throttle.log == []
    queue.drain()


async def test_steps_are_short_for_the_sake_of_other_connections(
    connection: Connection,
    fake: FakeConnection,
    events: EventBuffer,
    make_queue: Callable[..., InspectionQueue],
) -> None:
    queue = make_queue(least_bytes=100)
    queue.put_chunk(connection, bytes(200), client=True)
    queue.put_chunk(other_connection(events), b"a call", client=True)
    queue.drain()
    queue.put_chunk(connection, b"a call", client=True)
    queue.drain()
    assert fake.step_lengths == [True, False]
