"""The connection preface, whole and in pieces."""

import pytest

from loom.proxy.wire.frames import ParseError
from loom.proxy.wire.preface import PREFACE, Preface


@pytest.mark.parametrize("size", [1, 5, len(PREFACE), len(PREFACE) + 3])
def test_the_preface_is_stripped_in_pieces_of_any_size(size: int) -> None:
    data = PREFACE + b"frames"
    preface = Preface()
    remainder = b""
    for start in range(0, len(data), size):
        chunk = data[start : start + size]
        remainder += chunk if preface.complete else preface.strip(chunk)
    assert (preface.complete, remainder) == (True, b"frames")


def test_another_protocol_is_named() -> None:
    with pytest.raises(ParseError, match=r"^it is HTTP/1\.1$"):
        Preface().strip(b"GET / HTTP/1.1\r\n\r\n")
