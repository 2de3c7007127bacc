"""From gRPC's threads to the loop: what is told of arrives whole, in order, and within bounds."""

import asyncio
import threading
from dataclasses import dataclass

from loom.model import CallIds, CallStarted, Direction, HalfClosed, MessageSeen
from loom.proxy.relay.event_buffer import MAX_BYTES, MAX_EVENTS, Courier
from tests.support.sinks import ListSink


@dataclass(eq=False)
class Told:
    id: int = 0


async def test_events_of_several_threads_arrive_whole_and_in_each_calls_order() -> None:
    sink = ListSink()
    courier = Courier(sink, CallIds())
    calls = [Told() for _ in range(8)]

    def tell(call: Told) -> None:
        courier.tell(call, CallStarted, 0, "/a.B/C")
        for number in range(500):
            courier.tell(call, MessageSeen, number, Direction.REQUEST, b"")

    threads = [threading.Thread(target=tell, args=(call,)) for call in calls]
    for thread in threads:
        thread.start()
    await sink.until(lambda: len(sink.events) == 8 * 501)
    for thread in threads:
        thread.join()
    assert sorted(call.id for call in calls) == list(range(1, 9))
    assert [event.call_id for event in sink.of(CallStarted)] == list(range(1, 9))
    for call in calls:
        assert [seen.time_ns for seen in sink.of(MessageSeen, call.id)] == list(range(500))


async def test_a_call_that_starts_elsewhere_comes_after_what_has_been_told_of() -> None:
    sink, ids = ListSink(), CallIds()
    courier = Courier(sink, ids)
    courier.tell(Told(), HalfClosed, 0)
    assert not sink.events
    assert ids.take() == 2
    assert [event.call_id for event in sink.events] == [1]


async def test_too_many_bytes_or_events_ask_for_a_rest_until_they_are_delivered() -> None:
    sink = ListSink()
    courier = Courier(sink, CallIds())
    call, rested = Told(), asyncio.Event()
    for size in (MAX_BYTES, 1):
        assert not courier.full
        courier.tell(call, MessageSeen, 0, Direction.REQUEST, b"", size=size)
    assert courier.full
    courier.when_there_is_room(rested.set)
    await rested.wait()
    assert len(sink.events) == 2
    assert not courier.full
    for _ in range(MAX_EVENTS + 1):
        courier.tell(call, MessageSeen, 0, Direction.REQUEST, b"")
    assert courier.full
    courier.deliver()
    assert not courier.full


async def test_what_is_due_later_is_done_in_order_and_not_before() -> None:
    courier = Courier(ListSink(), CallIds())
    loop = asyncio.get_running_loop()
    done: list[tuple[str, float]] = []
    last = asyncio.Event()
    began = loop.time()
    courier.later(0.02, lambda: done.append(("first", loop.time())))
    courier.later(0.02, lambda: (done.append(("second", loop.time())), last.set())[1])
    await last.wait()
    assert [name for name, _ in done] == ["first", "second"]
    assert all(when - began >= 0.02 for _, when in done)
