"""A connection whose bytes cannot be parsed: it names the reason and keeps bounded memory."""

import pytest

from loom.model import CallStarted, EndedBy
from loom.proxy.wire.connection import UNOBSERVED
from loom.proxy.wire.limits import ConnectionLimits
from tests.proxy.wire import http2_bytes
from tests.proxy.wire.http2_bytes import data, frame, message
from tests.proxy.wire.observed_connection import ObservedConnection
from tests.support.narrowing import required


@pytest.mark.parametrize(
    ("first", "reason"),
    [
        (b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", "it is HTTP/1.1"),
        (b"GET / HTTP/1.1\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n", "upgrade to h2c"),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(30), "it is TLS"),
        (b"\x00\x01garbage that is nothing at all", "does not begin as HTTP/2"),
    ],
)
def test_another_protocol_is_named(first: bytes, reason: str) -> None:
    observed = ObservedConnection()
    observed.client_sends(first)
    observed.server_sends(b"HTTP/1.1 200 OK\r\n\r\n")
    [started] = observed.sink.of(CallStarted)
    assert started.method == UNOBSERVED
    assert reason in str(started.wire["unobserved"])
    observed.connection.close(9, EndedBy.CLIENT)
    assert "not observed" in observed.call_ended().note


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        (
            frame(http2_bytes.HEADERS, http2_bytes.END_HEADERS, 1, b"\xff\xff\xff\xff\xff\xff"),
            "header block cannot be decoded",
        ),
        (frame(http2_bytes.HEADERS, 0, 1, b"\x82") + frame(http2_bytes.DATA, 0, 1, b""), None),
        (frame(http2_bytes.CONTINUATION, http2_bytes.END_HEADERS, 1, b"\x82"), "without its HEADERS"),
        (frame(http2_bytes.HEADERS, http2_bytes.PADDED | http2_bytes.END_HEADERS, 1, b"\xff\x82"), "padding"),
        ((2_000_000).to_bytes(3, "big") + bytes([http2_bytes.HEADERS, 4, 0, 0, 0, 1]), "2000000 bytes"),
        (
            frame(http2_bytes.HEADERS, http2_bytes.END_HEADERS, 1, b"\x3f\xe1\xff\xff\xff\x07"),
            "header block cannot be decoded",
        ),
    ],
)
def test_invalid_bytes_end_the_observation(bad: bytes, reason: str | None) -> None:
    observed = ObservedConnection().handshake()
    observed.client_sends(observed.client.request(101))
    observed.client_sends(bad)
    if reason is None:
        return
    assert reason in observed.connection.unobserved
    assert observed.call_ended().note.startswith("not observed from here on, because ")
    before = len(observed.sink.events)
    observed.client_sends(observed.client.request(103)).server_sends(b"anything")
    assert len(observed.sink.events) == before


def test_a_header_bomb_is_not_decoded() -> None:
    observed = ObservedConnection().handshake()
    block = observed.client.encoder.encode([("x" * 1000, "y" * 3000)]) + b"\xbe" * 100_000
    parts = [block[at : at + 16_000] for at in range(0, len(block), 16_000)]
    observed.client_sends(frame(http2_bytes.HEADERS, 0, 1, parts[0]))
    for part in parts[1:]:
        observed.client_sends(
            frame(http2_bytes.CONTINUATION, http2_bytes.END_HEADERS if part is parts[-1] else 0, 1, part)
        )
    assert "header block cannot be decoded" in observed.connection.unobserved


def test_continuation_without_end_is_bounded() -> None:
    observed = ObservedConnection().handshake()
    observed.client_sends(frame(http2_bytes.HEADERS, 0, 1, b"\x82"))
    for _ in range(100):
        observed.client_sends(frame(http2_bytes.CONTINUATION, 0, 1, bytes(16_000)))
    assert "a header block of more than" in observed.connection.unobserved


def test_unfinished_messages_are_bounded() -> None:
    observed = ObservedConnection(ConnectionLimits(unfinished_bytes=1000)).handshake()
    observed.client_sends(observed.client.request(1), data(1, b"\x00\x00\xff\xff\xff" + bytes(2000)))
    assert "unfinished messages exceed 1000 bytes" in observed.connection.unobserved


def test_empty_frames_do_not_accumulate() -> None:
    observed = ObservedConnection().handshake()
    observed.client_sends(observed.client.request(1), data(1, message(b"x" * 10)[:8]))
    [stream] = observed.connection._streams.values()
    parser = required(stream.request)
    buffered, pieces = parser.buffered, len(parser._pieces)
    observed.client_sends(data(1, b"") * 1000)
    assert (parser.buffered, len(parser._pieces)) == (buffered, pieces)
    observed.client_sends(
        frame(http2_bytes.HEADERS, 0, 3, b"\x82"), frame(http2_bytes.CONTINUATION, 0, 3) * 1000
    )
    assert len(observed.connection._client.block_pieces) == 1


def test_settings_without_acknowledgement_are_bounded() -> None:
    observed = ObservedConnection().handshake()
    observed.client_sends(http2_bytes.settings((1, 100)) * (ConnectionLimits().unacknowledged_settings + 10))
    assert "SETTINGS" in observed.connection.unobserved


def test_small_pieces_count_with_the_cost_of_storing_them() -> None:
    observed = ObservedConnection(ConnectionLimits(unfinished_bytes=10_000)).handshake()
    observed.client_sends(observed.client.request(1), data(1, message(b"x" * 5_000)[:6]))
    for _ in range(1_000):
        observed.client_sends(data(1, b"xx"))
    assert "unfinished messages" in observed.connection.unobserved


def test_large_header_blocks_are_not_cached() -> None:
    observed = ObservedConnection().handshake()
    block = (
        b"\x00\x01k\x7f"
        + bytes([19_873 % 128 | 128, 19_873 // 128 % 128 | 128, 19_873 // 16_384])
        + b"v" * 20_000
    )  # a literal that leaves the table as it is
    headers = observed.connection._client.headers
    assert len(headers.decode(block).metadata[0][1]) == 20_000
    assert not headers.cache
