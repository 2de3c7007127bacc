"""Load: many messages, bytes and streams, and readers that do not read."""

import asyncio
import contextlib
import hashlib
import queue
import threading
from concurrent import futures
from typing import Any

import grpc
import grpc.aio
import pytest

from loom.model import Address, CallEnded, Direction, MessageSeen
from tests.support.h2peer import H2Stream, h2_backend, h2_client
from tests.support.quiescence import final_value
from tests.support.raw_calls import stream_unary, unary_stream, unary_unary
from tests.support.sinks import ListSink
from tests.support.zoo import SERVICE, UNLIMITED

from .conftest import METADATA_LIMIT, Relay, running_relay

MIB = 1 << 20
MAX_OFFERED = 512 * MIB
MAX_BUFFERED = 64 * MIB
EVENT_BUFFER = 4 * MIB  # the default of RelayEventBuffer


@pytest.mark.timeout(300)
async def test_a_stream_of_25_000_messages_down(relay: Relay) -> None:
    stream = unary_stream(relay.channel, SERVICE + "Repeat")(b"25000 20")
    expected = 0
    async for message in stream:
        assert int.from_bytes(message[:8], "big") == expected
        expected += 1
    assert expected == 25_000
    await relay.sink.ended()
    assert sum(event.direction is Direction.RESPONSE for event in relay.sink.of(MessageSeen)) == 25_000


@pytest.mark.timeout(300)
async def test_a_stream_of_25_000_messages_up(relay: Relay) -> None:
    messages = (b"%020d" % number for number in range(25_000))
    assert await stream_unary(relay.channel, SERVICE + "Collect")(messages) == b"25000 500000"
    await relay.sink.ended()
    recorded = [event.data for event in relay.sink.of(MessageSeen) if event.direction is Direction.REQUEST]
    assert recorded == [b"%020d" % number for number in range(25_000)]


async def test_messages_of_16_mib_both_ways(relay: Relay) -> None:
    message = hashlib.sha256(b"seed").digest() * (16 * MIB // 32)
    assert await unary_unary(relay.channel, SERVICE + "Unary")(message) == message
    await relay.sink.ended()
    assert [event.data == message for event in relay.sink.of(MessageSeen)] == [True, True]


async def test_200_concurrent_streams(relay: Relay) -> None:
    barrier = asyncio.Barrier(200)

    async def one(number: int) -> None:
        call = relay.call("Echo")
        for turn in range(3):
            await call.write(b"%d.%d" % (number, turn))
            assert await call.read() == b"%d.%d" % (number, turn)
            await barrier.wait()
        await call.done_writing()
        assert await call.read() is grpc.aio.EOF
        assert await call.code() is grpc.StatusCode.OK

    await asyncio.gather(*(one(number) for number in range(200)))
    assert len(await relay.sink.ended(200)) == 200


async def test_a_client_that_never_reads_stops_the_backend(relay: Relay) -> None:
    async with h2_client(relay.engine.port, grant=False) as client:
        client.call("/zoo.Zoo/Flood")
        upstream = await relay.zoo.call()
        assert await final_value(lambda: min(upstream.size, MAX_OFFERED)) <= MAX_BUFFERED
        # Another call on the same connections is not affected.
        call = relay.call("Echo")
        await call.write(b"alive")
        assert await call.read() == b"alive"
        call.cancel()
    await relay.sink.until(lambda: len(relay.sink.of(CallEnded)) == 2)


async def test_a_backend_that_never_reads_stops_the_client(relay: Relay) -> None:
    call = relay.call("Hang")
    await relay.zoo.call()
    offered = 0
    with contextlib.suppress(TimeoutError):
        while offered < MAX_OFFERED:
            async with asyncio.timeout(0.5):
                await call.write(bytes(MIB))
            offered += MIB
    assert 0 < offered <= MAX_BUFFERED
    other = relay.call("Echo")
    await other.write(b"alive")
    assert await other.read() == b"alive"
    other.cancel()
    call.cancel()
    await relay.sink.ended(2)


async def test_metadata_up_to_the_raised_limit_both_ways(relay: Relay) -> None:
    value = "v" * (METADATA_LIMIT // 2 - 4096)
    call = relay.call("Echo", metadata=(("echo-big", value),))
    await call.write(b"x")
    assert await call.read() == b"x"
    assert (await call.initial_metadata())["echo-big"] == value
    await call.done_writing()
    assert await call.read() is grpc.aio.EOF
    assert (await call.trailing_metadata())["t-echo-big"] == value


async def test_a_client_may_ping_often(relay: Relay) -> None:
    async with h2_client(relay.engine.port) as client:
        stream = client.call("/zoo.Zoo/Hang")
        await relay.zoo.call()
        for number in range(50):
            client.h2.ping(number.to_bytes(8, "big"))
            client.flush()
            await client.ponged(number + 1)
        assert client.goaway is None
        assert not stream.log
    await relay.sink.ended()


async def test_more_metadata_than_the_limit_is_noted(relay: Relay) -> None:
    call = relay.call("Bulky", metadata=(("zoo-size", str(METADATA_LIMIT + 1)),))
    assert await call.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert (await relay.sink.ended())[0].note.endswith("raise --metadata-limit")


async def test_more_streams_than_the_target_allows_on_one_connection() -> None:
    """The bare backend allows 100 streams on a connection; each client would have had its own."""
    arrived = asyncio.Semaphore(0)

    async def behave(stream: H2Stream) -> None:
        arrived.release()
        await stream.until("reset", "lost")

    async with (
        h2_backend(behave) as backend,
        running_relay(Address("127.0.0.1", backend.port), ListSink()) as (engine, _),
        h2_client(engine.port) as one,
        h2_client(engine.port) as another,
    ):
        for client in (one, another):
            for _ in range(90):
                client.call("/a.B/Watch")
        async with asyncio.timeout(20):
            for _ in range(180):
                await arrived.acquire()
        assert len(backend.peers) == 2


async def test_calls_are_forwarded_while_the_loop_is_blocked() -> None:
    """Recording runs on the loop; forwarding does not wait for it."""
    sink = ListSink()
    backend = grpc.server(futures.ThreadPoolExecutor(4))
    echo: Any = grpc.unary_unary_rpc_method_handler(lambda request, _context: request)
    backend.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("a.B", {"C": echo}),))
    port = backend.add_insecure_port("127.0.0.1:0")
    backend.start()
    async with running_relay(Address("127.0.0.1", port), sink) as (engine, _):
        with grpc.insecure_channel(f"127.0.0.1:{engine.port}") as channel:
            call: Any = channel.unary_unary("/a.B/C")
            for number in range(50):
                assert call(b"%d" % number, timeout=20) == b"%d" % number  # blocks the loop
        assert not sink.events
        assert len(await sink.ended(50)) == 50
    backend.stop(None).wait()


async def test_a_stream_stops_at_the_limit_while_the_loop_is_blocked() -> None:
    """Messages are read until the event buffer is full."""
    sink = ListSink()
    size = EVENT_BUFFER // 16
    total = 400
    backend = grpc.server(futures.ThreadPoolExecutor(1))
    flood: Any = grpc.unary_stream_rpc_method_handler(
        lambda _request, _context: (bytes(size) for _ in range(total))
    )
    backend.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("a.B", {"C": flood}),))
    port = backend.add_insecure_port("127.0.0.1:0")
    backend.start()
    async with running_relay(Address("127.0.0.1", port), sink) as (engine, _):
        with grpc.insecure_channel(f"127.0.0.1:{engine.port}", options=UNLIMITED) as channel:
            watch: Any = channel.unary_stream("/a.B/C")
            stream = watch(b"")
            arrived: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()

            def read() -> None:
                for message in stream:
                    arrived.put(message)
                arrived.put(None)

            received = 0
            with contextlib.suppress(queue.Empty):
                reader = threading.Thread(target=read)
                reader.start()
                while arrived.get(timeout=1) is not None:  # blocks the loop
                    received += 1
            assert 16 <= received <= 20
            await sink.ended()
            reader.join()
            assert received + arrived.qsize() - 1 == total
    backend.stop(None).wait()
