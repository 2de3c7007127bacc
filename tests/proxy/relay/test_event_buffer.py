"""The relay's event buffer: events from gRPC's threads arrive complete, in order and within bounds."""

import asyncio
import functools
import threading
import time
from dataclasses import dataclass

from loom.model import CallEnded, CallIds, CallStarted, Direction, EndedBy, HalfClosed, MessageSeen, Status
from loom.proxy.relay.event_buffer import RelayEventBuffer
from tests.support.sinks import ListSink


@dataclass(eq=False)
class FakeCall:
    id: int = 0


def has_events(sink: ListSink, count: int) -> bool:
    return len(sink.events) >= count


def put_started(buffer: RelayEventBuffer, call: FakeCall) -> None:
    buffer.put_started(call, 0, method="/a.B/C", peer="", authority="", target="", deadline_ns=None)


async def test_events_of_several_threads_arrive_complete_and_in_order() -> None:
    sink = ListSink()
    buffer = RelayEventBuffer(sink, CallIds())
    calls = [FakeCall() for _ in range(8)]

    def put(call: FakeCall) -> None:
        put_started(buffer, call)
        for number in range(500):
            buffer.put_message(call, number, Direction.REQUEST, b"")

    threads = [threading.Thread(target=put, args=(call,)) for call in calls]
    for thread in threads:
        thread.start()
    await sink.until(lambda: len(sink.events) == 8 * 501)
    for thread in threads:
        thread.join()
    assert sorted(call.id for call in calls) == list(range(1, 9))
    assert [event.call_id for event in sink.of(CallStarted)] == list(range(1, 9))
    for call in calls:
        assert [event.time_ns for event in sink.of(MessageSeen, call.id)] == list(range(500))


async def test_events_have_the_fields_that_were_put() -> None:
    sink = ListSink()
    buffer = RelayEventBuffer(sink, CallIds(first=7))
    call, status = FakeCall(), Status(5, "no", None)
    buffer.put_started(call, 1, method="/a.B/C", peer="ipv4:1", authority="a:1", target="t:1", deadline_ns=9)
    buffer.put_message(call, 2, Direction.RESPONSE, b"data")
    buffer.put_half_closed(call, 3)
    buffer.put_ended(call, 4, status, EndedBy.LOOM, "note")
    buffer.flush()
    started, message, half_closed, ended = sink.events
    assert isinstance(started, CallStarted)
    assert isinstance(message, MessageSeen)
    assert isinstance(ended, CallEnded)
    assert (started.call_id, started.time_ns, started.method) == (7, 1, "/a.B/C")
    assert (started.peer, started.target, started.deadline_ns) == ("ipv4:1", "t:1", 9)
    assert (message.time_ns, message.direction, message.data) == (2, Direction.RESPONSE, b"data")
    assert half_closed.time_ns == 3
    assert (ended.time_ns, ended.status, ended.ended_by, ended.note) == (4, status, EndedBy.LOOM, "note")


async def test_ids_are_allocated_at_the_flush() -> None:
    sink, ids = ListSink(), CallIds()
    buffer = RelayEventBuffer(sink, ids)
    buffer.put_half_closed(FakeCall(), 0)
    assert not sink.events
    buffer.flush()
    assert ids.allocate() == 2
    assert [event.call_id for event in sink.of(HalfClosed)] == [1]


async def test_reading_is_deferred_while_the_buffer_is_full() -> None:
    sink = ListSink()
    buffer = RelayEventBuffer(sink, CallIds(), max_bytes=1000, max_events=10)
    call, flushed = FakeCall(), asyncio.Event()
    full = []
    for size in (1000, 1):
        full.append(buffer.full)
        buffer.put_message(call, 0, Direction.REQUEST, bytes(size))
    assert [*full, buffer.full] == [False, False, True]
    buffer.call_when_not_full(flushed.set)
    assert not flushed.is_set()
    await flushed.wait()
    assert len(sink.events) == 2
    full = []
    for _ in range(11):
        full.append(buffer.full)
        buffer.put_message(call, 0, Direction.REQUEST, b"")
    assert [*full, buffer.full] == [*[False] * 11, True]
    buffer.flush()
    assert not buffer.full


async def test_timers_run_in_order_and_not_early() -> None:
    buffer = RelayEventBuffer(ListSink(), CallIds())
    loop = asyncio.get_running_loop()
    calls: list[tuple[str, float]] = []
    complete = asyncio.Event()
    start = loop.time()
    buffer.call_later(0.02, lambda: calls.append(("first", loop.time())))
    buffer.call_later(0.02, lambda: calls.append(("second", loop.time())))
    buffer.call_later(0.02, complete.set)
    await complete.wait()
    assert [name for name, _ in calls] == ["first", "second"]
    assert all(time - start >= 0.02 for _, time in calls)


async def test_a_late_timer_is_lag_that_decays() -> None:
    sink = ListSink()
    buffer = RelayEventBuffer(sink, CallIds())
    first = FakeCall()
    put_started(buffer, first)
    asyncio.get_running_loop().call_soon(time.sleep, 0.1)  # the loop is busy, as on a starved machine
    await sink.until(lambda: len(sink.events) == 1)
    highest = buffer.lag
    assert highest >= 0.05
    async with asyncio.timeout(30):
        while buffer.lag > highest / 2:
            put_started(buffer, FakeCall())
            events = len(sink.events) + 1
            await sink.until(functools.partial(has_events, sink, events))
