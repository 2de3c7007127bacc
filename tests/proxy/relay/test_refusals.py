"""What gRPC's library in Loom refuses: whose end it is, the hint to the wire engine, and that no other call suffers."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import grpc
import grpc.aio
import pytest

from loom.model import Address, CallEnded, EndedBy, Kind, StatusCode
from tests.support.h2peer import H2Peer, H2Stream, Headers, h2_backend, h2_client
from tests.support.raw_calls import unary_unary
from tests.support.sinks import ListSink

from .conftest import running_relay

HEADERS: Headers = [(":status", "200"), ("content-type", "application/grpc")]
OK: Headers = [("grpc-status", "0")]
TRUNCATED = b"\x00\x00\x00\x00\x0aAAA"
"""Three of the ten bytes that the prefix of the message announces."""

Behaviour = Callable[[H2Stream], Awaitable[None]]


async def answer(stream: H2Stream) -> None:
    await stream.until("end")
    stream.send_headers(HEADERS)
    stream.send_message(b"answer")
    stream.send_headers(OK, end=True)


@asynccontextmanager
async def running(
    behave: Behaviour = answer, **options: Any
) -> AsyncIterator[tuple[H2Peer, ListSink, Callable[[], Any]]]:
    """A bare client of a relay to a bare backend, its sink, and what connects another client."""
    sink = ListSink()
    async with (
        asyncio.timeout(60),
        h2_backend(behave) as backend,
        running_relay(Address("127.0.0.1", backend.port), sink, **options) as (engine, _),
        h2_client(engine.port) as client,
    ):
        yield client, sink, lambda: h2_client(engine.port)


async def call(
    client: H2Peer, *extra: tuple[str, str], data: bytes | None = None, compressed: bool = False
) -> H2Stream:
    """One call with one message, or with ``data``, to its end."""
    stream = client.call("/a.B/C", *extra)
    if data is None:
        stream.send_message(b"request", end=True, compressed=compressed)
    else:
        stream.send_data(data, end=True)
    await stream.until("end", "reset", "lost")
    return stream


def status_of(stream: H2Stream) -> str:
    block = "trailers" if "trailers" in stream.names() else "headers"
    return stream.header("grpc-status", block)[0]


async def end_of(sink: ListSink, number: int = 0) -> CallEnded:
    return (await sink.ended(number + 1))[number]


@pytest.mark.parametrize(
    ("extra", "compressed", "reason"),
    [
        (("grpc-encoding", "zstd"), False, "a grpc-encoding other than gzip and deflate"),
        (("grpc-encoding", "snappy"), True, "a grpc-encoding other than gzip and deflate"),
        (("grpc-timeout", "soon"), False, "a malformed grpc-timeout"),
        (("x-bin", "AAE,AAE"), False, "x-bin: not one value in base64"),
        (("x-bin", "a!!b"), False, "x-bin: not one value in base64"),
        (("Upper", "x"), False, "Upper: not a metadata key of gRPC, which are lowercase"),
        (("grpc-encoding", "gzip"), True, "could not decompress a message of the request"),
        (("x", "y"), True, "could not decompress a message of the request"),
    ],
)
async def test_a_request_that_grpcio_refuses_is_ended_by_loom(
    extra: tuple[str, str], compressed: bool, reason: str
) -> None:
    """The client reads INTERNAL, as it does from a bare grpcio server."""
    async with running() as (client, sink, _):
        assert status_of(await call(client, extra, compressed=compressed)) == "13"
        end = await end_of(sink)
        assert (end.status.code, end.ended_by) == (StatusCode.INTERNAL, EndedBy.LOOM)
        assert reason in end.note
        assert end.note.endswith("--engine wire forwards it unchanged")


async def test_a_client_that_cancels_at_once_after_calls_that_were_accepted() -> None:
    """C-core reports it in one of two ways, of which one looks like a refusal."""
    async with running() as (client, sink, _):
        assert status_of(await call(client)) == "0"
        for _ in range(30):
            client.call("/a.B/C").reset(8)
        ends = await sink.ended(31)
        assert {(end.status.code, end.ended_by) for end in ends[1:]} == {
            (StatusCode.CANCELLED, EndedBy.CLIENT)
        }
        assert {end.note[:28] for end in ends[1:]} <= {"", "the client cancelled at once"}


async def test_a_client_whose_first_call_is_cancelled_at_once() -> None:
    """It may look like a refusal, and is then shown as one, which says that it may have been a cancellation."""
    async with running() as (_, sink, connect):
        for number in range(20):
            async with connect() as client:
                client.call("/a.B/C").reset(8)
                end = await end_of(sink, number)
            if end.ended_by is EndedBy.LOOM:
                assert end.status.code == StatusCode.INTERNAL
                assert "a client that cancels in the instant in which it calls looks the same" in end.note
            else:
                assert (end.status.code, end.ended_by) == (StatusCode.CANCELLED, EndedBy.CLIENT)


@pytest.mark.parametrize(
    ("extra", "by", "note"),
    [
        (("grpc-encoding", "zstd"), EndedBy.CLIENT, "refused the request's metadata (a grpc-encoding"),
        (("x-bin", "a!!b"), EndedBy.LOOM, "refused the request's metadata (x-bin: not one value in base64)"),
    ],
)
async def test_a_refusal_after_calls_that_were_accepted_is_known_by_what_shows(
    extra: tuple[str, str], by: EndedBy, note: str
) -> None:
    async with running() as (client, sink, _):
        assert status_of(await call(client)) == "0"
        assert status_of(await call(client, extra)) == "13"
        end = await end_of(sink, 1)
        assert end.ended_by is by
        assert note in end.note
        assert end.note.endswith("--engine wire forwards it unchanged")


async def test_a_later_message_that_cannot_be_decompressed() -> None:
    async with running() as (client, sink, _):
        stream = client.call("/a.B/C")
        stream.send_message(b"fine")
        await sink.until(lambda: len(sink.events) == 3)
        stream.send_message(b"not gzip", compressed=True)
        await stream.until("end", "reset")
        assert status_of(stream) == "13"
        end = await end_of(sink)
        assert (end.status.code, end.ended_by) == (StatusCode.INTERNAL, EndedBy.LOOM)
        assert "could not decompress" in end.note


@pytest.mark.parametrize("disconnect", [False, True])
@pytest.mark.parametrize("messages", [0, 1])
async def test_a_client_that_goes_away_is_not_refused(disconnect: bool, messages: int) -> None:
    calls: asyncio.Queue[H2Stream] = asyncio.Queue()

    async def behave(stream: H2Stream) -> None:
        calls.put_nowait(stream)
        await answer(stream)

    async with running(behave) as (_, sink, connect):
        for number in range(10):
            async with connect() as client:
                stream = client.call("/a.B/C")
                for _ in range(messages):
                    stream.send_message(b"request")
                await calls.get()  # the relay calls the backend once it has begun to read
                events = 2 + messages + number * (3 + messages)
                await sink.until(lambda: len(sink.events) >= events)  # noqa: B023 (awaited here)
                if disconnect:
                    client.close()
                else:
                    stream.reset(8)
                end = await end_of(sink, number)
            assert (end.status.code, end.ended_by) == (StatusCode.CANCELLED, EndedBy.CLIENT)


def answering(*blocks: Headers, data: bytes = b"", end_with_data: bool = False) -> Behaviour:
    async def behave(stream: H2Stream) -> None:
        await stream.until("end")
        stream.send_headers(blocks[0], end=len(blocks) == 1 and not data)
        if data:
            stream.send_data(data, end=end_with_data)
        for block in blocks[1:]:
            stream.send_headers(block, end=block is blocks[-1])

    return behave


@pytest.mark.parametrize(
    ("behave", "reason"),
    [
        (
            answering([*HEADERS, ("grpc-encoding", "zstd")], OK, data=b"\x01\x00\x00\x00\x01a"),
            "the target compresses with an encoding other than gzip and deflate",
        ),
        (answering(HEADERS, OK, data=b"\x01\x00\x00\x00\x01a"), "Compression bit set"),
        (
            answering([*HEADERS, ("grpc-encoding", "gzip")], OK, data=b"\x01\x00\x00\x00\x01a"),
            "Decompression failed",
        ),
        (answering(HEADERS, [("grpc-status", "oops")]), "Error parsing 'grpc-status' metadata"),
        (answering([*HEADERS, ("x-bin", "a!!b")], OK), "Error parsing 'x-bin' metadata"),
        (answering(HEADERS, [*OK, ("x-bin", "a!!b")]), "Error parsing 'x-bin' metadata"),
        (answering(HEADERS, [*OK, ("Upper", "x")]), "Illegal header key: Upper"),
    ],
)
async def test_an_answer_that_grpcio_refuses_names_the_wire_engine(behave: Behaviour, reason: str) -> None:
    async with running(behave) as (client, sink, _):
        assert status_of(await call(client)) == "13"
        end = await end_of(sink)
        assert (end.status.code, end.ended_by) == (StatusCode.INTERNAL, EndedBy.LOOM)
        assert reason in end.note
        assert "--engine wire forwards it unchanged" in end.note


async def test_a_value_that_the_target_sent_once_does_not_poison_its_connection() -> None:
    """C-core keeps an unparsable header in its HPACK table: each reference to its key would fail again."""
    values = iter(["AAAA", "a!!b", "AAAA", "AAAA"])

    async def behave(stream: H2Stream) -> None:
        await answering([*HEADERS, ("x-trace-bin", next(values))], OK)(stream)

    async with running(behave) as (_, sink, connect):
        statuses = []
        for _ in range(4):
            async with connect() as client:
                statuses.append(status_of(await call(client)))
        assert statuses == ["0", "13", "0", "0"]
        assert [end.ended_by is EndedBy.LOOM for end in await sink.ended(4)] == [False, True, False, False]


@pytest.mark.parametrize(
    ("key", "good", "bad"),
    [("x-bin", "AAAA", "a!!b"), ("grpc-encoding", "gzip", "zstd"), ("grpc-timeout", "9S", "soon")],
)
async def test_a_value_that_a_client_sent_once_does_not_poison_its_connection(
    key: str, good: str, bad: str
) -> None:
    async with running() as (client, _, _):
        statuses = [status_of(await call(client, (key, value))) for value in (good, bad, good, good)]
        assert statuses == ["0", "13", "0", "0"]


async def test_metadata_that_the_backend_refuses_is_not_looms_limit() -> None:
    """A backend on C-core refuses the request in the words in which Loom's own library refuses an answer."""
    server = grpc.aio.server()
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    sink = ListSink()
    async with (
        asyncio.timeout(30),
        running_relay(Address("127.0.0.1", port), sink) as (engine, _),
        grpc.aio.insecure_channel(f"127.0.0.1:{engine.port}") as channel,
    ):
        with pytest.raises(grpc.aio.AioRpcError) as raised:
            await unary_unary(channel, "/a.B/C")(b"x", metadata=[("big", "x" * 100_000)])
        assert raised.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
        end = await end_of(sink)
        assert (end.status.code, end.ended_by) == (StatusCode.RESOURCE_EXHAUSTED, EndedBy.BACKEND)
        assert end.note == ""
    await server.stop(0)


@pytest.mark.parametrize("kind", [Kind.UNARY, Kind.CLIENT])
async def test_ok_without_the_message_that_the_method_returns_is_noted(kind: Kind) -> None:
    """grpcio drops a message cut short, so that a client sees OK; grpc-go reports INTERNAL to a direct client."""
    async with running(answering(HEADERS, OK, data=TRUNCATED), kind_of=lambda _: kind) as (client, sink, _):
        assert status_of(await call(client)) == "0"
        assert (await end_of(sink)).note.startswith("the target answered OK without a message")


@pytest.mark.parametrize("kind", [Kind.UNARY, Kind.SERVER])
async def test_a_request_cut_short_is_noted(kind: Kind) -> None:
    async with running(kind_of=lambda _: kind) as (client, sink, _):
        await call(client, data=TRUNCATED)
        assert (await end_of(sink)).note.startswith("the client ended its side without a message")


async def test_streams_without_messages_need_no_note() -> None:
    async with running(answering(HEADERS, OK), kind_of=lambda _: Kind.BIDI) as (client, sink, _):
        await call(client, data=b"")
        assert (await end_of(sink)).note == ""


async def test_an_end_without_trailers_is_noted() -> None:
    async with running(answering(HEADERS, data=TRUNCATED, end_with_data=True)) as (client, sink, _):
        assert status_of(await call(client)) == "2"
        end = await end_of(sink)
        assert (end.status.code, end.ended_by) == (StatusCode.UNKNOWN, EndedBy.BACKEND)
        assert "ended the stream without a status" in end.note


async def test_a_target_that_cancels_at_the_deadline() -> None:
    """As grpc-go's server does; its clock may run out before Loom's."""

    async def behave(stream: H2Stream) -> None:
        (timeout,) = stream.header("grpc-timeout")
        assert timeout.endswith("m")
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(int(timeout[:-1]) / 1000 - 0.005):
                await stream.until("lost")
        stream.reset(8)

    async with running(behave) as (client, sink, _):
        for number in range(5):
            stream = client.call("/a.B/C", ("grpc-timeout", "200m"))
            await stream.until("end", "reset")
            assert status_of(stream) == "4"
            end = await end_of(sink, number)
            assert (end.status.code, end.ended_by) == (StatusCode.DEADLINE_EXCEEDED, EndedBy.DEADLINE)


async def test_a_target_that_cancels_before_the_deadline() -> None:
    async def behave(stream: H2Stream) -> None:
        await stream.until("end")
        stream.reset(8)

    async with running(behave) as (client, sink, _):
        assert status_of(await call(client, ("grpc-timeout", "60S"))) == "1"
        end = await end_of(sink)
        assert (end.status.code, end.ended_by) == (StatusCode.CANCELLED, EndedBy.BACKEND)
