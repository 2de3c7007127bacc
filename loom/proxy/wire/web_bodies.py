"""Parses bodies that differ from gRPC's: Connect's unary calls, and gRPC-Web in base64.

Sources: https://connectrpc.com/docs/protocol/, https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-WEB.md.
"""

import binascii
from collections.abc import Mapping, Sequence

import msgspec

from loom.model import Status, StatusCode

from .envelopes import PIECE_COST, Envelope, EnvelopeParser
from .frames import Piece

_UNARY_TYPES = frozenset(
    f"application/{kind}" for kind in ("json", "proto", "protobuf", "x-protobuf")
)  # Connect's unary calls: the body is the message
_BASE64_TYPE = "application/grpc-web-text"
_BASE64_UNIT = 4  # characters
_CODES = {code.name.lower(): code for code in StatusCode} | {"canceled": StatusCode.CANCELLED}


class UnaryBodyParser(EnvelopeParser, gc=False):
    """One direction of one stream, which is one message without a prefix."""

    def feed(self, data: Piece) -> Sequence[Envelope]:
        """Buffer a part of the message."""
        size = len(data)
        self._size += size
        if self._size > self.max_size:
            self._pieces, self.buffered = [], 0
        elif size:
            self._pieces.append(bytes(data))
            self.buffered += size + PIECE_COST
        return ()

    def end(self) -> Envelope:
        """The message, at the end of the stream."""
        return self._finish()


class Base64EnvelopeParser(EnvelopeParser, gc=False):
    """Length-prefixed messages in base64, which may be padded anywhere between its units."""

    _text: bytes = b""

    def feed(self, data: Piece) -> Sequence[Envelope]:
        """Parse characters; return the messages that they complete, none if they are not base64."""
        text = self._text + bytes(data)
        end = len(text) // _BASE64_UNIT * _BASE64_UNIT
        self._text = text[end:]
        decoded = bytearray()
        for part in text[:end].replace(b"=", b"= ").split():
            padded = part + b"=" * (-len(part) % _BASE64_UNIT)
            try:
                decoded += binascii.a2b_base64(padded)
            except binascii.Error:
                return ()
        return super().feed(memoryview(decoded)) if decoded else ()


def body_parser_of(content_type: str) -> type[EnvelopeParser] | None:
    """The parser for bodies of this content type; None for gRPC's own, :class:`EnvelopeParser`."""
    media = content_type.partition(";")[0].strip().lower()
    if media in _UNARY_TYPES:
        return UnaryBodyParser
    return Base64EnvelopeParser if media.startswith(_BASE64_TYPE) else None


def is_connect(content_type: str, headers: Mapping[str, str]) -> bool:
    """Whether a request uses the Connect protocol: streams have its content type, unary calls its version header."""
    return content_type.startswith("application/connect") or "connect-protocol-version" in headers


def connect_encoding(content_type: str, headers: Mapping[str, str]) -> str:
    """The compression of a Connect call's messages, or of a unary call's body; "" without compression."""
    if content_type.startswith("application/grpc"):
        return ""
    stream = content_type.startswith("application/connect")
    encoding = headers.get("connect-content-encoding" if stream else "content-encoding", "")
    return "" if encoding == "identity" else encoding


class _Error(msgspec.Struct):
    code: str = "unknown"
    message: str = ""


class _EndOfStream(msgspec.Struct):
    error: _Error | None = None


def parse_error(body: bytes, default: StatusCode) -> Status:
    """The status in the body of a failed unary call; ``default``, from the HTTP status, if it has none."""
    try:
        error = msgspec.json.decode(body, type=_Error)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return Status(default, "")
    return Status(_CODES.get(error.code, default), error.message)


def parse_end_of_stream(payload: bytes) -> Status:
    """The status in the last message of a stream."""
    try:
        error = msgspec.json.decode(payload, type=_EndOfStream).error
    except (msgspec.DecodeError, UnicodeDecodeError):
        return Status(StatusCode.UNKNOWN, "the end of the stream cannot be parsed")
    return (
        Status(StatusCode.OK)
        if error is None
        else parse_error(msgspec.json.encode(error), StatusCode.UNKNOWN)
    )
