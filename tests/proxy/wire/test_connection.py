"""The parser: valid streams give their calls."""

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
from tests.proxy.wire import streams
from tests.proxy.wire.streams import PREFACE, data, frame, message
from tests.proxy.wire.watched import Watched


def test_a_unary_call():
    seen = Watched().opened()
    seen.sent(
        seen.client.request(1, extra=[("grpc-timeout", "250m"), ("k-bin", "AP8")]),
        data(1, message(b"hi"), end=True),
    )
    seen.answered(
        seen.server.response(1, [("x", "1")]),
        data(1, message(b"there")),
        seen.server.trailers(1, extra=[("y", "2")]),
    )
    [started] = seen.sink.of(CallStarted)
    assert (started.method, started.authority, started.content_type) == (
        "/a.B/C",
        "shop.test",
        "application/grpc",
    )
    assert started.deadline_ns == 1_000 + 250_000_000
    assert started.wire == {"connection": 7, "stream": 1}
    blocks = {event.section: dict(event.metadata) for event in seen.sink.of(MetadataSeen)}
    assert blocks[Section.REQUEST]["k-bin"] == b"\x00\xff"
    assert blocks[Section.REQUEST]["user-agent"] == "test/1"
    assert blocks[Section.INITIAL]["x"] == "1"
    assert blocks[Section.TRAILING] == {"y": "2"}
    assert [(event.direction, event.data) for event in seen.sink.of(MessageSeen)] == [
        (Direction.REQUEST, b"hi"),
        (Direction.RESPONSE, b"there"),
    ]
    assert len(seen.sink.of(HalfClosed)) == 1
    assert (seen.end().status.code, seen.end().ended_by) == (0, EndedBy.BACKEND)
    assert seen.connection.live == 0


def test_trailers_only_with_message_and_details():
    seen = Watched().opened()
    seen.sent(seen.client.request(1, end=True))
    seen.answered(
        seen.server.headers(
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
    status = seen.end().status
    assert (status.code, status.message, status.details) == (5, "no söck %zz", b"\x08\x05")
    assert not [event for event in seen.sink.of(MetadataSeen) if event.section is Section.INITIAL]


@pytest.mark.parametrize(
    "options", [{"pieces": 5}, {"padding": 9}, {"priority": True}, {"priority": True, "padding": 3}]
)
def test_headers_in_every_shape(options):
    seen = Watched().opened()
    seen.sent(seen.client.request(1, **options), data(1, message(b"x"), end=True, padding=7))
    seen.answered(seen.server.response(1, **options), seen.server.trailers(1))
    assert seen.end().status.code == 0
    assert seen.sink.of(MessageSeen)[0].data == b"x"


def test_a_message_over_many_frames_and_many_messages_in_one_frame():
    seen = Watched().opened()
    whole = message(b"a" * 40_000) + message(b"") + message(b"b")
    seen.sent(
        seen.client.request(1), *(data(1, whole[at : at + 16_384]) for at in range(0, len(whole), 16_384))
    )
    assert [len(event.data) for event in seen.sink.of(MessageSeen)] == [40_000, 0, 1]


def test_compression_is_told_not_undone():
    seen = Watched().opened()
    seen.sent(
        seen.client.request(1, extra=[("grpc-encoding", "gzip")]),
        data(1, message(b"\x1f\x8b", flag=1)),
        data(1, message(b"plain")),
    )
    first, second = seen.sink.of(MessageSeen)
    assert (first.compressed, first.encoding, first.data) == (True, "gzip", b"\x1f\x8b")
    assert (second.compressed, second.encoding) == (False, "")


def test_a_message_too_large_to_keep_is_counted(monkeypatch):
    monkeypatch.setattr("loom.proxy.wire.envelopes.MAX_MESSAGE", 10)
    seen = Watched().opened()
    seen.sent(seen.client.request(1), data(1, message(b"x" * 11) + message(b"kept")))
    first, second = seen.sink.of(MessageSeen)
    assert (first.data, first.lost) == (b"", 11)
    assert (second.data, second.lost) == (b"kept", None)


def test_informational_responses_are_passed_over():
    seen = Watched().opened()
    seen.sent(seen.client.request(1, end=True))
    seen.answered(
        seen.server.headers(1, [(":status", "103"), ("link", "x")]),
        seen.server.response(1),
        seen.server.trailers(1),
    )
    assert len([event for event in seen.sink.of(MetadataSeen) if event.section is Section.INITIAL]) == 1


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
def test_a_reset_by_the_backend(code, status):
    seen = Watched().opened()
    seen.sent(seen.client.request(1)).answered(frame(streams.RST_STREAM, 0, 1, code.to_bytes(4, "big")))
    assert (seen.end().status.code, seen.end().ended_by) == (status, EndedBy.BACKEND)
    assert seen.end().wire["reset_by"] == "backend"


def test_a_reset_by_the_client_before_and_at_its_deadline():
    cancel = frame(streams.RST_STREAM, 0, 1, (8).to_bytes(4, "big"))
    early = Watched().opened()
    early.sent(early.client.request(1, extra=[("grpc-timeout", "10S")]), cancel)
    assert (early.end().status.code, early.end().ended_by) == (StatusCode.CANCELLED, EndedBy.CLIENT)
    late = Watched().opened()
    late.sent(late.client.request(1, extra=[("grpc-timeout", "1S")]))
    late.now += 1_000_000_000
    late.sent(cancel)
    assert (late.end().status.code, late.end().ended_by) == (StatusCode.DEADLINE_EXCEEDED, EndedBy.DEADLINE)


@pytest.mark.parametrize(
    ("http", "status"),
    [("503", StatusCode.UNAVAILABLE), ("404", StatusCode.UNIMPLEMENTED), ("418", StatusCode.UNKNOWN)],
)
def test_an_answer_without_a_grpc_status(http, status):
    seen = Watched().opened()
    seen.sent(seen.client.request(1, end=True)).answered(
        seen.server.headers(1, [(":status", http)], end=True)
    )
    assert seen.end().status.code == status
    assert "no grpc-status" in seen.end().note


def test_goaway_is_told_with_the_calls_it_meets():
    seen = Watched().opened()
    seen.sent(seen.client.request(1), seen.client.request(3))
    seen.answered(
        frame(streams.GOAWAY, 0, 0, (1).to_bytes(4, "big") + (11).to_bytes(4, "big") + b"too_many_pings")
    )
    seen.connection.closed(2_000, EndedBy.BACKEND)
    first, second = seen.sink.of(CallEnded)
    assert first.wire["goaway"] == "ENHANCE_YOUR_CALM too_many_pings"
    assert "goaway_refused" not in first.wire
    assert second.wire["goaway_refused"] == 1
    assert (first.status.code, first.ended_by) == (StatusCode.UNAVAILABLE, EndedBy.BACKEND)


@pytest.mark.parametrize("by", [EndedBy.CLIENT, EndedBy.BACKEND, EndedBy.LOOM])
def test_a_lost_connection_ends_its_calls(by):
    seen = Watched().opened()
    seen.sent(seen.client.request(1))
    seen.connection.closed(2_000, by)
    assert seen.end().ended_by is by


def test_a_table_that_changes_size():
    """The encoder uses what SETTINGS allow from the moment it acknowledges them."""
    seen = Watched()
    seen.sent(PREFACE, streams.settings()).answered(streams.settings((1, 8192)))
    seen.client.encoder.header_table_size = 8192
    seen.sent(
        streams.settings_ack(),
        *(
            seen.client.request(stream, f"/a.B/M{stream}", [("k", str(stream) * 50)], end=True)
            for stream in range(1, 399, 2)
        ),
    )
    assert not seen.connection.unobserved
    assert [event.method for event in seen.sink.of(CallStarted)] == [
        f"/a.B/M{stream}" for stream in range(1, 399, 2)
    ]


def test_the_same_block_twice_is_the_same_call_twice_while_the_table_moves():
    seen = Watched().opened()
    for stream in range(1, 200, 2):
        seen.sent(seen.client.request(stream, extra=[("grpc-timeout", f"{stream % 6}S")], end=True))
    deadlines = [event.deadline_ns - event.time_ns for event in seen.sink.of(CallStarted)]
    assert deadlines == [(stream % 6) * 1_000_000_000 for stream in range(1, 200, 2)]


def test_how_long_flow_control_held_the_sender():
    seen = Watched()
    seen.sent(PREFACE, streams.settings((4, 10))).answered(streams.settings())
    seen.sent(seen.client.request(1, end=True)).answered(seen.server.response(1), data(1, message(b"12345")))
    seen.now += 3_000_000
    seen.sent(frame(streams.WINDOW_UPDATE, 0, 1, (100).to_bytes(4, "big")))
    seen.answered(data(1, message(b"6")), seen.server.trailers(1))
    assert seen.end().wire["response_stalled_us"] == 3_000


def test_a_sender_with_nothing_to_say_is_not_held():
    seen = Watched()
    seen.sent(PREFACE, streams.settings((4, 10))).answered(streams.settings())
    seen.sent(seen.client.request(1, end=True)).answered(seen.server.response(1), data(1, message(b"12345")))
    seen.now += 3_000_000
    seen.sent(frame(streams.WINDOW_UPDATE, 0, 1, (100).to_bytes(4, "big"))).answered(seen.server.trailers(1))
    assert "response_stalled_us" not in seen.end().wire


def test_a_promise_changes_the_table_for_what_follows():
    seen = Watched().opened()
    seen.sent(seen.client.request(1), data(1, message(b"a"), end=True))
    seen.answered(
        streams.promise(seen.server, 1, 2, [(":path", "/pushed"), ("x", "first")]),
        seen.server.response(1, [("x", "first"), ("y", "second")]),
        data(1, message(b"b")),
        seen.server.trailers(1),
    )
    [initial] = [item for item in seen.sink.of(MetadataSeen) if item.section is Section.INITIAL]
    assert initial.metadata[-2:] == (("x", "first"), ("y", "second"))
    assert seen.end().status.code == StatusCode.OK


def test_a_failed_connection_is_a_record_of_its_own():
    seen = Watched()
    seen.connection.failed("Connection refused", 5)
    assert seen.end().status.code == StatusCode.UNAVAILABLE
    assert seen.end().ended_by is EndedBy.LOOM
    assert "Connection refused" in seen.end().note


def test_grpc_web_trailers_are_in_the_body():
    seen = Watched().opened()
    seen.sent(
        seen.client.headers(
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
    seen.answered(
        seen.server.headers(1, [(":status", "200"), ("content-type", "application/grpc-web+proto")]),
        data(1, message(b"yo") + message(b"grpc-status: 9\r\ngrpc-message: nope\r\n", flag=0x80), end=True),
    )
    assert (seen.end().status.code, seen.end().status.message) == (9, "nope")
    assert [event.data for event in seen.sink.of(MessageSeen)] == [b"hi", b"yo"]
