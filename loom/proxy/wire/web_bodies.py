"""Parses bodies that are not gRPC's: of Connect's unary calls, of gRPC-Web in base64, and of other responses."""

import binascii
from collections.abc import Sequence

from loom.compression import CompressionError, decompress
from loom.model import Status, StatusCode

from .envelopes import PIECE_COST, Envelope, EnvelopeParser
from .frames import Piece
from .protocols import Protocol, media_type, protocol_of

_BASE64_TYPE = "application/grpc-web-text"
_BASE64_UNIT = 4  # characters
_TEXT_BYTES = 16 * 1024  # kept of a body, which may be compressed
_TEXT_CHARACTERS = 1024  # shown


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


class TextBody(EnvelopeParser, gc=False):
    """The body of a response that is not in the call's protocol: its beginning is kept, to be shown with the status."""

    _prefix: bytes = b""

    def feed(self, data: Piece) -> Sequence[Envelope]:
        """Keep the beginning of the body."""
        missing = _TEXT_BYTES - len(self._prefix)
        if missing > 0:
            self._prefix += bytes(data[:missing])
        return ()

    def text(self, encoding: str) -> str:
        """The beginning of the body as text, decompressed; "" if it is not text."""
        body = self._prefix
        if encoding:
            try:
                body = decompress(body, encoding, _TEXT_BYTES)
            except CompressionError:
                return ""
        text = body.decode(errors="replace").strip()
        if not all(character.isprintable() or character.isspace() for character in text):
            return ""
        return text if len(text) <= _TEXT_CHARACTERS else text[:_TEXT_CHARACTERS] + "…"


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


def decompress_end(payload: bytes, encoding: str) -> bytes | Status:
    """The end of a call (trailer frame, end-of-stream message, error) decompressed; else the status to show instead."""
    try:
        return decompress(payload, encoding)
    except CompressionError as error:
        # A client that cannot decompress it reports INTERNAL, but what Loom has no decoder for, a client may have.
        code = StatusCode.UNKNOWN if error.unsupported else StatusCode.INTERNAL
        return Status(code, f"the status cannot be decompressed: {error}")


def body_parser_of(content_type: str) -> type[EnvelopeParser] | None:
    """The parser for bodies of this content type; None for gRPC's own, :class:`EnvelopeParser`."""
    if protocol_of(content_type) is Protocol.CONNECT_UNARY:
        return UnaryBodyParser
    return Base64EnvelopeParser if media_type(content_type).startswith(_BASE64_TYPE) else None
