"""Past a limit a connection is no longer observed, says why, and keeps nothing; ordinary traffic stays far from it."""

import pytest

from loom.model import CallEnded, CallIds, CallStarted, EndedBy, Status
from loom.proxy.wire.connection import UNOBSERVED, Connection
from loom.proxy.wire.limits import ConnectionLimits, Usage
from tests.proxy.wire import http2_bytes
from tests.proxy.wire.http2_bytes import PREFACE, Peer, data, frame, message
from tests.proxy.wire.observed_connection import ObservedConnection, Sink

FEW = ConnectionLimits(idle_frames=1_000)
FLOOD = 1_500
INDEXED_FIELD = b"\x84"  # :path /, one byte for a field
PING = frame(http2_bytes.PING, 0, 0, bytes(8))
WINDOW_UPDATE = frame(http2_bytes.WINDOW_UPDATE, 0, 1, bytes([0, 0, 0, 1]))
PRIORITY_FRAME, UNKNOWN_FRAME = frame(2, 0, 1, bytes(5)), frame(0xFA, 0, 0, b"x")


@pytest.mark.parametrize(
    "idle",
    [
        data(1, b""),
        data(1, b"", padding=10),
        data(99, b"of no stream"),
        WINDOW_UPDATE,
        frame(http2_bytes.WINDOW_UPDATE, 0, 0, bytes([0, 0, 0, 1])),
        PRIORITY_FRAME,
        PING,
        UNKNOWN_FRAME,
        frame(http2_bytes.RST_STREAM, 0, 99, bytes(4)),
        frame(http2_bytes.GOAWAY, 0, 0, bytes(8)),
        http2_bytes.settings((3, 100)) + http2_bytes.settings_ack(),
        frame(http2_bytes.HEADERS, http2_bytes.END_HEADERS, 1, INDEXED_FIELD),
        frame(http2_bytes.HEADERS, http2_bytes.END_HEADERS, 99, b"\x82"),
        frame(http2_bytes.HEADERS, 0, 1, b"\x82") + frame(http2_bytes.CONTINUATION, 4, 1, b""),
    ],
    ids=[
        "empty DATA", "padding", "DATA of no stream", "WINDOW_UPDATE", "WINDOW_UPDATE of the connection", "PRIORITY",
        "PING", "unknown type", "RST_STREAM of no stream", "GOAWAY", "SETTINGS", "HEADERS of an open stream",
        "HEADERS without a path", "CONTINUATION",
    ],
)  # fmt: skip
def test_a_flood_of_frames_that_carry_nothing_ends_the_observation(idle: bytes) -> None:
    observed = ObservedConnection(FEW).handshake()
    observed.client_sends(observed.client.request(1))
    for _ in range(FLOOD):
        observed.client_sends(idle)
        observed.server_sends(http2_bytes.settings_ack())
    assert "frames that carry nothing" in observed.connection.unobserved
    assert (
        observed.call_ended().note == f"not observed from here on, because {observed.connection.unobserved}"
    )
    assert not observed.connection.open_calls


def test_time_allows_frames_that_carry_nothing() -> None:
    observed = ObservedConnection(FEW).handshake()
    for _ in range(FLOOD * 5):
        observed.now += 1_000_000  # a thousand a second
        observed.client_sends(PING)
    assert not observed.connection.unobserved


def test_time_without_traffic_allows_no_more_than_the_limit() -> None:
    observed = ObservedConnection(FEW).handshake()
    observed.now += 3_600_000_000_000
    observed.client_sends(PING * 2 * FLOOD)
    assert "frames that carry nothing" in observed.connection.unobserved


def test_messages_allow_frames_that_carry_nothing() -> None:
    observed = ObservedConnection(FEW).handshake()
    observed.client_sends(observed.client.request(1))
    for _ in range(FLOOD * 2):
        observed.client_sends(data(1, message(b"x")))
        observed.server_sends(WINDOW_UPDATE * 2 + PING + http2_bytes.settings_ack())
    assert not observed.connection.unobserved


def call_and_reset(observed: ObservedConnection, stream: int) -> None:
    observed.client_sends(
        observed.client.request(stream), frame(http2_bytes.RST_STREAM, 0, stream, bytes([0, 0, 0, 8]))
    )


def test_a_flood_of_calls_that_are_reset_without_an_answer_ends_the_observation() -> None:
    observed = ObservedConnection(ConnectionLimits(resets=100, resets_per_second=50)).handshake()
    for stream in range(1, 220, 2):
        call_and_reset(observed, stream)
    assert observed.connection.unobserved == (
        "the client reset more than 100 calls before they were answered (past 50 a second)"
    )
    assert not observed.connection.open_calls
    assert len(observed.sink.of(CallEnded)) == 101


def test_time_allows_calls_that_are_reset() -> None:
    observed = ObservedConnection(ConnectionLimits(resets=100, resets_per_second=50)).handshake()
    for stream in range(1, 2001, 2):
        observed.now += 20_000_000  # fifty a second
        call_and_reset(observed, stream)
    assert not observed.connection.unobserved


def test_calls_that_are_reset_after_an_answer_do_not_count() -> None:
    observed = ObservedConnection(ConnectionLimits(resets=10, resets_per_second=1)).handshake()
    for stream in range(1, 101, 2):
        observed.client_sends(observed.client.request(stream))
        observed.server_sends(observed.server.response(stream))
        observed.client_sends(frame(http2_bytes.RST_STREAM, 0, stream, bytes([0, 0, 0, 8])))
    assert not observed.connection.unobserved


def test_a_block_of_many_fields_counts_as_many_frames() -> None:
    observed = ObservedConnection(FEW).handshake()
    observed.client_sends(frame(http2_bytes.HEADERS, http2_bytes.END_HEADERS, 1, INDEXED_FIELD * 5_000))
    assert "frames that carry nothing" in observed.connection.unobserved


def test_calls_with_much_metadata_are_observed() -> None:
    observed = ObservedConnection(FEW).handshake()
    extra = [(f"key-{number}", "x" * 50) for number in range(150)]
    for stream in range(1, 201, 2):
        observed.client_sends(observed.client.request(stream, extra=[*extra, ("id", str(stream))]))
    assert not observed.connection.unobserved
    assert observed.connection.open_calls == 100


def test_frames_of_a_header_block_are_bounded() -> None:
    observed = ObservedConnection(ConnectionLimits(header_block_frames=10)).handshake()
    observed.client_sends(frame(http2_bytes.HEADERS, 0, 1, b"\x82"))
    observed.client_sends(frame(http2_bytes.CONTINUATION, 0, 1) * 10)
    assert observed.connection.unobserved == "a header block of more than 10 frames came"


def test_many_settings_in_one_frame_update_the_streams_once() -> None:
    observed = ObservedConnection().handshake()
    observed.client_sends(observed.client.request(1))
    observed.client_sends(http2_bytes.settings((4, 10), (4, 20), (4, 30)))
    [stream] = observed.connection._streams.values()
    assert stream.response_window.available == 30
    assert observed.connection._server.initial_window == 30


def connections(count: int, limits: ConnectionLimits) -> tuple[list[Connection], list[Peer], Usage, Sink]:
    usage, sink, ids = Usage(), Sink(), CallIds()
    made = [
        Connection(number, sink, ids, peer="", target="", limits=limits, usage=usage)
        for number in range(count)
    ]
    peers = [Peer() for _ in made]
    for connection in made:
        list(connection.receive_data(PREFACE, 1, client=True))
    return made, peers, usage, sink


def test_open_streams_of_all_connections_are_bounded() -> None:
    made, peers, usage, sink = connections(3, ConnectionLimits(total_streams=5))
    for stream in (1, 3, 5):
        for connection, peer in zip(made, peers, strict=True):
            list(connection.receive_data(peer.request(stream), 1, client=True))
    assert made[2].unobserved == "more than 5 streams are open on all connections"
    assert not made[0].unobserved
    assert usage.streams == sum(connection.open_calls for connection in made)
    for connection in made:
        connection.close(2, EndedBy.CLIENT)
    assert usage == Usage()
    assert len([call for call in sink.of(CallStarted) if call.method != UNOBSERVED]) == 6


def test_unfinished_bytes_of_all_connections_are_bounded() -> None:
    made, peers, usage, sink = connections(3, ConnectionLimits(total_unfinished_bytes=25_000))
    for connection, peer in zip(made, peers, strict=True):
        list(
            connection.receive_data(
                peer.request(1) + data(1, message(bytes(20_000))[:10_000]), 1, client=True
            )
        )
    assert made[2].unobserved == "unfinished messages of all connections exceed 25000 bytes"
    assert usage.unfinished_bytes == made[0]._unfinished + made[1]._unfinished
    list(made[0].receive_data(data(1, bytes(10_005), end=True), 1, client=True))
    server = Peer()
    reply = server.response(1) + data(1, message(b"x")) + server.trailers(1)
    list(made[0].receive_data(reply, 2, client=False))
    made[1].close(2, EndedBy.CLIENT)
    assert usage == Usage()
    assert Status(0) in [event.status for event in sink.of(CallEnded)]
