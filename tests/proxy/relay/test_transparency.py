"""What the relay forwards unchanged and what grpcio alters, observed by a bare HTTP/2 client and backend.

docs/explanation/transparency.md lists both: change them together.
"""

import asyncio
import gzip
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

import pytest

from loom.model import Address, CallStarted, EndedBy
from loom.proxy.target import MAX_CHANNELS
from tests.support.h2peer import H2Backend, H2Peer, H2Stream, Headers, h2_backend, h2_client
from tests.support.sinks import ListSink

from .conftest import running_relay

HEADERS: Headers = [(":status", "200"), ("content-type", "application/grpc")]
GRPCIO = "grpc-c/"
TRANSPORT_KEYS = {
    ":method",
    ":path",
    ":scheme",
    ":authority",
    "te",
    "content-type",
    "grpc-accept-encoding",
    "user-agent",
}

Behaviour = Callable[[H2Stream], Awaitable[None]]


async def answer(stream: H2Stream) -> None:
    """Send one message and OK after the half-close."""
    await stream.until("end")
    stream.send_headers(HEADERS)
    stream.send_message(b"answer")
    stream.send_headers([("grpc-status", "0")], end=True)


@dataclass
class BareRelay:
    """The relay between a bare client and a bare backend."""

    client: H2Peer
    backend: H2Backend
    sink: ListSink
    port: int

    async def call(
        self, *extra: tuple[str, str], message: bytes = b"request", compressed: bool = False
    ) -> H2Stream:
        """Make one call with one message, to its end; return the client's stream."""
        stream = self.client.call("/a.B/C", *extra)
        stream.send_message(message, end=True, compressed=compressed)
        await stream.until("end", "reset")
        return stream

    @property
    def upstream(self) -> H2Stream:
        """The backend's stream of the newest call."""
        return self.backend.streams[-1]

    def upstream_custom(self) -> Headers:
        """The custom metadata that the backend received."""
        return [(key, value) for key, value in self.upstream.headers() if key not in TRANSPORT_KEYS]


@asynccontextmanager
async def running_bare_relay(behave: Behaviour = answer, **options: str) -> AsyncIterator[BareRelay]:
    sink = ListSink()
    async with (
        asyncio.timeout(30),
        h2_backend(behave) as backend,
        running_relay(Address("127.0.0.1", backend.port), sink, **options) as (engine, _),
        h2_client(engine.port) as client,
    ):
        yield BareRelay(client, backend, sink, engine.port)


def respond_with(*blocks: Headers, message: bytes | None = None, end_with_data: bool = False) -> Behaviour:
    """A behaviour that sends the first block, an optional message, and the other blocks; the last ends the stream."""

    async def behave(stream: H2Stream) -> None:
        await stream.until("end")
        stream.send_headers(blocks[0], end=len(blocks) == 1 and message is None)
        if message is not None:
            stream.send_message(message, end=end_with_data)
        for block in blocks[1:]:
            stream.send_headers(block, end=block is blocks[-1])

    return behave


# Unchanged


async def test_custom_metadata_keeps_order_repetition_and_bytes() -> None:
    sent = [
        ("k", "1"),
        ("a", "2"),
        ("k", "3"),
        ("b-bin", "AP8"),
        ("empty", ""),
        ("sp", " x "),
        ("b-bin", "AQ"),
    ]
    initial, trailing = [("i", "1"), ("j", "2"), ("i", "3")], [("t", "1"), ("s-bin", "AP8"), ("t", "2")]
    async with running_bare_relay(
        respond_with([*HEADERS, *initial], [("grpc-status", "0"), *trailing], message=b"x")
    ) as relay:
        stream = await relay.call(*sent)
        assert relay.upstream_custom() == sent
        assert [item for item in stream.headers() if item[0] in {"i", "j"}] == initial
        assert [item for item in stream.headers("trailers") if item[0] in {"t", "s-bin"}] == trailing


@pytest.mark.parametrize("path", ["/a.B/C", "/only", "/a.B/C/D", "/weird path/x?y=1", "/"])
async def test_any_path_is_unchanged(path: str) -> None:
    async with running_bare_relay() as relay:
        stream = relay.client.call(path)
        stream.send_message(b"x", end=True)
        await stream.until("end")
        assert relay.upstream.header(":path") == [path]
        await relay.sink.ended()
        assert relay.sink.of(CallStarted)[0].method == path


async def test_a_trailers_only_response_stays_one() -> None:
    only = [
        *HEADERS,
        ("grpc-status", "5"),
        ("grpc-message", "caf%C3%A9"),
        ("k", "v"),
        ("grpc-status-details-bin", "CAU"),
    ]
    async with running_bare_relay(respond_with(only)) as relay:
        stream = await relay.call()
        assert stream.names() == ["headers", "end"] or stream.names() == ["headers", "end", "reset"]
        for key in ("grpc-status", "grpc-message", "k", "grpc-status-details-bin"):
            assert stream.header(key) == [value for name, value in only if name == key]


async def test_initial_metadata_comes_before_the_first_message() -> None:
    resume = asyncio.Event()

    async def behave(stream: H2Stream) -> None:
        stream.send_headers([*HEADERS, ("early", "yes")])
        await resume.wait()
        await send_end(stream)

    async def send_end(stream: H2Stream) -> None:
        stream.send_message(b"late")
        stream.send_headers([("grpc-status", "0")], end=True)

    async with running_bare_relay(behave) as relay:
        stream = relay.client.call("/a.B/C")
        await stream.until("headers")
        assert stream.header("early") == ["yes"]
        assert stream.messages() == []
        resume.set()
        await stream.until("end")
        assert stream.messages() == [(False, b"late")]


async def test_a_half_close_is_forwarded_at_once() -> None:
    async with running_bare_relay() as relay:
        stream = relay.client.call("/a.B/C")
        stream.send_message(b"x")
        upstream = await relay.backend.stream()
        await upstream.until_data(6)
        assert "end" not in upstream.names()
        stream.end()
        await upstream.until("end")


async def test_a_reset_by_the_client_is_a_cancellation_for_the_backend() -> None:
    async def behave(stream: H2Stream) -> None:
        await stream.until("reset")

    async with running_bare_relay(behave) as relay:
        stream = relay.client.call("/a.B/C")
        stream.send_message(b"x")
        upstream = await relay.backend.stream()
        await upstream.until_data(6)
        stream.reset(2)  # whatever the client's code, gRPC cancels with CANCEL
        assert await upstream.until("reset") == 8
        assert (await relay.sink.ended())[0].ended_by is EndedBy.CLIENT


# Altered


async def test_the_user_agent_is_the_clients_followed_by_grpcios() -> None:
    async with running_bare_relay() as relay:
        await relay.call(("user-agent", "grpc-go/1.85.0"))
        assert relay.upstream.header("user-agent")[0].startswith(f"grpc-go/1.85.0 {GRPCIO}")
        await relay.call()
        assert relay.upstream.header("user-agent")[0].startswith(GRPCIO)


async def test_user_agents_beyond_the_pool_share_a_connection_without_their_token() -> None:
    async with running_bare_relay() as relay:
        for number in range(MAX_CHANNELS + 2):
            await relay.call(("user-agent", f"many/{number}"))
        assert relay.upstream.header("user-agent")[0].startswith(GRPCIO)
        assert len(relay.backend.peers) == MAX_CHANNELS + 1


async def test_the_authority_is_the_one_of_a_direct_call_or_the_configured_one() -> None:
    headers = [(":method", "POST"), (":scheme", "http"), (":path", "/a.B/C"), ("te", "trailers")]

    async def forwarded(relay: BareRelay, authority: str) -> list[str]:
        stream = relay.client.open(
            [*headers, (":authority", authority), ("content-type", "application/grpc")]
        )
        stream.send_message(b"", end=True)
        await stream.until("end")
        return relay.upstream.header(":authority")

    async with running_bare_relay() as relay:
        own = f"127.0.0.1:{relay.backend.port}"
        sent = ["shop.example", f"loom.example:{relay.port}", "orders:50051", "localhost:80"]
        received = [await forwarded(relay, authority) for authority in sent]
        assert received == [["shop.example"], [own], ["orders:50051"], [own]]
        await relay.sink.ended(len(sent))
        assert [event.authority for event in relay.sink.of(CallStarted)] == sent
    async with running_bare_relay(authority="shop.test") as relay:
        assert await forwarded(relay, "shop.example") == ["shop.test"]
        await relay.sink.ended()
        assert [event.authority for event in relay.sink.of(CallStarted)] == ["shop.example"]


async def test_the_content_type_loses_its_subtype() -> None:
    async with running_bare_relay() as relay:
        headers = [(":method", "POST"), (":scheme", "http"), (":path", "/a.B/C"), (":authority", "x")]
        stream = relay.client.open([*headers, ("content-type", "application/grpc+json"), ("te", "trailers")])
        stream.send_message(b"{}", end=True)
        await stream.until("end")
        assert relay.upstream.header("content-type") == ["application/grpc"]
        assert stream.header("content-type") == ["application/grpc"]


async def test_gzip_is_decompressed_both_ways() -> None:
    packed = gzip.compress(b"zip" * 100)

    async def behave(stream: H2Stream) -> None:
        await stream.until("end")
        stream.send_headers([*HEADERS, ("grpc-encoding", "gzip")])
        stream.send_message(packed, compressed=True)
        stream.send_headers([("grpc-status", "0")], end=True)

    async with running_bare_relay(behave) as relay:
        stream = await relay.call(
            ("grpc-encoding", "gzip"), ("grpc-accept-encoding", "gzip"), message=packed, compressed=True
        )
        assert relay.upstream.messages() == [(False, b"zip" * 100)]
        assert relay.upstream.header("grpc-encoding") == []
        assert relay.upstream.header("grpc-accept-encoding") == ["identity, deflate, gzip"]
        assert stream.messages() == [(False, b"zip" * 100)]


async def test_an_unknown_compression_is_refused() -> None:
    async with running_bare_relay() as relay:
        stream = await relay.call(("grpc-encoding", "zstd"), message=b"?", compressed=True)
        assert stream.header("grpc-status") == ["13"]


@pytest.mark.parametrize(
    ("sent", "received"),
    [("99999999H", "27000H"), ("1H", "3600S"), ("90S", "90S"), ("1500m", "1500m"), ("30000000u", "30S")],
)
async def test_timeouts_are_rounded_and_clamped(sent: str, received: str) -> None:
    seconds = {"H": 3600.0, "M": 60.0, "S": 1.0, "m": 0.001, "u": 0.000001, "n": 1e-9}
    async with running_bare_relay() as relay:
        stream = await relay.call(("grpc-timeout", sent))
        (forwarded,) = relay.upstream.header("grpc-timeout")
        expected = int(received[:-1]) * seconds[received[-1]]
        # The elapsed time is subtracted, and the remainder rounded up to at most three digits.
        assert expected * 0.8 <= int(forwarded[:-1]) * seconds[forwarded[-1]] <= expected
        assert stream.header("grpc-status", "trailers") == ["0"]


async def test_invalid_text_values_are_dropped_and_noted() -> None:
    trailing = [("grpc-status", "0"), ("t", "fine"), ("u", "gr\u00fc\u00dfe")]
    async with running_bare_relay(respond_with(HEADERS, trailing, message=b"x")) as relay:
        stream = await relay.call(("tab", "a\tb"), ("ok", "yes"))
        assert relay.upstream_custom() == [("ok", "yes")]
        assert stream.header("t", "trailers") == ["fine"]
        assert stream.header("u", "trailers") == []
        end = (await relay.sink.ended())[0]
        assert "tab" in end.note
        assert "u" in end.note


async def test_metadata_that_grpcio_removes() -> None:
    hidden = [("grpc-trace-bin", "AAAA"), ("grpc-tags-bin", "AAAA"), ("grpc-previous-rpc-attempts", "2")]
    async with running_bare_relay() as relay:
        await relay.call(*hidden, ("traceparent", "00-1"))
        assert relay.upstream_custom() == [("traceparent", "00-1")]


async def test_standard_keys_move_before_the_others() -> None:
    async with running_bare_relay() as relay:
        await relay.call(("k", "1"), ("traceparent", "00-1"))
        assert relay.upstream_custom() == [("traceparent", "00-1"), ("k", "1")]


async def test_binary_values_joined_by_a_comma_are_refused() -> None:
    async with running_bare_relay() as relay:
        stream = await relay.call(("x-bin", "AAE,AAE"))
        assert stream.header("grpc-status") == ["13"]


async def test_unassigned_codes_become_unknown() -> None:
    async with running_bare_relay(
        respond_with([*HEADERS, ("grpc-status", "42"), ("grpc-message", "odd")])
    ) as relay:
        stream = await relay.call()
        assert stream.header("grpc-status") == ["2"]
        assert stream.header("grpc-message") == ["odd"]


async def test_the_message_of_an_ok_status_is_dropped() -> None:
    async with running_bare_relay(
        respond_with(HEADERS, [("grpc-status", "0"), ("grpc-message", "fine")], message=b"x")
    ) as relay:
        stream = await relay.call()
        assert stream.header("grpc-message", "trailers") == [""]


async def test_percent_signs_that_encode_nothing_are_encoded() -> None:
    async with running_bare_relay(
        respond_with([*HEADERS, ("grpc-status", "3"), ("grpc-message", "100%zz")])
    ) as relay:
        stream = await relay.call()
        assert stream.header("grpc-message") == ["100%25zz"]


@pytest.mark.parametrize(
    ("code", "status"),
    [
        (0, "13"),
        (1, "13"),
        (2, "13"),
        (3, "13"),
        (5, "13"),
        (7, "14"),
        (8, "1"),
        (11, "8"),
        (12, "7"),
        (13, "13"),
    ],
)
async def test_a_reset_by_the_target_becomes_a_status(code: int, status: str) -> None:
    async def behave(stream: H2Stream) -> None:
        await stream.until("end")
        stream.send_headers(HEADERS)
        stream.send_message(b"x")
        stream.reset(code)

    async with running_bare_relay(behave) as relay:
        stream = await relay.call()
        block = "trailers" if "trailers" in stream.names() else "headers"
        assert stream.header("grpc-status", block) == [status]
        end = (await relay.sink.ended())[0]
        assert end.note == f"the target reset the stream with HTTP/2 error code {code}"
        assert end.ended_by is EndedBy.BACKEND


async def test_messages_without_trailers_end_as_unknown() -> None:
    async with running_bare_relay(respond_with(HEADERS, message=b"x", end_with_data=True)) as relay:
        stream = await relay.call()
        block = "trailers" if "trailers" in stream.names() else "headers"
        assert stream.header("grpc-status", block) == ["2"]


async def test_an_http_error_becomes_a_status() -> None:
    async with running_bare_relay(respond_with([(":status", "503"), ("content-type", "text/html")])) as relay:
        stream = await relay.call()
        assert stream.header("grpc-status") == ["14"]
        assert stream.header("grpc-message") == ["Received http2 header with status: 503"]


async def test_empty_headers_right_before_a_status_become_trailers_only() -> None:
    async with running_bare_relay(respond_with(HEADERS, [("grpc-status", "5")])) as relay:
        stream = await relay.call()
        assert stream.header("grpc-status") == ["5"]


@pytest.mark.parametrize("content_type", ["application/json", ""])
async def test_a_request_without_a_grpc_content_type_is_reset(content_type: str) -> None:
    async with running_bare_relay() as relay:
        headers = [
            (":method", "POST" if content_type else "GET"),
            (":scheme", "http"),
            (":path", "/"),
            (":authority", "x"),
        ]
        stream = relay.client.open(
            [*headers, *([("content-type", content_type)] if content_type else [])], end=True
        )
        assert await stream.until("reset") == 2
        assert not relay.sink.events
