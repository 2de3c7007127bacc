"""Make a screenshot small: as a PNG with a palette of its 256 most frequent colours.

Source: https://www.w3.org/TR/png-3/, for 8-bit RGB without interlace, as Chromium writes it.
"""

import struct
import zlib
from collections import Counter
from collections.abc import Iterator

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_COLOURS = 256


def with_palette(png: bytes) -> bytes:
    """The same picture with at most 256 colours; any other becomes the nearest of them."""
    width, height, rows = _pixels(png)
    colours = [bytes(row[at : at + 3]) for row in rows for at in range(0, len(row), 3)]
    counted = Counter(colours)
    palette = [colour for colour, _ in counted.most_common(_COLOURS)]
    index = {colour: _nearest(colour, palette) for colour in counted}
    flat = bytes(index[colour] for colour in colours)
    # Filter 0: with a palette, neighbouring indices say nothing about each other.
    lines = b"".join(b"\0" + flat[start : start + width] for start in range(0, width * height, width))
    return b"".join(
        [
            _SIGNATURE,
            _chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 3, 0, 0, 0)),
            _chunk(b"PLTE", b"".join(palette)),
            _chunk(b"IDAT", zlib.compress(lines, 9)),
            _chunk(b"IEND", b""),
        ]
    )


def _nearest(colour: bytes, palette: list[bytes]) -> int:
    red, green, blue = colour
    return min(
        range(len(palette)),
        key=lambda at: (
            (red - palette[at][0]) ** 2 + (green - palette[at][1]) ** 2 + (blue - palette[at][2]) ** 2
        ),
    )


def _pixels(png: bytes) -> tuple[int, int, list[bytearray]]:
    """Width, height, and the rows of RGB bytes."""
    chunks = list(_chunks(png))
    width, height, depth, kind, *_, interlace = struct.unpack(">IIBBBBB", chunks[0][1])
    if (depth, kind, interlace) != (8, 2, 0):
        raise ValueError(f"not 8-bit RGB without interlace: {depth}, {kind}, {interlace}")
    data = zlib.decompress(b"".join(body for name, body in chunks if name == b"IDAT"))
    length = width * 3
    above = bytearray(length)
    rows = []
    for start in range(0, len(data), length + 1):
        above = _unfiltered(data[start], data[start + 1 : start + 1 + length], above)
        rows.append(above)
    return width, height, rows


def _unfiltered(kind: int, line: bytes, above: bytearray) -> bytearray:
    row = bytearray(line)
    for at, value in enumerate(line):
        left = row[at - 3] if at >= 3 else 0
        corner = above[at - 3] if at >= 3 else 0
        row[at] = (value + _prediction(kind, left, above[at], corner)) & 255
    return row


def _prediction(kind: int, left: int, up: int, corner: int) -> int:
    if kind < 4:
        return (0, left, up, (left + up) // 2)[kind]
    guess = left + up - corner
    return min((left, up, corner), key=lambda value: abs(guess - value))  # the first of equals


def _chunks(png: bytes) -> Iterator[tuple[bytes, bytes]]:
    at = len(_SIGNATURE)
    while at < len(png):
        (size,) = struct.unpack_from(">I", png, at)
        yield png[at + 4 : at + 8], png[at + 8 : at + 8 + size]
        at += size + 12


def _chunk(name: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))
