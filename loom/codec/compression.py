"""Undoes the compression of a message (``grpc-encoding``), within a bound."""

import zlib

import zstandard

MAX_DECOMPRESSED = 64 * 1024 * 1024
_MOST_MEMBERS = 100  # each costs a copy of the rest
_LEAST_WINDOW = 8 * 1024 * 1024  # what every decoder has to support (RFC 9659)
_ZSTD_STEP = 256  # bytes read at once: four of them can become 128 KiB
_GZIP = 16 + zlib.MAX_WBITS
_ZLIB = zlib.MAX_WBITS
_RAW = -zlib.MAX_WBITS


class CompressionError(ValueError):
    """The message cannot be decompressed, or grows past the bound."""


class TooLargeError(CompressionError):
    """It grows past the bound."""


def decompress(data: bytes, encoding: str, limit: int = MAX_DECOMPRESSED) -> bytes:
    """The message before compression, at most ``limit`` bytes of it; :class:`CompressionError` otherwise.

    gRPC's ``deflate`` is zlib's format; raw deflate, which some peers send under that name, is read too.
    """
    if encoding in {"", "identity"}:
        return data
    try:
        if encoding == "gzip":
            return _inflate(data, _GZIP, limit)
        if encoding == "deflate":
            try:
                return _inflate(data, _ZLIB, limit)
            except zlib.error:
                return _inflate(data, _RAW, limit)
        if encoding == "zstd":
            return _zstd(data, limit)
    except (zlib.error, zstandard.ZstdError) as error:
        raise CompressionError(f"not valid {encoding}: {error}") from error
    raise CompressionError(f"the encoding {encoding!r} is not known here: gzip, deflate and zstd are")


def _inflate(data: bytes, window: int, limit: int) -> bytes:
    out = bytearray()
    for _ in range(_MOST_MEMBERS):  # a gzip stream may have several members
        stream = zlib.decompressobj(window)
        out += stream.decompress(data, limit + 1 - len(out))
        if len(out) > limit:
            raise _too_large(limit)
        if not stream.eof:
            raise zlib.error("the data ends early")
        data = stream.unused_data
        if not data:
            return bytes(out)
    raise zlib.error(f"more than {_MOST_MEMBERS} members")


def _zstd(data: bytes, limit: int) -> bytes:
    out = bytearray()
    made = zstandard.ZstdDecompressor(max_window_size=max(limit, _LEAST_WINDOW))
    position = frames = 0
    while position < len(data):  # a stream may have several frames
        frame = made.decompressobj()
        frames += 1
        while not frame.eof:
            piece = data[position : position + _ZSTD_STEP]
            if not piece or frames > _MOST_MEMBERS:
                raise zstandard.ZstdError(
                    "the data ends early" if not piece else f"more than {frames - 1} frames"
                )
            position += len(piece)
            out += frame.decompress(piece)
            if len(out) > limit:
                raise _too_large(limit)
        position -= len(frame.unused_data)
    return bytes(out)


def _too_large(limit: int) -> TooLargeError:
    return TooLargeError(f"decompresses to more than {limit} bytes: not shown")
