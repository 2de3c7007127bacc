"""Length-prefixed messages, however their bytes are split."""

from typing import Any

import pytest

from loom.proxy.wire.envelopes import PIECE_COST, EnvelopeParser, single_payload
from tests.proxy.wire.http2_bytes import message

DATA = message(b"one") + message(b"") + message(b"x" * 300, flag=1)
ENVELOPES = [(0, b"one", 3), (0, b"", 0), (1, b"x" * 300, 300)]


@pytest.mark.parametrize("size", [1, 2, 5, 7, 100, len(DATA)])
def test_messages_in_pieces_of_any_size(size: int) -> None:
    parser = EnvelopeParser(1000)
    envelopes: list[Any] = []
    for start in range(0, len(DATA), size):
        envelopes += parser.feed(DATA[start : start + size])
    assert envelopes == ENVELOPES
    assert (parser.buffered, parser.unfinished) == (0, False)


def test_the_cost_of_an_unfinished_message() -> None:
    parser = EnvelopeParser(1000)
    assert parser.feed(message(b"x" * 10)[:8]) == []
    assert (parser.buffered, parser.unfinished) == (3 + PIECE_COST, True)
    assert parser.feed(b"") == ()
    assert parser.buffered == 3 + PIECE_COST


def test_a_message_above_the_limit_has_a_size_and_no_payload() -> None:
    parser = EnvelopeParser(4)
    assert list(parser.feed(message(b"12345") + message(b"1234"))) == [(0, b"", 5), (0, b"1234", 4)]


@pytest.mark.parametrize(
    ("data", "payload"),
    [
        (message(b"one"), b"one"),
        (memoryview(message(b"one")), b"one"),
        (message(b"one", flag=1), None),
        (message(b"12345"), None),
        (message(b"one") + b"x", None),
        (message(b"one")[:-1], None),
        (b"\x00\x00", None),
    ],
)
def test_the_payload_of_exactly_one_message(data: bytes, payload: bytes | None) -> None:
    assert single_payload(data, 4) == payload
