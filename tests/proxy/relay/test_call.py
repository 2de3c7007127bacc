"""One call through the relay: what each side receives, and the events."""

import asyncio

import grpc
import grpc.aio
import pytest

from loom.model import (
    CallEnded,
    CallStarted,
    Direction,
    EndedBy,
    Event,
    HalfClosed,
    MessageSeen,
    MetadataSeen,
    Section,
    StatusCode,
)
from tests.support.raw_calls import stream_unary, unary_stream, unary_unary

from .conftest import Relay


async def read_all(call: "grpc.aio.StreamStreamCall[bytes, bytes]") -> list[bytes]:
    return [message async for message in call]


async def send(call: "grpc.aio.StreamStreamCall[bytes, bytes]", *messages: bytes) -> None:
    for message in messages:
        await call.write(message)
    await call.done_writing()


async def test_ping_pong(relay: Relay) -> None:
    call = relay.call("Echo")
    for number in range(20):
        await call.write(b"ping %d" % number)
        assert await call.read() == b"ping %d" % number
    await call.done_writing()
    assert await call.read() is grpc.aio.EOF
    assert await call.code() is grpc.StatusCode.OK


def is_from_backend(event: Event) -> bool:
    """Whether the event was caused by the backend."""
    if isinstance(event, MetadataSeen):
        return event.section is not Section.REQUEST
    if isinstance(event, MessageSeen):
        return event.direction is Direction.RESPONSE
    return isinstance(event, CallEnded)


async def test_events_of_a_call_in_order(relay: Relay) -> None:
    call = relay.call("Echo", metadata=(("echo-a", "1"),))
    await call.write(b"one")
    await call.read()
    await send(call, b"")
    await call.read()
    assert await call.read() is grpc.aio.EOF
    await relay.sink.ended()
    # Each side's events are in order; the two sides interleave freely.
    events = relay.sink.events
    assert [type(event) for event in events if not is_from_backend(event)] == [
        CallStarted,
        MetadataSeen,
        MessageSeen,
        MessageSeen,
        HalfClosed,
    ]
    assert [type(event) for event in events if is_from_backend(event)] == [
        MetadataSeen,
        MessageSeen,
        MessageSeen,
        MetadataSeen,
        CallEnded,
    ]
    started = relay.sink.of(CallStarted)[0]
    assert started.method == "/zoo.Zoo/Echo"
    assert started.peer.startswith("ipv4:127.0.0.1:")
    assert started.target == relay.zoo.address
    assert started.deadline_ns is None
    assert [event.section for event in relay.sink.of(MetadataSeen)] == [
        Section.REQUEST,
        Section.INITIAL,
        Section.TRAILING,
    ]
    assert [(event.direction, event.data) for event in relay.sink.of(MessageSeen)] == [
        (Direction.REQUEST, b"one"),
        (Direction.RESPONSE, b"one"),
        (Direction.REQUEST, b""),
        (Direction.RESPONSE, b""),
    ]
    assert sorted(event.time_ns for event in events) == [event.time_ns for event in events]


async def test_unary_client_stream_and_server_stream(relay: Relay) -> None:
    unary = unary_unary(relay.channel, "/zoo.Zoo/Unary")
    assert await unary(b"hello") == b"hello"
    collect = stream_unary(relay.channel, "/zoo.Zoo/Collect")
    assert await collect(iter([b"a", b"bb", b"ccc"])) == b"3 6"
    repeat = unary_stream(relay.channel, "/zoo.Zoo/Repeat")
    assert [len(message) async for message in repeat(b"5 1000")] == [1000] * 5


async def test_an_unknown_method(relay: Relay) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as raised:
        await unary_unary(relay.channel, "/no.Such/Method")(b"x")
    assert raised.value.code() is grpc.StatusCode.UNIMPLEMENTED
    assert raised.value.details() == "Method not found!"
    assert (await relay.sink.ended())[0].ended_by is EndedBy.BACKEND


async def test_empty_messages(relay: Relay) -> None:
    call = relay.call("Empties")
    await send(call, b"", b"")
    assert await read_all(call) == [b"", b"", b""]


async def test_ok_without_a_message(relay: Relay) -> None:
    call = relay.call("Nothing")
    await send(call)
    assert await read_all(call) == []
    assert await call.code() is grpc.StatusCode.OK
    assert tuple(await call.trailing_metadata()) == (("end", "quiet"),)


@pytest.mark.parametrize("code", list(StatusCode))
async def test_all_codes_with_unicode_message_details_and_trailers(relay: Relay, code: StatusCode) -> None:
    message = "" if code is StatusCode.OK else "grüße, 世界 % \n ☃"
    metadata = (("zoo-code", str(int(code))), ("zoo-message-bin", message.encode()), ("zoo-details", "yes"))
    call = relay.call("Status", metadata=metadata)
    assert (await call.code()).value[0] == code
    assert await call.details() == message
    assert tuple(await call.initial_metadata()) == ()
    assert tuple(await call.trailing_metadata()) == (
        ("zoo-trailer", "one"),
        ("zoo-trailer", "two"),
        ("zoo-bin", b"\x00\xff"),
        ("grpc-status-details-bin", b"\x08\x05\x12\x04zoo!"),
    )
    end = (await relay.sink.ended())[0]
    assert end.status.code == code
    assert end.status.message == message
    assert end.status.details == b"\x08\x05\x12\x04zoo!"
    assert end.ended_by is EndedBy.BACKEND


async def test_messages_before_an_error_arrive(relay: Relay) -> None:
    call = relay.call("Partial")
    messages = [await call.read() for _ in range(3)]
    assert messages == [b"part 0", b"part 1", b"part 2"]
    assert await call.code() is grpc.StatusCode.RESOURCE_EXHAUSTED


async def test_metadata_repeated_and_binary_in_order_both_ways(relay: Relay) -> None:
    sent = (
        ("echo-k", "1"),
        ("echo-k", "2"),
        ("echo-b-bin", bytes(range(256))),
        ("echo-k", ""),
        ("other", "x"),
    )
    call = relay.call("Echo", metadata=sent)
    await send(call)
    assert await read_all(call) == []
    upstream = await relay.zoo.call()
    assert upstream.values("echo-k") == ["1", "2", ""]
    assert upstream.values("echo-b-bin") == [bytes(range(256))]
    assert upstream.values("other") == ["x"]
    initial = await call.initial_metadata()
    assert initial.get_all("echo-k") == ["1", "2", ""]
    assert initial.get_all("echo-b-bin") == [bytes(range(256))]
    assert (await call.trailing_metadata()).get_all("t-echo-k") == ["1", "2", ""]


async def test_the_clients_user_agent_comes_first(relay: Relay) -> None:
    call = relay.call("Nothing")
    await send(call)
    await read_all(call)
    assert str((await relay.zoo.call()).values("user-agent")[0]).startswith("zoo-client/1 ")


async def test_initial_metadata_is_forwarded_before_any_message(relay: Relay) -> None:
    call = relay.call("Headers")
    async with asyncio.timeout(10):
        initial = await call.initial_metadata()
    assert tuple(initial) == (("early", "yes"), ("early-bin", b"\x01"))
    assert not call.done()
    call.cancel()
    await relay.sink.ended()


async def test_empty_initial_metadata_is_forwarded_before_any_message(relay: Relay) -> None:
    call = relay.call("BareHeaders")
    async with asyncio.timeout(10):
        assert tuple(await call.initial_metadata()) == ()
    assert not call.done()
    call.cancel()
    await relay.sink.ended()


async def test_a_cancellation_reaches_the_backend(relay: Relay) -> None:
    call = relay.call("Hang")
    upstream = await relay.zoo.call()
    call.cancel()
    async with asyncio.timeout(10):
        await upstream.cancelled.wait()
    end = (await relay.sink.ended())[0]
    assert (end.status.code, end.ended_by) == (StatusCode.CANCELLED, EndedBy.CLIENT)


async def test_the_deadline_reaches_the_backend(relay: Relay) -> None:
    call = relay.call("Hang", timeout=0.5)
    upstream = await relay.zoo.call()
    assert upstream.remaining is not None
    assert 0 < upstream.remaining <= 1.5  # half a second, on gRPC's clock, which drifts
    assert await call.code() is grpc.StatusCode.DEADLINE_EXCEEDED
    end = (await relay.sink.ended())[0]
    assert (end.status.code, end.ended_by) == (StatusCode.DEADLINE_EXCEEDED, EndedBy.DEADLINE)
    started = relay.sink.of(CallStarted)[0]
    assert started.deadline_ns is not None
    assert 0 < started.deadline_ns - started.time_ns <= 1_500_000_000


async def test_a_bug_in_loom_ends_the_call_with_internal(
    relay: Relay, caplog: pytest.LogCaptureFixture
) -> None:
    await relay.target.close()
    call = relay.call("Echo")
    assert await call.code() is grpc.StatusCode.INTERNAL
    assert str(await call.details()).startswith("Loom failed to forward the call: ")
    end = (await relay.sink.ended())[0]
    assert (end.status.code, end.ended_by) == (StatusCode.INTERNAL, EndedBy.LOOM)
    assert "forwarding /zoo.Zoo/Echo failed" in caplog.text
