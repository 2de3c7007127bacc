"""The event buffer of both engines: calls reach the sink in the order of their ids, from any source."""

import asyncio
from collections.abc import Callable
from itertools import pairwise

import grpc
import grpc.aio
import pytest

from loom.model import Address, CallEnded, CallIds, CallStarted, EndedBy, HalfClosed, Status
from loom.proxy.event_buffer import EventBuffer
from loom.runtime.wiring import allocate_after_flush
from tests.support.engines import ENGINES, running_engine
from tests.support.raw_calls import unary_unary
from tests.support.sinks import ListSink
from tests.support.zoo import SERVICE, running_zoo


def test_a_flush_emits_what_was_buffered_once_and_in_order() -> None:
    sink = ListSink()
    buffer = EventBuffer(sink)
    buffer.emit(HalfClosed(1, 10), HalfClosed(1, 11))
    buffer.emit_all([[HalfClosed(2, 12)], [HalfClosed(1, 13)]])
    assert (len(buffer), sink.events) == (3, [])
    buffer.flush()
    assert [event.time_ns for event in sink.events] == [10, 11, 12, 13]
    buffer.flush()
    assert (len(buffer), len(sink.events)) == (0, 4)


def test_an_allocation_past_the_buffer_flushes_it_first() -> None:
    ids, log = CallIds(), []
    allocate = allocate_after_flush(ids, lambda: log.append(ids.allocate()))
    assert (allocate(), log) == (2, [1])


class OtherSource:
    """Emits calls past the engine's event buffer, as a replay does, whenever the engine emits one."""

    def __init__(self, sink: ListSink, allocate_id: Callable[[], int]) -> None:
        self._sink = sink
        self._allocate_id = allocate_id

    async def run(self, calls: int) -> None:
        for _ in range(calls):
            call_id = self._allocate_id()
            self._sink.emit(CallStarted(call_id, 0, "/other.Source/Call"))
            self._sink.emit(CallEnded(call_id, 0, Status(0, "", None), EndedBy.BACKEND, ""))
            await asyncio.sleep(0)


@pytest.mark.parametrize("name", ENGINES)
async def test_calls_of_two_sources_start_in_the_order_of_their_ids(name: str) -> None:
    sink, ids = ListSink(), CallIds()
    async with (
        running_zoo() as zoo,
        running_engine(name, Address("127.0.0.1", zoo.port), sink, ids) as engine,
        grpc.aio.insecure_channel(f"127.0.0.1:{engine.port}") as channel,
    ):
        other = OtherSource(sink, allocate_after_flush(ids, engine.flush))
        unary = unary_unary(channel, SERVICE + "Unary")
        for _ in range(20):
            await asyncio.gather(other.run(20), *(unary(b"x") for _ in range(20)))
        await sink.ended(800)
    started = [event.call_id for event in sink.of(CallStarted)]
    assert started == list(range(1, 801))
    assert len({event.method for event in sink.of(CallStarted)}) == 2
    sources = [event.method for event in sink.of(CallStarted)]
    assert sum(before != after for before, after in pairwise(sources)) > 20  # the sources alternated


async def test_a_flush_of_the_relay_records_the_calls_that_the_client_has_seen_end() -> None:
    sink = ListSink()
    async with (
        running_zoo() as zoo,
        running_engine("relay", Address("127.0.0.1", zoo.port), sink) as engine,
        grpc.aio.insecure_channel(f"127.0.0.1:{engine.port}") as channel,
    ):
        for number in range(1, 21):
            await unary_unary(channel, SERVICE + "Unary")(b"x")
            engine.flush()
            assert len(sink.of(CallEnded)) == number
