"""Properties of the parser: chunking does not change the events, and every call ends, whatever the bytes."""

import itertools
import random
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from loom.model import CallEnded, CallStarted, EndedBy, Event
from tests.proxy.wire import http2_bytes
from tests.proxy.wire.http2_bytes import PREFACE, Peer, data, frame, message
from tests.proxy.wire.observed_connection import ObservedConnection


def conversation(seed: int) -> tuple[bytes, bytes]:
    """The bytes of both sides of a connection with several interleaved calls of all kinds."""
    chance = random.Random(seed)
    client, server = Peer(), Peer()
    up, down = (
        [PREFACE, http2_bytes.settings((4, 100_000))],
        [http2_bytes.settings((1, 4096)), http2_bytes.settings_ack()],
    )
    up.append(http2_bytes.settings_ack())
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
            down.append(frame(http2_bytes.RST_STREAM, 0, stream, (2).to_bytes(4, "big")))
            continue
        down.append(server.response(stream, extra, pieces=chance.randint(1, 2)))
        down += [
            data(stream, message(chance.randbytes(chance.randint(0, 300))))
            for _ in range(chance.randint(0, 3))
        ]
        down += [frame(http2_bytes.PING, 0, 0, bytes(8)), server.trailers(stream, str(chance.randint(0, 16)))]
    return b"".join(up), b"".join(down)


def split(data: bytes, cuts: list[int]) -> list[bytes]:
    positions = sorted({cut % (len(data) + 1) for cut in cuts} | {0, len(data)})
    return [data[start:stop] for start, stop in itertools.pairwise(positions) if start != stop]


def observe(up: list[bytes], down: list[bytes]) -> list[Event]:
    """Feed both directions, the client's first, and return the events."""
    observed = ObservedConnection()
    for chunk in up:
        observed.client_sends(chunk)
    for chunk in down:
        observed.server_sends(chunk)
    assert not observed.connection.unobserved
    return observed.sink.events


@settings(max_examples=60, deadline=None, derandomize=True)
@given(
    st.integers(0, 10_000),
    st.lists(st.integers(0, 100_000), max_size=30),
    st.lists(st.integers(0, 100_000), max_size=30),
)
def test_any_chunking_gives_the_same_events(seed: int, up_cuts: list[Any], down_cuts: list[Any]) -> None:
    up, down = conversation(seed)
    assert observe(split(up, up_cuts), split(down, down_cuts)) == observe([up], [down])


def test_byte_by_byte_gives_the_same_events() -> None:
    up, down = conversation(3)
    assert observe([bytes([byte]) for byte in up], [bytes([byte]) for byte in down]) == observe([up], [down])


@settings(max_examples=150, deadline=None, derandomize=True)
@given(
    st.integers(0, 10_000),
    st.lists(st.tuples(st.integers(0, 100_000), st.integers(0, 255)), min_size=1, max_size=20),
    st.booleans(),
)
def test_mutated_bytes_never_raise_and_every_call_ends(seed: int, mutations: list[Any], client: bool) -> None:
    sides = [bytearray(part) for part in conversation(seed)]
    for position, value in mutations:
        side = sides[0 if client else 1]
        side[position % len(side)] = value
    observed = ObservedConnection()
    observed.client_sends(bytes(sides[0])).server_sends(bytes(sides[1]))
    observed.connection.close(9_999, EndedBy.CLIENT)
    started = [event.call_id for event in observed.sink.of(CallStarted)]
    ended = [event.call_id for event in observed.sink.of(CallEnded)]
    assert sorted(started) == sorted(ended)
    assert len(set(started)) == len(started)


@settings(max_examples=150, deadline=None, derandomize=True)
@given(st.binary(max_size=400), st.binary(max_size=400), st.booleans())
def test_random_bytes_never_raise_and_leave_no_open_call(up: bytes, down: bytes, preface: bool) -> None:
    observed = ObservedConnection()
    observed.client_sends(PREFACE if preface else b"", up).server_sends(down)
    observed.connection.close(9_999, EndedBy.BACKEND)
    assert len(observed.sink.of(CallStarted)) == len(observed.sink.of(CallEnded))
    assert observed.connection.open_calls == 0
