"""The parser, given what it cannot follow: a reason, bounded memory, and nothing more."""

import pytest

from loom.model import CallStarted, EndedBy
from loom.proxy.wire import connection as connection_module
from loom.proxy.wire.connection import UNOBSERVED
from tests.proxy.wire import streams
from tests.proxy.wire.streams import data, frame, message
from tests.proxy.wire.watched import Watched


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
    seen.connection.closed(9, EndedBy.CLIENT)
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
    assert not heads.known
