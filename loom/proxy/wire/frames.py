"""Parses HTTP/2 frames, however the bytes are split into chunks (RFC 9113, section 4).

DATA is returned piece by piece, so that a large frame is never buffered; any other frame is returned complete.
"""

import enum
from collections.abc import Iterator
from struct import Struct
from typing import Any

HEADER_SIZE = 9
MAX_FRAME_SIZE = 1024 * 1024  # bytes of one frame other than DATA; peers accept far smaller ones only
VIEW_SIZE = 4096  # bytes from which a view is cheaper than a copy
_DATA = 0  # a plain number: an enumeration's members compare four times as slowly
_unpack_header = Struct(">IBI").unpack_from  # length and type, flags, stream


class FrameType(enum.IntEnum):
    """RFC 9113, section 6."""

    DATA = 0
    HEADERS = 1
    PRIORITY = 2
    RST_STREAM = 3
    SETTINGS = 4
    PUSH_PROMISE = 5
    PING = 6
    GOAWAY = 7
    WINDOW_UPDATE = 8
    CONTINUATION = 9


END_STREAM = 0x1  # also ACK, on SETTINGS and PING
END_HEADERS = 0x4
PADDED = 0x8
PRIORITY = 0x20


class ParseError(Exception):
    """These bytes cannot be parsed; the text completes "not observed from here on, because …"."""


Piece = bytes | memoryview
"""Part of a chunk; a large one is not copied until its message is complete."""


Frame = tuple[int, int, int, Any, int]
"""A frame, or a piece of a DATA frame: type, flags, stream id, payload, size.

The payload is bytes; that of DATA is a :data:`Piece` without padding. ``size`` is the length of the whole
frame's payload, in the first piece of DATA, and 0 in the others; END_STREAM is set on the last piece only.
"""


class FrameParser:
    """One direction of a connection. Unusable after a :class:`ParseError`."""

    __slots__ = ("_chunks", "_chunks_size", "_data_flags", "_data_missing", "_data_stream_id", "_required")

    def __init__(self) -> None:
        self._chunks: list[bytes] = []  # the start of an incomplete frame
        self._chunks_size = 0
        self._required = HEADER_SIZE  # bytes that parsing the next frame takes at least
        self._data_missing = 0  # bytes that the current DATA frame lacks
        self._data_stream_id = 0
        self._data_flags = 0

    @property
    def is_between_frames(self) -> bool:
        """Whether the bytes so far end with the end of a frame."""
        return not self._chunks and not self._data_missing

    def feed(self, chunk: bytes) -> Iterator[Frame]:
        """Parse bytes; yield the frames that they complete, all of which must be consumed before the next call."""
        if self._chunks:
            self._chunks.append(chunk)
            self._chunks_size += len(chunk)
            if self._chunks_size < self._required:
                return
            chunk = b"".join(self._chunks)
            self._chunks = []
            self._chunks_size = 0
        position = 0
        end = len(chunk)
        if self._data_missing:
            yield self._continue_data(chunk, end)
            position = min(self._data_missing, end)
            self._data_missing -= position
        view = memoryview(chunk) if end > VIEW_SIZE else chunk
        while (start := position + HEADER_SIZE) <= end:
            size_and_kind, flags, stream_id = _unpack_header(chunk, position)
            size = size_and_kind >> 8
            kind = size_and_kind & 0xFF
            stream_id &= 0x7FFFFFFF
            stop = start + size
            if stop <= end:
                position = stop
                payload = chunk[start:stop] if size < VIEW_SIZE or kind != _DATA else view[start:stop]
                if flags & PADDED and kind == _DATA:
                    payload = strip_padding(chunk[start:stop], flags)
                yield kind, flags, stream_id, payload, size
            elif kind == _DATA and not flags & PADDED:
                self._data_missing = stop - end
                self._data_stream_id = stream_id
                self._data_flags = flags
                yield kind, flags & ~END_STREAM, stream_id, view[start:end], size
                return
            elif size > MAX_FRAME_SIZE and kind != _DATA:
                raise ParseError(f"a frame of type {kind} with {size} bytes came")
            else:
                self._required = HEADER_SIZE + size
                break
        else:
            self._required = HEADER_SIZE
        if position < end:
            self._chunks = [chunk[position:]]
            self._chunks_size = end - position

    def _continue_data(self, chunk: bytes, end: int) -> Frame:
        """The next piece of the current DATA frame."""
        missing = self._data_missing
        piece = memoryview(chunk)[:missing] if min(missing, end) > VIEW_SIZE else chunk[:missing]
        flags = self._data_flags if missing <= end else self._data_flags & ~END_STREAM
        return _DATA, flags, self._data_stream_id, piece, 0


def strip_padding(payload: bytes, flags: int) -> bytes:
    """The payload of a HEADERS, PUSH_PROMISE or DATA frame without padding."""
    start, end = 0, len(payload)
    if flags & PADDED:
        if not payload or payload[0] >= end:
            raise ParseError("a frame's padding is longer than the frame")
        start, end = 1, end - payload[0]
    return payload[start:end]
