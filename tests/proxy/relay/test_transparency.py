"""What the relay forwards exactly and what grpcio alters in passing, seen on the wire by a bare client and backend.

docs/transparency.md lists both; a change here is a change there.
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

from .conftest import relaying

HEADERS: Headers = [(":status", "200"), ("content-type", "application/grpc")]
GRPCIO = "grpc-c/"
OWN_KEYS = {
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
    """One message and OK, once the client has half-closed."""
    await stream.until("end")
    stream.send_headers(HEADERS)
    stream.send_message(b"answer")
    stream.send_headers([("grpc-status", "0")], end=True)


@dataclass
class Bare:
    """A bare client and a bare backend with the relay between them."""

    client: H2Peer
    backend: H2Backend
    sink: ListSink

    async def call(
        self, *extra: tuple[str, str], message: bytes = b"request", compressed: bool = False
    ) -> H2Stream:
        """One call with one message, to its end; the client's view of it."""
        stream = self.client.call("/a.B/C", *extra)
        stream.send_message(message, end=True, compressed=compressed)
        await stream.until("end", "reset")
        return stream

    @property
    def upstream(self) -> H2Stream:
        """The backend's view of the newest call."""
        return self.backend.streams[-1]

    def upstream_custom(self) -> Headers:
        """What the backend got beside what each connection makes anew."""
        return [(key, value) for key, value in self.upstream.headers() if key not in OWN_KEYS]


@asynccontextmanager
async def bare(behave: Behaviour = answer, **options: str) -> AsyncIterator[Bare]:
    sink = ListSink()
    async with (
        asyncio.timeout(30),
        h2_backend(behave) as backend,
        relaying(Address("127.0.0.1", backend.port), sink, **options) as (engine, _),
        h2_client(engine.port) as client,
    ):
        yield Bare(client, backend, sink)


def answering(*blocks: Headers, message: bytes | None = None, end_with_data: bool = False) -> Behaviour:
    """A backend that sends the first block, a message if given, and the other blocks; then the stream's end."""

    async def behave(stream: H2Stream) -> None:
        await stream.until("end")
        stream.send_headers(blocks[0], end=len(blocks) == 1 and message is None)
        if message is not None:
            stream.send_message(message, end=end_with_data)
        for block in blocks[1:]:
            stream.send_headers(block, end=block is blocks[-1])

    return behave


# Exact


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
    async with bare(
        answering([*HEADERS, *initial], [("grpc-status", "0"), *trailing], message=b"x")
    ) as between:
        stream = await between.call(*sent)
        assert between.upstream_custom() == sent
        assert [item for item in stream.headers() if item[0] in {"i", "j"}] == initial
        assert [item for item in stream.headers("trailers") if item[0] in {"t", "s-bin"}] == trailing


@pytest.mark.parametrize("path", ["/a.B/C", "/only", "/a.B/C/D", "/weird path/x?y=1", "/"])
async def test_any_path_passes_as_it_is(path: str) -> None:
    async with bare() as between:
        stream = between.client.call(path)
        stream.send_message(b"x", end=True)
        await stream.until("end")
        assert between.upstream.header(":path") == [path]
        await between.sink.ended()
        assert between.sink.of(CallStarted)[0].method == path


async def test_a_trailers_only_answer_stays_one() -> None:
    only = [
        *HEADERS,
        ("grpc-status", "5"),
        ("grpc-message", "caf%C3%A9"),
        ("k", "v"),
        ("grpc-status-details-bin", "CAU"),
    ]
    async with bare(answering(only)) as between:
        stream = await between.call()
        assert stream.names() == ["headers", "end"] or stream.names() == ["headers", "end", "reset"]
        for key in ("grpc-status", "grpc-message", "k", "grpc-status-details-bin"):
            assert stream.header(key) == [value for name, value in only if name == key]


async def test_initial_metadata_comes_before_the_first_message() -> None:
    goes_on = asyncio.Event()

    async def behave(stream: H2Stream) -> None:
        stream.send_headers([*HEADERS, ("early", "yes")])
        await goes_on.wait()
        await answer_rest(stream)

    async def answer_rest(stream: H2Stream) -> None:
        stream.send_message(b"late")
        stream.send_headers([("grpc-status", "0")], end=True)

    async with bare(behave) as between:
        stream = between.client.call("/a.B/C")
        await stream.until("headers")
        assert stream.header("early") == ["yes"]
        assert stream.messages() == []
        goes_on.set()
        await stream.until("end")
        assert stream.messages() == [(False, b"late")]


async def test_a_half_close_passes_when_it_comes() -> None:
    async with bare() as between:
        stream = between.client.call("/a.B/C")
        stream.send_message(b"x")
        await between.sink.until(lambda: bool(between.backend.streams))
        await between.upstream.until_data(6)
        assert "end" not in between.upstream.names()
        stream.end()
        await between.upstream.until("end")


async def test_the_clients_reset_is_a_cancellation_for_the_backend() -> None:
    async def behave(stream: H2Stream) -> None:
        await stream.until("reset")

    async with bare(behave) as between:
        stream = between.client.call("/a.B/C")
        stream.send_message(b"x")
        await between.sink.until(lambda: bool(between.backend.streams))
        await between.upstream.until_data(6)
        stream.reset(2)  # whatever the client's reason, gRPC's only word for it is CANCEL
        assert await between.upstream.until("reset") == 8
        assert (await between.sink.ended())[0].ended_by is EndedBy.CLIENT


# Altered


async def test_the_user_agent_is_the_clients_with_grpcios_behind_it() -> None:
    async with bare() as between:
        await between.call(("user-agent", "grpc-go/1.85.0"))
        assert between.upstream.header("user-agent")[0].startswith(f"grpc-go/1.85.0 {GRPCIO}")
        await between.call()
        assert between.upstream.header("user-agent")[0].startswith(GRPCIO)


async def test_user_agents_beyond_the_pool_share_a_connection_without_their_token() -> None:
    async with bare() as between:
        for number in range(MAX_CHANNELS + 2):
            await between.call(("user-agent", f"many/{number}"))
        assert between.upstream.header("user-agent")[0].startswith(GRPCIO)
        assert len(between.backend.peers) == MAX_CHANNELS + 1


async def test_the_authority_is_the_targets_or_the_one_asked_for() -> None:
    async with bare() as between:
        await between.call()
        assert between.upstream.header(":authority") == [f"127.0.0.1:{between.backend.port}"]
    async with bare(authority="shop.test") as between:
        await between.call()
        assert between.upstream.header(":authority") == ["shop.test"]


async def test_the_content_type_loses_its_subtype() -> None:
    async with bare() as between:
        headers = [(":method", "POST"), (":scheme", "http"), (":path", "/a.B/C"), (":authority", "x")]
        stream = between.client.open(
            [*headers, ("content-type", "application/grpc+json"), ("te", "trailers")]
        )
        stream.send_message(b"{}", end=True)
        await stream.until("end")
        assert between.upstream.header("content-type") == ["application/grpc"]
        assert stream.header("content-type") == ["application/grpc"]


async def test_gzip_is_undone_both_ways() -> None:
    packed = gzip.compress(b"zip" * 100)

    async def behave(stream: H2Stream) -> None:
        await stream.until("end")
        stream.send_headers([*HEADERS, ("grpc-encoding", "gzip")])
        stream.send_message(packed, compressed=True)
        stream.send_headers([("grpc-status", "0")], end=True)

    async with bare(behave) as between:
        stream = await between.call(
            ("grpc-encoding", "gzip"), ("grpc-accept-encoding", "gzip"), message=packed, compressed=True
        )
        assert between.upstream.messages() == [(False, b"zip" * 100)]
        assert between.upstream.header("grpc-encoding") == []
        assert between.upstream.header("grpc-accept-encoding") == ["identity, deflate, gzip"]
        assert stream.messages() == [(False, b"zip" * 100)]


async def test_compression_that_grpcio_does_not_know_is_refused() -> None:
    async with bare() as between:
        stream = await between.call(("grpc-encoding", "zstd"), message=b"?", compressed=True)
        assert stream.header("grpc-status") == ["13"]


@pytest.mark.parametrize(
    ("sent", "received"),
    [("99999999H", "27000H"), ("1H", "3600S"), ("90S", "90S"), ("1500m", "1500m"), ("30000000u", "30S")],
)
async def test_timeouts_are_passed_on_rounded_and_clamped(sent: str, received: str) -> None:
    seconds = {"H": 3600.0, "M": 60.0, "S": 1.0, "m": 0.001, "u": 0.000001, "n": 1e-9}
    async with bare() as between:
        stream = await between.call(("grpc-timeout", sent))
        (got,) = between.upstream.header("grpc-timeout")
        expected = int(received[:-1]) * seconds[received[-1]]
        # What has passed until then is taken off, and the rest rounded up to at most three digits.
        assert expected * 0.8 <= int(got[:-1]) * seconds[got[-1]] <= expected
        assert stream.header("grpc-status", "trailers") == ["0"]


async def test_text_values_that_grpc_does_not_allow_are_left_out_and_noted() -> None:
    trailing = [("grpc-status", "0"), ("t", "fine"), ("u", "gr\u00fc\u00dfe")]
    async with bare(answering(HEADERS, trailing, message=b"x")) as between:
        stream = await between.call(("tab", "a\tb"), ("ok", "yes"))
        assert between.upstream_custom() == [("ok", "yes")]
        assert stream.header("t", "trailers") == ["fine"]
        assert stream.header("u", "trailers") == []
        end = (await between.sink.ended())[0]
        assert "tab" in end.note
        assert "u" in end.note


async def test_metadata_that_grpcio_keeps_to_itself() -> None:
    hidden = [("grpc-trace-bin", "AAAA"), ("grpc-tags-bin", "AAAA"), ("grpc-previous-rpc-attempts", "2")]
    async with bare() as between:
        await between.call(*hidden, ("traceparent", "00-1"))
        assert between.upstream_custom() == [("traceparent", "00-1")]


async def test_standard_keys_move_before_the_others() -> None:
    async with bare() as between:
        await between.call(("k", "1"), ("traceparent", "00-1"))
        assert between.upstream_custom() == [("traceparent", "00-1"), ("k", "1")]


async def test_binary_values_joined_by_a_comma_are_refused() -> None:
    async with bare() as between:
        stream = await between.call(("x-bin", "AAE,AAE"))
        assert stream.header("grpc-status") == ["13"]


async def test_codes_that_grpc_does_not_have_become_unknown() -> None:
    async with bare(answering([*HEADERS, ("grpc-status", "42"), ("grpc-message", "odd")])) as between:
        stream = await between.call()
        assert stream.header("grpc-status") == ["2"]
        assert stream.header("grpc-message") == ["odd"]


async def test_the_text_of_an_ok_status_is_dropped() -> None:
    async with bare(
        answering(HEADERS, [("grpc-status", "0"), ("grpc-message", "fine")], message=b"x")
    ) as between:
        stream = await between.call()
        assert stream.header("grpc-message", "trailers") == [""]


async def test_percent_signs_that_encode_nothing_are_encoded() -> None:
    async with bare(answering([*HEADERS, ("grpc-status", "3"), ("grpc-message", "100%zz")])) as between:
        stream = await between.call()
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
async def test_the_targets_reset_becomes_a_status(code: int, status: str) -> None:
    async def behave(stream: H2Stream) -> None:
        await stream.until("end")
        stream.send_headers(HEADERS)
        stream.send_message(b"x")
        stream.reset(code)

    async with bare(behave) as between:
        stream = await between.call()
        told = "trailers" if "trailers" in stream.names() else "headers"
        assert stream.header("grpc-status", told) == [status]
        end = (await between.sink.ended())[0]
        assert end.note == f"the target reset the stream with HTTP/2 error code {code}"
        assert end.ended_by is EndedBy.BACKEND


async def test_messages_without_trailers_end_as_unknown() -> None:
    async with bare(answering(HEADERS, message=b"x", end_with_data=True)) as between:
        stream = await between.call()
        told = "trailers" if "trailers" in stream.names() else "headers"
        assert stream.header("grpc-status", told) == ["2"]


async def test_an_http_error_of_the_target_becomes_a_status() -> None:
    async with bare(answering([(":status", "503"), ("content-type", "text/html")])) as between:
        stream = await between.call()
        assert stream.header("grpc-status") == ["14"]
        assert stream.header("grpc-message") == ["Received http2 header with status: 503"]


async def test_empty_headers_right_before_a_status_become_trailers_only() -> None:
    async with bare(answering(HEADERS, [("grpc-status", "5")])) as between:
        stream = await between.call()
        assert stream.header("grpc-status") == ["5"]


@pytest.mark.parametrize("content_type", ["application/json", ""])
async def test_what_is_not_grpc_is_reset(content_type: str) -> None:
    async with bare() as between:
        headers = [
            (":method", "POST" if content_type else "GET"),
            (":scheme", "http"),
            (":path", "/"),
            (":authority", "x"),
        ]
        stream = between.client.open(
            [*headers, *([("content-type", content_type)] if content_type else [])], end=True
        )
        assert await stream.until("reset") == 2
        assert not between.sink.events
