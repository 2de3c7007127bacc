"""Calls that end early: cancelled, past their deadline, disconnected, or answered before the half-close."""

import asyncio
import contextlib
import time

import grpc
import grpc.aio
import pytest

from loom.model import Address, CallEnded, CallStarted, EndedBy, HalfClosed, MessageSeen, StatusCode
from tests.support.h2peer import H2Stream, h2_backend, h2_client
from tests.support.quiescence import final_value
from tests.support.sinks import ListSink
from tests.support.zoo import SeenCall

from .conftest import Relay, running_relay

MIB = 1 << 20


async def write_until_blocked(call: "grpc.aio.StreamStreamCall[bytes, bytes]", message: bytes) -> int:
    """Write until flow control blocks; return the number of bytes written."""
    written = 0
    with contextlib.suppress(TimeoutError):
        while True:
            async with asyncio.timeout(0.5):
                await call.write(message)
            written += len(message)
    return written


async def wait_until_blocked(call: SeenCall) -> int:
    """Wait until flow control blocks the backend; return the number of bytes that it wrote."""
    return await final_value(lambda: call.size)


async def test_cancelling_while_a_request_is_blocked_on_flow_control(relay: Relay) -> None:
    call = relay.call("Hang")
    upstream = await relay.zoo.call()
    assert await write_until_blocked(call, bytes(MIB)) > 0
    call.cancel()
    async with asyncio.timeout(10):
        await upstream.cancelled.wait()
        end = (await relay.sink.ended())[0]
    assert (end.status.code, end.ended_by) == (StatusCode.CANCELLED, EndedBy.CLIENT)


async def test_cancelling_while_a_response_is_blocked_on_flow_control(relay: Relay) -> None:
    call = relay.call("Flood")
    upstream = await relay.zoo.call()
    await wait_until_blocked(upstream)
    call.cancel()
    async with asyncio.timeout(10):
        await upstream.cancelled.wait()
        end = (await relay.sink.ended())[0]
    assert (end.status.code, end.ended_by) == (StatusCode.CANCELLED, EndedBy.CLIENT)


@pytest.mark.parametrize("method", ["Hang", "Flood"])
async def test_the_deadline_passes_while_a_write_is_blocked(relay: Relay, method: str) -> None:
    call = relay.call(method, timeout=1)
    upstream = await relay.zoo.call()
    with contextlib.suppress(grpc.aio.AioRpcError, asyncio.InvalidStateError):
        while True:
            await call.write(bytes(MIB))
    async with asyncio.timeout(10):
        await upstream.cancelled.wait()
        end = (await relay.sink.ended())[0]
    assert (end.status.code, end.ended_by) == (StatusCode.DEADLINE_EXCEEDED, EndedBy.DEADLINE)


def set_clock(monkeypatch: pytest.MonkeyPatch, hours: float) -> None:
    """Shift the system clock, as NTP may, for Python and for the Python side of grpcio."""
    real = time.time
    monkeypatch.setattr(time, "time", lambda: real() + hours * 3600)


async def test_a_cancellation_stays_one_when_the_clock_is_set_forward(
    relay: Relay, monkeypatch: pytest.MonkeyPatch
) -> None:
    call = relay.call("Hang", timeout=60)
    await relay.zoo.call()
    set_clock(monkeypatch, 1)
    call.cancel()
    end = (await relay.sink.ended())[0]
    assert (end.status.code, end.ended_by) == (StatusCode.CANCELLED, EndedBy.CLIENT)


async def test_a_deadline_passes_when_the_clock_is_set_back(
    relay: Relay, monkeypatch: pytest.MonkeyPatch
) -> None:
    call = relay.call("Hang", timeout=2)
    await relay.zoo.call()
    set_clock(monkeypatch, -1)
    assert await call.code() is grpc.StatusCode.DEADLINE_EXCEEDED
    end = (await relay.sink.ended())[0]
    assert (end.status.code, end.ended_by) == (StatusCode.DEADLINE_EXCEEDED, EndedBy.DEADLINE)


@pytest.mark.parametrize("method", ["Early", "EarlyAfterOne", "NoSuchMethod"])
async def test_an_early_status_reaches_a_client_that_is_still_sending(relay: Relay, method: str) -> None:
    expected = {
        "Early": (grpc.StatusCode.PERMISSION_DENIED, "not for you", (("why", "policy"),)),
        "EarlyAfterOne": (grpc.StatusCode.FAILED_PRECONDITION, "the first was enough", (("why", "first"),)),
        "NoSuchMethod": (grpc.StatusCode.UNIMPLEMENTED, "Method not found!", ()),
    }[method]

    async def one() -> None:
        call = relay.call(method)

        async def send() -> None:
            with contextlib.suppress(grpc.aio.AioRpcError, asyncio.InvalidStateError):
                while True:
                    await call.write(bytes(10_000))

        # A grpcio call loses the status when a write fails: get it by reading.
        sending = asyncio.ensure_future(send())
        with contextlib.suppress(grpc.aio.AioRpcError):
            while await call.read() is not grpc.aio.EOF:
                pass
        await sending

    for _ in range(20):
        await asyncio.gather(*(one() for _ in range(10)))
    ends = await relay.sink.ended(200)
    assert {(end.status.code, end.status.message) for end in ends} == {(expected[0].value[0], expected[1])}
    assert {end.ended_by for end in ends} == {EndedBy.BACKEND}


async def test_an_early_status_on_the_wire_is_the_backends_each_time() -> None:
    """With a bare client, as grpcio's may lose the status."""

    async def behave(stream: H2Stream) -> None:
        await stream.until_data(10)
        stream.send_headers(
            [
                (":status", "200"),
                ("content-type", "application/grpc"),
                ("grpc-status", "9"),
                ("grpc-message", "enough"),
                ("why", "first"),
            ],
            end=True,
        )

    sink = ListSink()
    async with (
        h2_backend(behave) as backend,
        running_relay(Address("127.0.0.1", backend.port), sink) as (engine, _),
        h2_client(engine.port) as client,
    ):
        for _ in range(100):
            stream = client.call("/a.B/C")
            while not {"end", "reset", "lost"} & set(stream.names()):
                if stream.room > 2005:
                    stream.send_message(bytes(2000))
                await asyncio.sleep(0)
            # On a busy machine the initial metadata may be sent before the status (docs/explanation/transparency.md).
            block = "trailers" if "trailers" in stream.names() else "headers"
            assert stream.header("grpc-status", block) == ["9"]
            assert stream.header("grpc-message", block) == ["enough"]
            assert stream.header("why", block) == ["first"]


@pytest.mark.parametrize("cause", ["reset", "abort", "deadline"])
async def test_an_interrupted_upload_never_looks_complete(cause: str) -> None:
    """C-core reports a cancellation as the end of the messages; the backend must not receive a half-close."""

    async def behave(stream: H2Stream) -> None:
        await stream.until("end", "reset", "lost")

    sink = ListSink()
    extra = [("grpc-timeout", "5m")] if cause == "deadline" else []
    async with (
        h2_backend(behave) as backend,
        running_relay(Address("127.0.0.1", backend.port), sink) as (engine, _),
    ):
        for round_ in range(60):
            async with h2_client(engine.port) as client:
                before = len(sink.of(MessageSeen))
                streams = [client.call("/a.B/Upload", *extra) for _ in range(20)]
                for stream in streams:
                    stream.send_message(b"part of it")
                if cause != "deadline":
                    await sink.until(lambda: len(sink.of(MessageSeen)) > before)  # noqa: B023 (awaited here)
                if cause == "reset":
                    for stream in streams[round_ % 5 :]:
                        if not {"end", "reset"} & set(stream.names()):
                            stream.reset(8)
                elif cause == "deadline":
                    await streams[-1].until("end", "reset")
        for stream in backend.streams:
            await stream.until("end", "reset", "lost")
        assert not [stream.log for stream in backend.streams if "end" in stream.names()]
        await sink.until(lambda: len(sink.of(CallEnded)) == len(sink.of(CallStarted)))
        assert not sink.of(HalfClosed)
        assert len(backend.streams) > 60


async def test_the_client_disconnects(relay: Relay) -> None:
    async with h2_client(relay.engine.port) as client:
        client.call("/zoo.Zoo/Hang").send_message(b"x")
        upstream = await relay.zoo.call()
    async with asyncio.timeout(10):
        await upstream.cancelled.wait()
        end = (await relay.sink.ended())[0]
    assert (end.status.code, end.ended_by) == (StatusCode.CANCELLED, EndedBy.CLIENT)


async def test_the_target_disconnects() -> None:
    async def behave(stream: H2Stream) -> None:
        await stream.until_data(6)
        stream.send_headers([(":status", "200"), ("content-type", "application/grpc"), ("seen", "yes")])
        stream.send_message(b"one")
        await stream.until_data(12)
        stream.peer.close()

    sink = ListSink()
    async with (
        h2_backend(behave) as backend,
        running_relay(Address("127.0.0.1", backend.port), sink) as (engine, _),
        h2_client(engine.port) as client,
    ):
        stream = client.call("/a.B/C")
        stream.send_message(b"1")
        await stream.until_data(8)
        stream.send_message(b"2")
        await stream.until("trailers")
        assert stream.header("grpc-status", "trailers") == ["14"]
        end = (await sink.ended())[0]
    assert end.status.code == StatusCode.UNAVAILABLE
    assert end.ended_by is EndedBy.BACKEND
    assert "connection to the target" in end.note


async def test_calls_that_end_early_leave_none_open(relay: Relay) -> None:
    for method in ("Hang", "Headers", "Flood", "Early", "NoSuchMethod", "Partial"):
        calls = [relay.call(method) for _ in range(10)]
        await asyncio.gather(*(call.write(b"x") for call in calls), return_exceptions=True)
        for call in calls:
            call.cancel()
    async with asyncio.timeout(60):
        # Calls arrive in order: when this one has ended, all before it have started or never will.
        last = relay.call("Echo")
        await last.done_writing()
        assert await last.code() is grpc.StatusCode.OK
        await relay.sink.until(lambda: len(relay.sink.of(CallEnded)) == len(relay.sink.of(CallStarted)))
    assert not relay.engine._calls
