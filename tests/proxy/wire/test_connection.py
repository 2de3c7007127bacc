"""A connection with valid bytes: its calls and their events."""

from typing import Any

import pytest

from loom.model import (
    CallEnded,
    CallStarted,
    Direction,
    EndedBy,
    HalfClosed,
    MessageSeen,
    MetadataSeen,
    Section,
    StatusCode,
)
from loom.model.status_mapping import ErrorCode
from loom.proxy.wire.limits import ConnectionLimits
from tests.proxy.wire import http2_bytes
from tests.proxy.wire.http2_bytes import PREFACE, data, frame, message
from tests.proxy.wire.observed_connection import ObservedConnection
from tests.support.narrowing import required


def test_a_unary_call() -> None:
    observed = ObservedConnection().handshake()
    observed.client_sends(
        observed.client.request(1, extra=[("grpc-timeout", "250m"), ("k-bin", "AP8")]),
        data(1, message(b"hi"), end=True),
    )
    observed.server_sends(
        observed.server.response(1, [("x", "1")]),
        data(1, message(b"there")),
        observed.server.trailers(1, extra=[("y", "2")]),
    )
    [started] = observed.sink.of(CallStarted)
    assert (started.method, started.authority, started.content_type) == (
        "/a.B/C",
        "shop.test",
        "application/grpc",
    )
    assert started.deadline_ns == 1_000 + 250_000_000
    assert started.wire == {"connection": 7, "stream": 1}
    blocks = {event.section: dict(event.metadata) for event in observed.sink.of(MetadataSeen)}
    assert blocks[Section.REQUEST]["k-bin"] == b"\x00\xff"
    assert blocks[Section.REQUEST]["user-agent"] == "test/1"
    assert blocks[Section.INITIAL]["x"] == "1"
    assert blocks[Section.TRAILING] == {"y": "2"}
    assert [(event.direction, event.data) for event in observed.sink.of(MessageSeen)] == [
        (Direction.REQUEST, b"hi"),
        (Direction.RESPONSE, b"there"),
    ]
    assert len(observed.sink.of(HalfClosed)) == 1
    assert (observed.call_ended().status.code, observed.call_ended().ended_by) == (0, EndedBy.BACKEND)
    assert observed.connection.open_calls == 0


def test_trailers_only_with_message_and_details() -> None:
    observed = ObservedConnection().handshake()
    observed.client_sends(observed.client.request(1, end=True))
    observed.server_sends(
        observed.server.headers(
            1,
            [
                (":status", "200"),
                ("content-type", "application/grpc"),
                ("grpc-status", "5"),
                ("grpc-message", "no s%C3%B6ck %zz"),
                ("grpc-status-details-bin", "CAU"),
            ],
            end=True,
        )
    )
    status = observed.call_ended().status
    assert (status.code, status.message, status.details) == (5, "no söck %zz", b"\x08\x05")
    assert not [event for event in observed.sink.of(MetadataSeen) if event.section is Section.INITIAL]


@pytest.mark.parametrize(
    "options", [{"pieces": 5}, {"padding": 9}, {"priority": True}, {"priority": True, "padding": 3}]
)
def test_headers_with_continuation_padding_and_priority(options: dict[str, Any]) -> None:
    observed = ObservedConnection().handshake()
    observed.client_sends(observed.client.request(1, **options), data(1, message(b"x"), end=True, padding=7))
    observed.server_sends(observed.server.response(1, **options), observed.server.trailers(1))
    assert observed.call_ended().status.code == 0
    assert observed.sink.of(MessageSeen)[0].data == b"x"


def test_a_message_over_many_frames_and_many_messages_in_one_frame() -> None:
    observed = ObservedConnection().handshake()
    messages = message(b"a" * 40_000) + message(b"") + message(b"b")
    observed.client_sends(
        observed.client.request(1),
        *(data(1, messages[at : at + 16_384]) for at in range(0, len(messages), 16_384)),
    )
    assert [len(event.data) for event in observed.sink.of(MessageSeen)] == [40_000, 0, 1]


def test_compressed_messages_are_recorded_compressed() -> None:
    observed = ObservedConnection().handshake()
    observed.client_sends(
        observed.client.request(1, extra=[("grpc-encoding", "gzip")]),
        data(1, message(b"\x1f\x8b", flag=1)),
        data(1, message(b"plain")),
    )
    first, second = observed.sink.of(MessageSeen)
    assert (first.compressed, first.encoding, first.data) == (True, "gzip", b"\x1f\x8b")
    assert (second.compressed, second.encoding) == (False, "")


def test_a_message_too_large_to_keep_is_counted() -> None:
    observed = ObservedConnection(ConnectionLimits(message_bytes=10)).handshake()
    observed.client_sends(observed.client.request(1), data(1, message(b"x" * 11) + message(b"kept")))
    first, second = observed.sink.of(MessageSeen)
    assert (first.data, first.lost) == (b"", 11)
    assert (second.data, second.lost) == (b"kept", None)


def test_informational_responses_are_ignored() -> None:
    observed = ObservedConnection().handshake()
    observed.client_sends(observed.client.request(1, end=True))
    observed.server_sends(
        observed.server.headers(1, [(":status", "103"), ("link", "x")]),
        observed.server.response(1),
        observed.server.trailers(1),
    )
    assert len([event for event in observed.sink.of(MetadataSeen) if event.section is Section.INITIAL]) == 1


@pytest.mark.parametrize(
    ("code", "status"),
    [
        (2, StatusCode.INTERNAL),
        (7, StatusCode.UNAVAILABLE),
        (8, StatusCode.CANCELLED),
        (11, StatusCode.RESOURCE_EXHAUSTED),
        (99, StatusCode.INTERNAL),
    ],
)
def test_a_reset_by_the_backend(code: int, status: StatusCode) -> None:
    observed = ObservedConnection().handshake()
    observed.client_sends(observed.client.request(1)).server_sends(
        frame(http2_bytes.RST_STREAM, 0, 1, code.to_bytes(4, "big"))
    )
    assert (observed.call_ended().status.code, observed.call_ended().ended_by) == (status, EndedBy.BACKEND)
    assert observed.call_ended().wire["reset_by"] == "backend"


def test_a_reset_by_the_client_before_and_at_its_deadline() -> None:
    cancel = frame(http2_bytes.RST_STREAM, 0, 1, (8).to_bytes(4, "big"))
    early = ObservedConnection().handshake()
    early.client_sends(early.client.request(1, extra=[("grpc-timeout", "10S")]), cancel)
    assert (early.call_ended().status.code, early.call_ended().ended_by) == (
        StatusCode.CANCELLED,
        EndedBy.CLIENT,
    )
    late = ObservedConnection().handshake()
    late.client_sends(late.client.request(1, extra=[("grpc-timeout", "1S")]))
    late.now += 1_000_000_000
    late.client_sends(cancel)
    assert (late.call_ended().status.code, late.call_ended().ended_by) == (
        StatusCode.DEADLINE_EXCEEDED,
        EndedBy.DEADLINE,
    )


def test_what_crosses_the_clients_reset_is_not_recorded() -> None:
    observed = ObservedConnection().handshake()
    observed.client_sends(observed.client.request(1, end=True))
    observed.server_sends(observed.server.response(1), data(1, message(b"before")))
    observed.client_sends(frame(http2_bytes.RST_STREAM, 0, 1, (8).to_bytes(4, "big")))
    observed.server_sends(data(1, message(b"after")), observed.server.trailers(1))
    assert observed.call_ended().ended_by is EndedBy.CLIENT
    assert [event.data for event in observed.sink.of(MessageSeen)] == [b"before"]
    assert not observed.connection.unobserved


@pytest.mark.parametrize(
    ("left_ms", "lag", "by"),
    [
        (50, 0.0, EndedBy.DEADLINE),
        (51, 0.0, EndedBy.CLIENT),
        (300, 0.25, EndedBy.DEADLINE),
        (301, 0.25, EndedBy.CLIENT),
        (550, 9.0, EndedBy.DEADLINE),
        (551, 9.0, EndedBy.CLIENT),
    ],
)
def test_on_a_starved_machine_a_deadline_may_come_early_by_the_lag(
    left_ms: int, lag: float, by: EndedBy
) -> None:
    observed = ObservedConnection().handshake()
    observed.usage.loop_lag.add(lag)
    observed.client_sends(observed.client.request(1, extra=[("grpc-timeout", "1S")]))
    observed.now += (1000 - left_ms) * 1_000_000
    observed.client_sends(frame(http2_bytes.RST_STREAM, 0, 1, (8).to_bytes(4, "big")))
    assert observed.call_ended().ended_by is by


@pytest.mark.parametrize(
    ("http", "status"),
    [("503", StatusCode.UNAVAILABLE), ("404", StatusCode.UNIMPLEMENTED), ("418", StatusCode.UNKNOWN)],
)
def test_an_answer_without_a_grpc_status(http: str, status: StatusCode) -> None:
    observed = ObservedConnection().handshake()
    observed.client_sends(observed.client.request(1, end=True)).server_sends(
        observed.server.headers(1, [(":status", http)], end=True)
    )
    assert observed.call_ended().status.code == status
    assert "no grpc-status" in observed.call_ended().note


def test_goaway_is_recorded_with_the_open_calls() -> None:
    observed = ObservedConnection().handshake()
    observed.client_sends(observed.client.request(1), observed.client.request(3))
    observed.server_sends(
        frame(http2_bytes.GOAWAY, 0, 0, (1).to_bytes(4, "big") + (11).to_bytes(4, "big") + b"too_many_pings")
    )
    observed.connection.close(2_000, EndedBy.BACKEND)
    first, second = observed.sink.of(CallEnded)
    assert first.wire["goaway"] == "ENHANCE_YOUR_CALM too_many_pings"
    assert "goaway_refused" not in first.wire
    assert second.wire["goaway_refused"] == 1
    assert (first.status.code, first.ended_by) == (StatusCode.UNAVAILABLE, EndedBy.BACKEND)


@pytest.mark.parametrize("by", [EndedBy.CLIENT, EndedBy.BACKEND, EndedBy.LOOM])
def test_a_lost_connection_ends_its_calls(by: EndedBy) -> None:
    observed = ObservedConnection().handshake()
    observed.client_sends(observed.client.request(1))
    observed.connection.close(2_000, by)
    assert observed.call_ended().ended_by is by


@pytest.mark.parametrize(
    ("by", "code"), [(EndedBy.CLIENT, StatusCode.CANCELLED), (EndedBy.BACKEND, StatusCode.UNAVAILABLE)]
)
def test_a_goaway_with_an_error_says_who_ended_the_calls_and_why(by: EndedBy, code: StatusCode) -> None:
    """A grpcio client whose keepalive fails says ENHANCE_YOUR_CALM; either side may then be the first to close."""
    observed = ObservedConnection().handshake()
    observed.client_sends(observed.client.request(1))
    goaway = frame(http2_bytes.GOAWAY, 0, 0, bytes(4) + (11).to_bytes(4, "big") + b"ping_timeout")
    if by is EndedBy.CLIENT:
        observed.client_sends(goaway)
    else:
        observed.server_sends(goaway)
    observed.connection.close(2_000, EndedBy.BACKEND if by is EndedBy.CLIENT else EndedBy.CLIENT)
    ended = observed.call_ended()
    assert (ended.status.code, ended.ended_by) == (code, by)
    assert ended.note == f"the {by} closed the connection (GOAWAY ENHANCE_YOUR_CALM ping_timeout)"


def test_a_graceful_goaway_leaves_the_end_to_who_closes_first() -> None:
    observed = ObservedConnection().handshake()
    observed.client_sends(observed.client.request(1))
    observed.server_sends(frame(http2_bytes.GOAWAY, 0, 0, bytes(8)))
    observed.connection.close(2_000, EndedBy.CLIENT)
    assert observed.call_ended().ended_by is EndedBy.CLIENT


@pytest.mark.parametrize(
    ("first", "status", "expected"),
    [
        (EndedBy.CLIENT, "14", (StatusCode.CANCELLED, EndedBy.CLIENT)),
        (EndedBy.CLIENT, "0", (StatusCode.OK, EndedBy.BACKEND)),
        (EndedBy.CLIENT, None, (StatusCode.UNAVAILABLE, EndedBy.BACKEND)),
        (EndedBy.BACKEND, None, (StatusCode.UNAVAILABLE, EndedBy.BACKEND)),
    ],
    ids=[
        "failure after the client's",
        "OK after the client's",
        "failure before",
        "reset after the backend's",
    ],
)
def test_a_call_that_fails_after_a_side_has_half_closed_is_ended_by_that_side(
    first: EndedBy, status: str | None, expected: tuple[StatusCode, EndedBy]
) -> None:
    """grpcio's server answers "Socket closed" once the client has closed its direction of the connection."""
    observed = ObservedConnection().handshake()
    observed.client_sends(observed.client.request(1))
    observed.server_sends(observed.server.response(1))
    if status is not None:
        observed.connection.half_close(first)
        observed.server_sends(observed.server.trailers(1, status))
    elif first is EndedBy.CLIENT:
        observed.server_sends(observed.server.trailers(1, "14"))
        observed.connection.half_close(first)
    else:
        observed.connection.half_close(first)
        observed.client_sends(frame(http2_bytes.RST_STREAM, 0, 1, ErrorCode.CANCEL.to_bytes(4, "big")))
    ended = observed.call_ended()
    assert (ended.status.code, ended.ended_by) == expected


def test_a_client_that_closes_its_connection_at_the_deadline() -> None:
    observed = ObservedConnection().handshake()
    observed.client_sends(observed.client.request(1, extra=[("grpc-timeout", "1S")]))
    observed.connection.close(observed.sink.of(CallStarted)[0].time_ns + 1_000_000_000, EndedBy.CLIENT)
    ended = observed.call_ended()
    assert (ended.status.code, ended.ended_by) == (StatusCode.DEADLINE_EXCEEDED, EndedBy.DEADLINE)


def test_a_dynamic_table_that_changes_size() -> None:
    """The encoder applies SETTINGS from the moment at which it acknowledges them."""
    observed = ObservedConnection()
    observed.client_sends(PREFACE, http2_bytes.settings()).server_sends(http2_bytes.settings((1, 8192)))
    observed.client.encoder.header_table_size = 8192
    observed.client_sends(
        http2_bytes.settings_ack(),
        *(
            observed.client.request(stream, f"/a.B/M{stream}", [("k", str(stream) * 50)], end=True)
            for stream in range(1, 399, 2)
        ),
    )
    assert not observed.connection.unobserved
    assert [event.method for event in observed.sink.of(CallStarted)] == [
        f"/a.B/M{stream}" for stream in range(1, 399, 2)
    ]


@pytest.mark.parametrize("size", [0, 100, 4095])
def test_a_dynamic_table_that_keeps_its_size_without_an_update(size: int) -> None:
    """Go's decoder accepts it."""
    observed = ObservedConnection()
    observed.client_sends(PREFACE, http2_bytes.settings(), observed.client.request(1, "/a.B/M1"))
    observed.server_sends(http2_bytes.settings((1, size)))
    observed.client_sends(http2_bytes.settings_ack())
    streams = range(3, 199, 2)
    observed.client_sends(
        *(
            observed.client.request(stream, f"/a.B/M{stream}", [("k", "v" * 50)], end=True)
            for stream in streams
        )
    )
    assert not observed.connection.unobserved
    assert [event.method for event in observed.sink.of(CallStarted)] == [
        f"/a.B/M{stream}" for stream in (1, *streams)
    ]
    observed.client.encoder.header_table_size = size  # an update in the next block
    observed.client_sends(observed.client.request(301, "/a.B/Last", end=True))
    assert observed.sink.of(CallStarted)[-1].method == "/a.B/Last"


def test_cached_blocks_follow_the_dynamic_table() -> None:
    observed = ObservedConnection().handshake()
    for stream in range(1, 200, 2):
        observed.client_sends(
            observed.client.request(stream, extra=[("grpc-timeout", f"{stream % 6}S")], end=True)
        )
    deadlines = [required(event.deadline_ns) - event.time_ns for event in observed.sink.of(CallStarted)]
    assert deadlines == [(stream % 6) * 1_000_000_000 for stream in range(1, 200, 2)]


def test_the_time_for_which_flow_control_stalled_the_sender() -> None:
    observed = ObservedConnection()
    observed.client_sends(PREFACE, http2_bytes.settings((4, 10))).server_sends(http2_bytes.settings())
    observed.client_sends(observed.client.request(1, end=True)).server_sends(
        observed.server.response(1), data(1, message(b"12345"))
    )
    observed.now += 3_000_000
    observed.client_sends(frame(http2_bytes.WINDOW_UPDATE, 0, 1, (100).to_bytes(4, "big")))
    observed.server_sends(data(1, message(b"6")), observed.server.trailers(1))
    assert observed.call_ended().wire["response_stalled_us"] == 3_000


def test_a_sender_with_nothing_to_send_is_not_stalled() -> None:
    observed = ObservedConnection()
    observed.client_sends(PREFACE, http2_bytes.settings((4, 10))).server_sends(http2_bytes.settings())
    observed.client_sends(observed.client.request(1, end=True)).server_sends(
        observed.server.response(1), data(1, message(b"12345"))
    )
    observed.now += 3_000_000
    observed.client_sends(frame(http2_bytes.WINDOW_UPDATE, 0, 1, (100).to_bytes(4, "big"))).server_sends(
        observed.server.trailers(1)
    )
    assert "response_stalled_us" not in observed.call_ended().wire


def test_a_push_promise_updates_the_dynamic_table() -> None:
    observed = ObservedConnection().handshake()
    observed.client_sends(observed.client.request(1), data(1, message(b"a"), end=True))
    observed.server_sends(
        http2_bytes.promise(observed.server, 1, 2, [(":path", "/pushed"), ("x", "first")]),
        observed.server.response(1, [("x", "first"), ("y", "second")]),
        data(1, message(b"b")),
        observed.server.trailers(1),
    )
    [initial] = [item for item in observed.sink.of(MetadataSeen) if item.section is Section.INITIAL]
    assert initial.metadata[-2:] == (("x", "first"), ("y", "second"))
    assert observed.call_ended().status.code == StatusCode.OK


def test_a_failed_connection_is_recorded_as_a_call() -> None:
    observed = ObservedConnection()
    observed.connection.record_connect_failure("Connection refused", 5)
    assert observed.call_ended().status.code == StatusCode.UNAVAILABLE
    assert observed.call_ended().ended_by is EndedBy.LOOM
    assert "Connection refused" in observed.call_ended().note


def test_grpc_web_trailers_are_in_the_body() -> None:
    observed = ObservedConnection().handshake()
    observed.client_sends(
        observed.client.headers(
            1,
            [
                (":method", "POST"),
                (":path", "/a.B/C"),
                (":scheme", "http"),
                ("content-type", "application/grpc-web+proto"),
            ],
        ),
        data(1, message(b"hi"), end=True),
    )
    observed.server_sends(
        observed.server.headers(1, [(":status", "200"), ("content-type", "application/grpc-web+proto")]),
        data(1, message(b"yo") + message(b"grpc-status: 9\r\ngrpc-message: nope\r\n", flag=0x80), end=True),
    )
    assert (observed.call_ended().status.code, observed.call_ended().status.message) == (9, "nope")
    assert [event.data for event in observed.sink.of(MessageSeen)] == [b"hi", b"yo"]


@pytest.mark.parametrize(
    ("timeout", "seconds"), [("99999999H", 315_360_000), ("99999999S", 99_999_999), ("00000001S", 1)]
)
def test_a_timeout_past_64_bits_of_nanoseconds_is_recorded_as_ten_years(timeout: str, seconds: int) -> None:
    observed = ObservedConnection().handshake()
    observed.client_sends(observed.client.request(1, extra=[("grpc-timeout", timeout)]))
    [started] = observed.sink.of(CallStarted)
    assert started.deadline_ns == 1_000 + seconds * 1_000_000_000
    assert started.deadline_ns < 1 << 63


@pytest.mark.parametrize(
    ("status", "code"), [("9" * 30, 9_999_999_999), ("9" * 5_000, 9_999_999_999), ("0" * 5_000 + "5", 5)]
)
def test_a_status_of_any_length_is_recorded(status: str, code: int) -> None:
    observed = ObservedConnection().handshake()
    observed.client_sends(observed.client.request(1, end=True))
    observed.server_sends(observed.server.response(1), observed.server.trailers(1, status))
    assert observed.call_ended().status.code == code


@pytest.mark.parametrize(
    ("code", "status", "by"),
    [
        (ErrorCode.CANCEL, StatusCode.DEADLINE_EXCEEDED, EndedBy.DEADLINE),
        (ErrorCode.INTERNAL_ERROR, StatusCode.INTERNAL, EndedBy.BACKEND),
    ],
)
def test_a_backend_that_cancels_at_the_deadline_was_the_first_to_notice_it(
    code: int, status: StatusCode, by: EndedBy
) -> None:
    """grpc-go's server does; grpc-go's and connect-go's clients report DEADLINE_EXCEEDED."""
    observed = ObservedConnection().handshake()
    observed.client_sends(observed.client.request(1, extra=[("grpc-timeout", "1S")]))
    observed.now += 999_000_000
    observed.server_sends(frame(http2_bytes.RST_STREAM, 0, 1, code.to_bytes(4, "big")))
    assert (observed.call_ended().status.code, observed.call_ended().ended_by) == (status, by)


@pytest.mark.parametrize(
    ("raw", "text"),
    [("José".encode(), "José"), (b"Jos\xe9", "Jos\\xe9"), ("日本 ✓".encode(), "日本 ✓"), (b"plain", "plain")],
)
def test_text_in_metadata_is_utf8_or_escaped(raw: bytes, text: str) -> None:
    observed = ObservedConnection().handshake()
    observed.client_sends(observed.client.request(1, extra=[("x-name", raw)], end=True))
    observed.server_sends(
        observed.server.response(1), observed.server.trailers(1, "5", extra=[("grpc-message", raw)])
    )
    [request] = [event for event in observed.sink.of(MetadataSeen) if event.section is Section.REQUEST]
    assert dict(request.metadata)["x-name"] == text
    assert observed.call_ended().status.message == raw.decode(errors="replace")


def test_of_repeated_statuses_the_first_counts() -> None:
    observed = ObservedConnection().handshake()
    observed.client_sends(observed.client.request(1, end=True))
    extra = [("grpc-message", "a"), ("grpc-status", "7"), ("grpc-message", "b")]
    observed.server_sends(observed.server.response(1), observed.server.trailers(1, "5", extra=extra))
    assert (observed.call_ended().status.code, observed.call_ended().status.message) == (5, "a")
