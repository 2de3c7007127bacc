"""The parser's properties: any chunks give the same events, and any bytes at all give an end to every call."""

import itertools
import random

from hypothesis import given, settings
from hypothesis import strategies as st

from loom.model import CallEnded, CallStarted, EndedBy
from tests.proxy.wire import streams
from tests.proxy.wire.streams import PREFACE, Side, data, frame, message
from tests.proxy.wire.watched import Watched


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
    seen.connection.closed(9_999, EndedBy.CLIENT)
    started = [event.call_id for event in seen.sink.of(CallStarted)]
    ended = [event.call_id for event in seen.sink.of(CallEnded)]
    assert sorted(started) == sorted(ended)
    assert len(set(started)) == len(started)


@settings(max_examples=150, deadline=None, derandomize=True)
@given(st.binary(max_size=400), st.binary(max_size=400), st.booleans())
def test_random_bytes_never_raise_and_nothing_piles_up(up, down, preface):
    seen = Watched()
    seen.sent(PREFACE if preface else b"", up).answered(down)
    seen.connection.closed(9_999, EndedBy.BACKEND)
    assert len(seen.sink.of(CallStarted)) == len(seen.sink.of(CallEnded))
    assert seen.connection.live == 0
