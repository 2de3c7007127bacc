"""Bytes become HTTP/2 frames, whatever the chunks they come in (RFC 9113, section 4).

DATA is handed on as it comes, so that a large frame is never held; every other frame is handed on whole.
"""

import enum
from collections.abc import Iterator
from struct import Struct
from typing import Any

HEADER_SIZE = 9
MAX_HELD = 1024 * 1024  # bytes of one frame other than DATA; the largest that any peer takes is far below
LARGE = 4096  # bytes from which a view is cheaper than a copy
_DATA = 0  # a plain number: comparing with an enumeration's member takes four times as long
_head = Struct(">IBI").unpack_from  # length and type, flags, stream


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
PRIORITY_GIVEN = 0x20


class NotFollowedError(Exception):
    """The parser cannot make sense of these bytes; the text completes "not observed from here on, because …"."""


Piece = bytes | memoryview
"""Part of a chunk; a large one is not copied until its message is whole."""


Frame = tuple[int, int, int, Any, int]
"""A frame, or a piece of a DATA frame: type, flags, stream, payload, size.

The payload is bytes; that of DATA is a :data:`Piece` and comes without padding. ``size`` is the length of the whole
frame's payload, in the first piece of DATA, and 0 in the others; END_STREAM is set on the last piece only.
"""


class FrameReader:
    """One direction of a connection. After :class:`NotFollowedError` it is of no more use."""

    __slots__ = ("_data_flags", "_data_left", "_data_stream", "_held", "_held_size", "_need")

    def __init__(self) -> None:
        self._held: list[bytes] = []  # the beginning of a frame that is not whole yet
        self._held_size = 0
        self._need = HEADER_SIZE  # bytes without which looking again is of no use
        self._data_left = 0  # bytes of the current DATA frame that are still to come
        self._data_stream = 0
        self._data_flags = 0

    def feed(self, chunk: bytes) -> Iterator[Frame]:
        """The frames that end in the next bytes; to be taken to the last one before the next call."""
        if self._held:
            self._held.append(chunk)
            self._held_size += len(chunk)
            if self._held_size < self._need:
                return
            chunk = b"".join(self._held)
            self._held = []
            self._held_size = 0
        position = 0
        end = len(chunk)
        if self._data_left:
            yield self._more_data(chunk, end)
            position = min(self._data_left, end)
            self._data_left -= position
        view = memoryview(chunk) if end > LARGE else chunk
        while (start := position + HEADER_SIZE) <= end:
            head, flags, stream = _head(chunk, position)
            size = head >> 8
            kind = head & 0xFF
            stream &= 0x7FFFFFFF
            stop = start + size
            if stop <= end:
                position = stop
                payload = chunk[start:stop] if size < LARGE or kind != _DATA else view[start:stop]
                if flags & PADDED and kind == _DATA:
                    payload = unpadded(chunk[start:stop], flags)
                yield kind, flags, stream, payload, size
            elif kind == _DATA and not flags & PADDED:
                self._data_left = stop - end
                self._data_stream = stream
                self._data_flags = flags
                yield kind, flags & ~END_STREAM, stream, view[start:end], size
                return
            elif size > MAX_HELD and kind != _DATA:
                raise NotFollowedError(f"a frame of type {kind} with {size} bytes came")
            else:
                self._need = HEADER_SIZE + size
                break
        else:
            self._need = HEADER_SIZE
        if position < end:
            self._held = [chunk[position:]]
            self._held_size = end - position

    def _more_data(self, chunk: bytes, end: int) -> Frame:
        """The next piece of the current DATA frame."""
        left = self._data_left
        piece = memoryview(chunk)[:left] if min(left, end) > LARGE else chunk[:left]
        flags = self._data_flags if left <= end else self._data_flags & ~END_STREAM
        return _DATA, flags, self._data_stream, piece, 0


def unpadded(payload: bytes, flags: int) -> bytes:
    """The payload of a HEADERS or DATA frame without padding and priority."""
    start, end = 0, len(payload)
    if flags & PADDED:
        if not payload or payload[0] >= end:
            raise NotFollowedError("a frame's padding is longer than the frame")
        start, end = 1, end - payload[0]
    return payload[start:end]
