"""Bytes become HTTP/2 frames, whatever the chunks they come in (RFC 9113, section 4).

DATA is handed on as it comes, so that a large frame is never held; every other frame is handed on whole.
"""

import enum
from struct import Struct
from typing import Protocol

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
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


class FrameHandler(Protocol):
    """Who is told of frames, in the order in which they came."""

    def on_data(self, stream: int, payload: Piece, size: int, *, last: bool) -> None:
        """A piece of a DATA frame without its padding.

        ``size`` is the whole frame's payload in its first piece and 0 in the others; ``last`` is set on the
        last piece of a frame with END_STREAM.
        """

    def on_frame(self, kind: int, flags: int, stream: int, payload: bytes) -> None:
        """Any other frame, whole."""


class FrameReader:
    """One direction of a connection. :meth:`feed` raises :class:`NotFollowedError` at most once: feed no more then."""

    __slots__ = ("_data_end", "_data_left", "_data_stream", "_handler", "_held", "_held_size", "_need")

    def __init__(self, handler: FrameHandler) -> None:
        self._handler = handler
        self._held: list[bytes] = []  # the beginning of a frame that is not whole yet
        self._held_size = 0
        self._need = HEADER_SIZE  # bytes without which looking again is of no use
        self._data_left = 0  # bytes of the current DATA frame that are still to come
        self._data_stream = 0
        self._data_end = False

    def feed(self, chunk: bytes) -> None:  # noqa: C901 (the hot loop: every call of a function costs here)
        """Take in the next bytes."""
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
            position = self._more_data(chunk, end)
        handler = self._handler
        view = memoryview(chunk) if end > LARGE else None
        while end - position >= HEADER_SIZE:
            head, flags, stream = _head(chunk, position)
            size = head >> 8
            kind = head & 0xFF
            stream &= 0x7FFFFFFF
            start = position + HEADER_SIZE
            stop = start + size
            if kind == _DATA and not flags & PADDED:
                if stop <= end:
                    payload = chunk[start:stop] if size < LARGE or view is None else view[start:stop]
                    handler.on_data(stream, payload, size, last=bool(flags & END_STREAM))
                    position = stop
                    continue
                self._data_left = stop - end
                self._data_stream = stream
                self._data_end = bool(flags & END_STREAM)
                handler.on_data(
                    stream, chunk[start:end] if view is None else view[start:end], size, last=False
                )
                return
            if stop > end:
                if size > MAX_HELD and kind != _DATA:
                    raise NotFollowedError(f"a frame of type {kind} with {size} bytes came")
                self._need = HEADER_SIZE + size
                break
            if kind == _DATA:
                payload = unpadded(chunk[start:stop], flags)
                handler.on_data(stream, payload, size, last=bool(flags & END_STREAM))
            else:
                handler.on_frame(kind, flags, stream, chunk[start:stop])
            position = stop
        else:
            self._need = HEADER_SIZE
        if position < end:
            self._held = [chunk[position:]]
            self._held_size = end - position

    def _more_data(self, chunk: bytes, end: int) -> int:
        taken = min(self._data_left, end)
        self._data_left -= taken
        last = self._data_end and not self._data_left
        piece = memoryview(chunk)[:taken] if taken > LARGE else chunk[:taken]
        self._handler.on_data(self._data_stream, piece, 0, last=last)
        return taken


def unpadded(payload: bytes, flags: int) -> bytes:
    """The payload of a HEADERS or DATA frame without padding and priority."""
    start, end = 0, len(payload)
    if flags & PADDED:
        if not payload or payload[0] >= end:
            raise NotFollowedError("a frame's padding is longer than the frame")
        start, end = 1, end - payload[0]
    return payload[start:end]
