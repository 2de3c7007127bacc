"""Messages that do not come length-prefixed as gRPC has them: Connect's unary ones, gRPC-Web's in base64.

Sources: https://connectrpc.com/docs/protocol/, https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-WEB.md.
"""

import binascii
from collections.abc import Mapping, Sequence

import msgspec

from loom.model import Status, StatusCode

from .envelopes import MAX_MESSAGE, PIECE_COST, Found, MessageReader
from .frames import Piece

_BARE = frozenset(
    f"application/{kind}" for kind in ("json", "proto", "protobuf", "x-protobuf")
)  # Connect's unary calls: the body is the message
_TEXT = "application/grpc-web-text"
_QUARTER = 4  # base64 comes four characters at a time
_CODES = {code.name.lower(): code for code in StatusCode} | {"canceled": StatusCode.CANCELLED}


class BodyReader(MessageReader, gc=False):
    """One direction of one stream: all of it is one message, which is whole at its end."""

    def feed(self, data: Piece) -> Sequence[Found]:
        """Nothing is whole yet."""
        size = len(data)
        self._size += size
        if self._size > MAX_MESSAGE:
            self._pieces, self.held = [], 0
        elif size:
            self._pieces.append(bytes(data))
            self.held += size + PIECE_COST
        return ()

    def end(self) -> Found:
        """The message."""
        return self._finish()


class TextReader(MessageReader, gc=False):
    """Length-prefixed messages in base64, of which each piece may be padded."""

    _text: bytes = b""

    def feed(self, data: Piece) -> Sequence[Found]:
        """The messages that end in these characters; what is no base64 is none."""
        text = self._text + bytes(data)
        whole = len(text) // _QUARTER * _QUARTER
        self._text = text[whole:]
        decoded = bytearray()
        for part in text[:whole].replace(b"=", b"= ").split():
            padded = part + b"=" * (-len(part) % _QUARTER)
            try:
                decoded += binascii.a2b_base64(padded)
            except binascii.Error:
                return ()
        return super().feed(memoryview(decoded)) if decoded else ()


def reader_of(content_type: str) -> type[MessageReader] | None:
    """What reads one direction of a call of this content type, where that is not gRPC's own :class:`MessageReader`."""
    media = content_type.partition(";")[0].strip().lower()
    if media in _BARE:
        return BodyReader
    return TextReader if media.startswith(_TEXT) else None


def is_connect(content_type: str, headers: Mapping[str, str]) -> bool:
    """Whether a request is a call of the Connect protocol: streams say so by type, unary calls by version."""
    return content_type.startswith("application/connect") or "connect-protocol-version" in headers


def connect_encoding(content_type: str, headers: Mapping[str, str]) -> str:
    """How Connect says that messages are compressed; of a unary call it is the body. "" where they are not."""
    if content_type.startswith("application/grpc"):
        return ""
    stream = content_type.startswith("application/connect")
    found = headers.get("connect-content-encoding" if stream else "content-encoding", "")
    return "" if found == "identity" else found


class _Error(msgspec.Struct):
    code: str = "unknown"
    message: str = ""


class _EndOfStream(msgspec.Struct):
    error: _Error | None = None


def status_of_error(body: bytes, otherwise: StatusCode) -> Status:
    """The status in the body of a unary call that failed, or what the HTTP status tells."""
    try:
        error = msgspec.json.decode(body, type=_Error)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return Status(otherwise, "")
    return Status(_CODES.get(error.code, otherwise), error.message)


def status_at_end(payload: bytes) -> Status:
    """The status in the last message of a stream."""
    try:
        error = msgspec.json.decode(payload, type=_EndOfStream).error
    except (msgspec.DecodeError, UnicodeDecodeError):
        return Status(StatusCode.UNKNOWN, "the end of the stream cannot be read")
    return (
        Status(StatusCode.OK)
        if error is None
        else status_of_error(msgspec.json.encode(error), StatusCode.UNKNOWN)
    )
