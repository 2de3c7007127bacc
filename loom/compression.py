"""Undo the compression of a message (``grpc-encoding``), within a limit."""

import zlib
from typing import Any

import zstandard

try:
    import cramjam
except ImportError:  # the extra "encodings" is not installed
    cramjam = None  # type: ignore[assignment]

MAX_DECOMPRESSED_BYTES = 64 * 1024 * 1024
_MAX_MEMBERS = 100  # of a gzip or zstd stream; each costs a copy of the rest
_MIN_WINDOW_BYTES = 8 * 1024 * 1024  # what every zstd decoder has to support (RFC 9659)
_ZSTD_CHUNK_BYTES = 256  # four bytes can become 128 KiB: larger chunks would overshoot the limit
_GZIP = 16 + zlib.MAX_WBITS
_ZLIB = zlib.MAX_WBITS
_RAW = -zlib.MAX_WBITS
_FIRST_BUFFER_BYTES = 64 * 1024
_BUFFER_GROWTH = 16


class CompressionError(ValueError):
    """The message cannot be decompressed.

    ``too_large`` if only because it exceeds the limit, ``unsupported`` if only because Loom has no decoder.
    """

    def __init__(self, message: str, *, too_large: bool = False, unsupported: bool = False) -> None:
        super().__init__(message)
        self.too_large = too_large
        self.unsupported = unsupported


def decompress(data: bytes, encoding: str, max_bytes: int = MAX_DECOMPRESSED_BYTES) -> bytes:
    """Decompress a message to at most ``max_bytes``; raises :class:`CompressionError`.

    gRPC's ``deflate`` is the zlib format; raw deflate, which some peers send under that name, is accepted too.
    """
    if encoding in {"", "identity"}:
        return data
    try:
        if encoding == "gzip":
            return _inflate(data, _GZIP, max_bytes)
        if encoding == "deflate":
            try:
                return _inflate(data, _ZLIB, max_bytes)
            except zlib.error:
                return _inflate(data, _RAW, max_bytes)
        if encoding == "zstd":
            return _zstd(data, max_bytes)
        if encoding in _CRAMJAM and cramjam is not None:
            return _decompress_by_cramjam(data, encoding, max_bytes)
    except (zlib.error, zstandard.ZstdError) as error:
        raise CompressionError(f"not valid {encoding}: {error}") from error
    if encoding in _CRAMJAM:
        raise CompressionError(
            f"the encoding {encoding!r} is not supported without the extra: pip install 'loom-grpc[encodings]'",
            unsupported=True,
        )
    raise CompressionError(
        f"the encoding {encoding!r} is not supported: gzip, deflate, zstd, br, snappy and lz4 are",
        unsupported=True,
    )


_CRAMJAM = {"br": "brotli", "snappy": "snappy", "lz4": "lz4"}
"""Encodings that the library cramjam decompresses: Brotli, and the frame formats of Snappy and LZ4."""
_SNAPPY_FRAMES = b"\xff\x06\x00\x00sNaPpY"


def _decompress_by_cramjam(data: bytes, encoding: str, max_bytes: int) -> bytes:
    if encoding == "snappy" and data and not data.startswith(_SNAPPY_FRAMES):
        return _snappy_block(data, max_bytes)
    return _decompress_into(getattr(cramjam, _CRAMJAM[encoding]), data, encoding, max_bytes)


def _snappy_block(data: bytes, max_bytes: int) -> bytes:
    """Decompress Snappy without frames, as some peers send it."""
    try:
        size = cramjam.snappy.decompress_raw_len(data)
        if size > max_bytes:
            raise _too_large(max_bytes)
        return bytes(cramjam.snappy.decompress_raw(data))
    except cramjam.DecompressionError as error:
        raise CompressionError(f"not valid snappy: {error}") from error


def _decompress_into(codec: Any, data: bytes, encoding: str, max_bytes: int) -> bytes:
    """Decompress into a buffer that grows up to the limit: the library has no other bound."""
    size = min(max_bytes, max(_FIRST_BUFFER_BYTES, _BUFFER_GROWTH * len(data)))
    while True:
        buffer = bytearray(size)
        try:
            return bytes(buffer[: codec.decompress_into(data, buffer)])
        except cramjam.DecompressionError as error:
            if "whole buffer" not in str(error) or "write" not in str(error):
                raise CompressionError(f"not valid {encoding}: {error}") from error
            if size == max_bytes:
                raise _too_large(max_bytes) from error
            size = min(max_bytes, size * _BUFFER_GROWTH)


def _inflate(data: bytes, window: int, max_bytes: int) -> bytes:
    output = bytearray()
    for _ in range(_MAX_MEMBERS):
        stream = zlib.decompressobj(window)
        output += stream.decompress(data, max_bytes + 1 - len(output))
        if len(output) > max_bytes:
            raise _too_large(max_bytes)
        if not stream.eof:
            raise zlib.error("the data ends early")
        data = stream.unused_data
        if not data:
            return bytes(output)
    raise zlib.error(f"more than {_MAX_MEMBERS} members")


def _zstd(data: bytes, max_bytes: int) -> bytes:
    output = bytearray()
    decompressor = zstandard.ZstdDecompressor(max_window_size=max(max_bytes, _MIN_WINDOW_BYTES))
    position = frames = 0
    while position < len(data):
        frame = decompressor.decompressobj()
        frames += 1
        if frames > _MAX_MEMBERS:
            raise zstandard.ZstdError(f"more than {_MAX_MEMBERS} frames")
        while not frame.eof:
            chunk = data[position : position + _ZSTD_CHUNK_BYTES]
            if not chunk:
                raise zstandard.ZstdError("the data ends early")
            position += len(chunk)
            output += frame.decompress(chunk)
            if len(output) > max_bytes:
                raise _too_large(max_bytes)
        position -= len(frame.unused_data)
    return bytes(output)


def _too_large(max_bytes: int) -> CompressionError:
    return CompressionError(f"decompresses to more than {max_bytes} bytes: not shown", too_large=True)
