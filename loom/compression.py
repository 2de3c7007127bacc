"""Undo the compression of a message (``grpc-encoding``), within a limit."""

import zlib

import zstandard

MAX_DECOMPRESSED_BYTES = 64 * 1024 * 1024
_MAX_MEMBERS = 100  # of a gzip or zstd stream; each costs a copy of the rest
_MIN_WINDOW_BYTES = 8 * 1024 * 1024  # what every zstd decoder has to support (RFC 9659)
_ZSTD_CHUNK_BYTES = 256  # four bytes can become 128 KiB: larger chunks would overshoot the limit
_GZIP = 16 + zlib.MAX_WBITS
_ZLIB = zlib.MAX_WBITS
_RAW = -zlib.MAX_WBITS


class CompressionError(ValueError):
    """The message cannot be decompressed; ``too_large`` if only because it exceeds the limit."""

    def __init__(self, message: str, *, too_large: bool = False) -> None:
        super().__init__(message)
        self.too_large = too_large


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
    except (zlib.error, zstandard.ZstdError) as error:
        raise CompressionError(f"not valid {encoding}: {error}") from error
    raise CompressionError(f"the encoding {encoding!r} is not supported: gzip, deflate and zstd are")


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
