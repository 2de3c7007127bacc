"""A connection with more traffic than can be inspected at once: all of it passes and is recorded, and others go on."""

import asyncio

from loom.model import CallStarted, MessageSeen
from tests.proxy.wire.http2_bytes import PREFACE, Peer, data, message, settings
from tests.proxy.wire.test_tunnel import close, connect, running_tunnel
from tests.support.sinks import ListSink

ROUNDS, MESSAGES = 8, 10_000


async def test_a_throttled_connection_loses_nothing_and_others_go_on() -> None:
    sink = ListSink()
    peer, other = Peer(), Peer()
    many = data(1, message(b"x" * 10)) * MESSAGES
    async with running_tunnel(sink) as (backend, engine):
        _, writer = await connect(engine.port)
        busy_reader, busy_writer = await backend.accept()
        _, other_writer = await connect(engine.port)
        reader, backend_writer = await backend.accept()
        first = PREFACE + settings() + peer.request(1)
        other_first = PREFACE + settings() + other.request(1, "/other.Service/Method")

        async def flood() -> None:
            writer.write(first)
            for _ in range(ROUNDS):
                writer.write(many)
                await writer.drain()

        async def receive() -> bytes:
            return await busy_reader.readexactly(len(first) + ROUNDS * len(many))

        sending, receiving = asyncio.create_task(flood()), asyncio.create_task(receive())
        other_writer.write(other_first)
        assert await reader.readexactly(len(other_first)) == other_first
        for number in range(20):
            part = data(1, message(b"%d" % number))
            other_writer.write(part)
            assert await reader.readexactly(len(part)) == part
        await sending
        assert await receiving == first + many * ROUNDS
        await close(writer, busy_writer, other_writer, backend_writer)
    calls = {event.call_id: event.method for event in sink.events if isinstance(event, CallStarted)}
    counts = dict.fromkeys(calls.values(), 0)
    for event in sink.events:
        if isinstance(event, MessageSeen):
            counts[calls[event.call_id]] += 1
    assert counts == {"/a.B/C": ROUNDS * MESSAGES, "/other.Service/Method": 20}
