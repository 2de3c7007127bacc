"""The parser: valid streams give their calls, whatever the chunks; anything else gives a reason, and nothing more."""

import itertools
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loom.model import (
    CallEnded,
    CallIds,
    CallStarted,
    Direction,
    EndedBy,
    HalfClosed,
    MessageSeen,
    MetadataSeen,
    Section,
    StatusCode,
)
from loom.proxy.wire import connection as connection_module
from loom.proxy.wire.connection import UNOBSERVED, Connection
from tests.proxy.wire import streams
from tests.proxy.wire.streams import PREFACE, Side, data, frame, message

CLIENT, SERVER = True, False


class Sink:
    def __init__(self) -> None:
        self.events = []

    def emit(self, event):
        self.events.append(event)

    def of(self, kind):
        return [event for event in self.events if isinstance(event, kind)]


class Watched:
    """A connection under test, with a clock that the test moves."""

    def __init__(self) -> None:
        self.sink = Sink()
        self.now = 1_000
        self.connection = Connection(7, self.sink, CallIds(), peer="ipv4:127.0.0.1:5", target="localhost:1")
        self.client, self.server = Side(), Side()

    def sent(self, *parts: bytes) -> "Watched":
        self.connection.saw(b"".join(parts), self.now, client=True)
        return self

    def answered(self, *parts: bytes) -> "Watched":
        self.connection.saw(b"".join(parts), self.now, client=False)
        return self

    def opened(self) -> "Watched":
        return self.sent(PREFACE, streams.settings()).answered(streams.settings())

    def end(self) -> CallEnded:
        [ended] = self.sink.of(CallEnded)
        return ended


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
    monkeypatch.setattr("loom.proxy.wire.messages.MAX_MESSAGE", 10)
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
    seen.connection.closed(2_000, by_client=False)
    first, second = seen.sink.of(CallEnded)
    assert first.wire["goaway"] == "ENHANCE_YOUR_CALM too_many_pings"
    assert "goaway_refused" not in first.wire
    assert second.wire["goaway_refused"] == 1
    assert (first.status.code, first.ended_by) == (StatusCode.UNAVAILABLE, EndedBy.BACKEND)


@pytest.mark.parametrize(("by_client", "ended_by"), [(True, EndedBy.CLIENT), (False, EndedBy.BACKEND)])
def test_a_lost_connection_ends_its_calls(by_client, ended_by):
    seen = Watched().opened()
    seen.sent(seen.client.request(1))
    seen.connection.closed(2_000, by_client=by_client)
    assert seen.end().ended_by is ended_by


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


@pytest.mark.parametrize(
    ("first", "reason"),
    [
        (b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", "it is HTTP/1.1"),
        (b"GET / HTTP/1.1\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n", "upgrade to h2c"),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(30), "it is TLS"),
        (b"\x00\x01garbage that is nothing at all", "does not begin as HTTP/2"),
    ],
)
def test_what_is_not_http2_says_so(first, reason):
    seen = Watched()
    seen.sent(first)
    seen.answered(b"HTTP/1.1 200 OK\r\n\r\n")
    [started] = seen.sink.of(CallStarted)
    assert started.method == UNOBSERVED
    assert reason in started.wire["unobserved"]
    seen.connection.closed(9, by_client=True)
    assert "not observed" in seen.end().note


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        (
            frame(streams.HEADERS, streams.END_HEADERS, 1, b"\xff\xff\xff\xff\xff\xff"),
            "header block cannot be decoded",
        ),
        (frame(streams.HEADERS, 0, 1, b"\x82") + frame(streams.DATA, 0, 1, b""), None),
        (frame(streams.CONTINUATION, streams.END_HEADERS, 1, b"\x82"), "without its HEADERS"),
        (frame(streams.HEADERS, streams.PADDED | streams.END_HEADERS, 1, b"\xff\x82"), "padding"),
        ((2_000_000).to_bytes(3, "big") + bytes([streams.HEADERS, 4, 0, 0, 0, 1]), "2000000 bytes"),
        (
            frame(streams.HEADERS, streams.END_HEADERS, 1, b"\x3f\xe1\xff\xff\xff\x07"),
            "header block cannot be decoded",
        ),
    ],
)
def test_what_cannot_be_followed_ends_the_watching_not_the_traffic(bad, reason):
    seen = Watched().opened()
    seen.sent(seen.client.request(101))
    seen.sent(bad)
    if reason is None:
        return
    assert reason in seen.connection.unobserved
    assert seen.end().note.startswith("not observed from here on, because ")
    before = len(seen.sink.events)
    seen.sent(seen.client.request(103)).answered(b"anything")
    assert len(seen.sink.events) == before


def test_a_header_bomb_is_not_unpacked():
    seen = Watched().opened()
    block = seen.client.encoder.encode([("x" * 1000, "y" * 3000)]) + b"\xbe" * 100_000
    parts = [block[at : at + 16_000] for at in range(0, len(block), 16_000)]
    seen.sent(frame(streams.HEADERS, 0, 1, parts[0]))
    for part in parts[1:]:
        seen.sent(frame(streams.CONTINUATION, streams.END_HEADERS if part is parts[-1] else 0, 1, part))
    assert "header block cannot be decoded" in seen.connection.unobserved


def test_continuation_without_end_is_bounded():
    seen = Watched().opened()
    seen.sent(frame(streams.HEADERS, 0, 1, b"\x82"))
    for _ in range(100):
        seen.sent(frame(streams.CONTINUATION, 0, 1, bytes(16_000)))
    assert "a header block of more than" in seen.connection.unobserved


def test_unfinished_messages_are_bounded(monkeypatch):
    monkeypatch.setattr(connection_module, "MAX_UNFINISHED", 1000)
    seen = Watched().opened()
    seen.sent(seen.client.request(1), data(1, b"\x00\x00\xff\xff\xff" + bytes(2000)))
    assert "unfinished messages hold more" in seen.connection.unobserved


def test_empty_frames_do_not_pile_up():
    seen = Watched().opened()
    seen.sent(seen.client.request(1), data(1, message(b"x" * 10)[:8]))
    [exchange] = seen.connection._exchanges.values()
    held, pieces = exchange.request.held, len(exchange.request._pieces)
    seen.sent(data(1, b"") * 1000)
    assert (exchange.request.held, len(exchange.request._pieces)) == (held, pieces)
    seen.sent(frame(streams.HEADERS, 0, 3, b"\x82"), frame(streams.CONTINUATION, 0, 3) * 1000)
    assert len(seen.connection._client.block) == 1


def test_settings_without_acknowledgement_are_bounded():
    seen = Watched().opened()
    seen.sent(streams.settings((1, 100)) * (connection_module.MAX_SETTINGS + 10))
    assert "SETTINGS" in seen.connection.unobserved


def test_small_pieces_count_for_what_keeping_them_costs(monkeypatch):
    monkeypatch.setattr(connection_module, "MAX_UNFINISHED", 10_000)
    seen = Watched().opened()
    seen.sent(seen.client.request(1), data(1, message(b"x" * 5_000)[:6]))
    for _ in range(1_000):
        seen.sent(data(1, b"xx"))
    assert "unfinished messages" in seen.connection.unobserved


def test_large_header_blocks_are_not_remembered():
    seen = Watched().opened()
    block = (
        b"\x00\x01k\x7f"
        + bytes([19_873 % 128 | 128, 19_873 // 128 % 128 | 128, 19_873 // 16_384])
        + b"v" * 20_000
    )  # a literal that leaves the table as it is
    heads = seen.connection._client.heads
    assert len(heads.read(block).metadata[0][1]) == 20_000
    assert not heads._known


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


# Properties


def conversation(seed: int) -> tuple[bytes, bytes]:
    """What both sides send over a connection of several interleaved calls of all kinds."""
    chance = random.Random(seed)
    client, server = Side(), Side()
    up, down = (
        [PREFACE, streams.settings((4, 100_000))],
        [streams.settings((1, 4096)), streams.settings_ack()],
    )
    up.append(streams.settings_ack())
    for stream in range(1, 2 * chance.randint(2, 6), 2):
        pieces = chance.randint(1, 3)
        extra = [("x", "y" * chance.randint(0, 90)), ("b-bin", "AAEC")]
        up.append(
            client.request(
                stream,
                f"/a.B/M{stream}",
                extra,
                pieces=pieces,
                padding=chance.choice([0, 5]) if pieces == 1 else 0,
            )
        )
        for _ in range(chance.randint(0, 3)):
            body = message(chance.randbytes(chance.choice([0, 3, 700, 30_000])))
            cut = chance.randint(0, len(body))
            up += [data(stream, body[:cut]), data(stream, body[cut:], padding=chance.choice([0, 4]))]
        up.append(data(stream, b"", end=True))
        if chance.random() < 0.2:
            down.append(frame(streams.RST_STREAM, 0, stream, (2).to_bytes(4, "big")))
            continue
        down.append(server.response(stream, extra, pieces=chance.randint(1, 2)))
        down += [
            data(stream, message(chance.randbytes(chance.randint(0, 300))))
            for _ in range(chance.randint(0, 3))
        ]
        down += [frame(streams.PING, 0, 0, bytes(8)), server.trailers(stream, str(chance.randint(0, 16)))]
    return b"".join(up), b"".join(down)


def chunked(whole: bytes, cuts: list[int]) -> list[bytes]:
    places = sorted({cut % (len(whole) + 1) for cut in cuts} | {0, len(whole)})
    return [whole[start:stop] for start, stop in itertools.pairwise(places) if start != stop]


def observe(up: list[bytes], down: list[bytes]) -> list[object]:
    """Feed both directions, the client's first, and give the events back."""
    seen = Watched()
    for chunk in up:
        seen.sent(chunk)
    for chunk in down:
        seen.answered(chunk)
    assert not seen.connection.unobserved
    return seen.sink.events


@settings(max_examples=60, deadline=None, derandomize=True)
@given(
    st.integers(0, 10_000),
    st.lists(st.integers(0, 100_000), max_size=30),
    st.lists(st.integers(0, 100_000), max_size=30),
)
def test_any_chunking_gives_the_same_events(seed, up_cuts, down_cuts):
    up, down = conversation(seed)
    assert observe(chunked(up, up_cuts), chunked(down, down_cuts)) == observe([up], [down])


def test_byte_by_byte_gives_the_same_events():
    up, down = conversation(3)
    assert observe([bytes([byte]) for byte in up], [bytes([byte]) for byte in down]) == observe([up], [down])


@settings(max_examples=150, deadline=None, derandomize=True)
@given(
    st.integers(0, 10_000),
    st.lists(st.tuples(st.integers(0, 100_000), st.integers(0, 255)), min_size=1, max_size=20),
    st.booleans(),
)
def test_mutated_bytes_never_raise_and_every_call_ends(seed, mutations, client):
    sides = [bytearray(part) for part in conversation(seed)]
    for place, value in mutations:
        side = sides[0 if client else 1]
        side[place % len(side)] = value
    seen = Watched()
    seen.sent(bytes(sides[0])).answered(bytes(sides[1]))
    seen.connection.closed(9_999, by_client=True)
    started = [event.call_id for event in seen.sink.of(CallStarted)]
    ended = [event.call_id for event in seen.sink.of(CallEnded)]
    assert sorted(started) == sorted(ended)
    assert len(set(started)) == len(started)


@settings(max_examples=150, deadline=None, derandomize=True)
@given(st.binary(max_size=400), st.binary(max_size=400), st.booleans())
def test_random_bytes_never_raise_and_nothing_piles_up(up, down, preface):
    seen = Watched()
    seen.sent(PREFACE if preface else b"", up).answered(down)
    seen.connection.closed(9_999, by_client=False)
    assert len(seen.sink.of(CallStarted)) == len(seen.sink.of(CallEnded))
    assert seen.connection.live == 0
