"""Decodes header blocks and interprets them for gRPC: requests, responses and trailers.

HPACK (RFC 7541) itself is the library ``hpack``'s. A block that leaves the dynamic table unchanged decodes to the
same fields until the table changes, so such blocks are cached: for most calls that is all of them.
"""

import base64
import binascii
import re
from dataclasses import dataclass
from urllib.parse import unquote_to_bytes

from hpack import Decoder
from hpack.exceptions import HPACKError

from loom.model import Metadata, MetadataItem, Status, is_binary_key
from loom.model.metadata import (
    CONTENT_TYPE,
    GRPC_ENCODING,
    GRPC_MESSAGE,
    GRPC_STATUS,
    GRPC_STATUS_DETAILS,
    GRPC_TIMEOUT,
    USER_AGENT,
)

from .envelopes import EnvelopeParser
from .frames import ParseError
from .web_bodies import body_parser_of, connect_encoding, is_connect

MAX_HEADER_LIST_SIZE = 1024 * 1024  # bytes
MAX_TABLE_SIZE = 1024 * 1024  # bytes
_CACHE_BLOCKS = 512
_CACHE_BLOCK_SIZE = 16 * 1024  # bytes, decoded: a full cache stays below 8 MiB
_TIMEOUT = re.compile(r"(\d{1,8})([HMSmun])")
_UNITS = {
    "H": 3_600_000_000_000,
    "M": 60_000_000_000,
    "S": 1_000_000_000,
    "m": 1_000_000,
    "u": 1_000,
    "n": 1,
}
_MAX_TIMEOUT_NS = (
    10 * 365 * 24 * 3600 * _UNITS["S"]
)  # a legal grpc-timeout may be past 64 bits of nanoseconds
_MAX_DIGITS = 10  # of a status code; longer ones are recorded as the largest
_MAX_CODE = 10**_MAX_DIGITS - 1
_STATUS_KEYS = frozenset({GRPC_STATUS, GRPC_MESSAGE})


@dataclass(frozen=True, slots=True)
class HeaderBlock:
    """A decoded header block, and everything derived from it: as blocks are cached, that is derived once."""

    path: str
    authority: str
    http_status: int | None  # :status
    metadata: Metadata  # all but the pseudo-headers, in order
    trailing: Metadata  # the same without the status, for trailers
    content_type: str
    encoding: str  # grpc-encoding, or Connect's equivalent
    timeout_ns: int | None
    user_agent: str
    web: bool  # gRPC-Web, which sends trailers as a message
    connect: bool  # the Connect protocol, in a request
    body_parser: type[EnvelopeParser] | None  # None if the body is plain gRPC
    informational: bool  # of an HTTP status from 100 to 199
    status: Status | None  # grpc-status with grpc-message, percent-decoded, and the details


class HeaderDecoder:
    """Decodes the header blocks of one direction, in order."""

    def __init__(self) -> None:
        self._decoder = Decoder(max_header_list_size=MAX_HEADER_LIST_SIZE)
        self.cache: dict[bytes, HeaderBlock] = {}
        """Blocks that need no decoding, to be looked up before :meth:`decode`."""

    @property
    def max_table_size(self) -> int:
        """The largest dynamic table, in bytes, that the sender may use now."""
        return self._decoder.max_allowed_table_size

    def set_max_table_size(self, size: int) -> None:
        """Apply the receiver's SETTINGS_HEADER_TABLE_SIZE, which the sender has acknowledged."""
        self._decoder.max_allowed_table_size = min(size, MAX_TABLE_SIZE)
        self.cache.clear()

    def decode(self, data: bytes) -> HeaderBlock:
        """Decode a complete block. Raises :class:`ParseError`."""
        table = self._decoder.header_table
        entries = table.dynamic_entries
        before = (len(entries), entries[0] if entries else None, table.maxsize)
        try:
            fields = self._decoder.decode(data, raw=True)
        except (HPACKError, ValueError, IndexError, OverflowError) as error:
            raise ParseError(f"a header block cannot be decoded ({error or type(error).__name__})") from None
        block = interpret([(bytes(field[0]), bytes(field[1])) for field in fields])
        entries = table.dynamic_entries
        first = entries[0] if entries else None
        if len(entries) != before[0] or first is not before[1] or table.maxsize != before[2]:
            self.cache.clear()
        elif (
            len(self.cache) < _CACHE_BLOCKS
            and sum(len(field[0]) + len(field[1]) for field in fields) <= _CACHE_BLOCK_SIZE
        ):
            self.cache[data] = block
        return block


def interpret(fields: list[tuple[bytes, bytes]]) -> HeaderBlock:
    """Interpret a header list."""
    pseudo: dict[str, str] = {}
    metadata: list[MetadataItem] = []
    text: dict[str, str] = {}
    details: bytes | None = None
    for raw_key, raw_value in fields:
        key = raw_key.decode("latin-1")
        value = raw_value.decode("latin-1")
        if key.startswith(":"):
            pseudo[key] = value
        elif is_binary_key(key):
            # Two C-core peers negotiate raw bytes behind a zero (GRPC_ALLOW_TRUE_BINARY_METADATA).
            items = [raw_value[1:]] if raw_value[:1] == b"\0" else map(_from_base64, value.split(","))
            for decoded in items:
                metadata.append((key, decoded))
                if key == GRPC_STATUS_DETAILS and isinstance(decoded, bytes):
                    details = decoded
        else:
            metadata.append((key, value))
            text[key] = value
    content_type = text.get(CONTENT_TYPE, "")
    http_status = _number(pseudo.get(":status", ""))
    return HeaderBlock(
        path=pseudo.get(":path", ""),
        authority=pseudo.get(":authority", ""),
        http_status=http_status,
        informational=http_status is not None and 100 <= http_status < 200,  # noqa: PLR2004
        metadata=tuple(metadata),
        trailing=tuple(item for item in metadata if item[0] not in _STATUS_KEYS),
        content_type=content_type,
        encoding=text.get(GRPC_ENCODING, "") or connect_encoding(content_type, text),
        timeout_ns=parse_timeout(text.get(GRPC_TIMEOUT, "")),
        user_agent=text.get(USER_AGENT, ""),
        web=content_type.startswith("application/grpc-web"),
        connect=is_connect(content_type, text),
        body_parser=body_parser_of(content_type),
        status=_status(text, details),
    )


def parse_trailer_lines(payload: bytes) -> HeaderBlock:
    """The trailers of gRPC-Web, which are the lines of its last message."""
    lines = [line.partition(b":") for line in payload.split(b"\r\n") if line]
    return interpret([(key.strip().lower(), value.strip()) for key, _, value in lines])


def _status(text: dict[str, str], details: bytes | None) -> Status | None:
    code = _number(text.get(GRPC_STATUS, ""))
    if code is None:
        return None
    message = unquote_to_bytes(text.get(GRPC_MESSAGE, "").encode("latin-1")).decode(errors="replace")
    return Status(code, message, details)


def _number(text: str) -> int | None:
    if not (text.isascii() and text.isdigit()):
        return None
    digits = text.lstrip("0") or "0"
    return int(digits) if len(digits) <= _MAX_DIGITS else _MAX_CODE


def parse_timeout(text: str) -> int | None:
    """``grpc-timeout`` in nanoseconds, at most ten years; None if it is absent or malformed."""
    match = _TIMEOUT.fullmatch(text)
    return min(int(match[1]) * _UNITS[match[2]], _MAX_TIMEOUT_NS) if match else None


def _from_base64(text: str) -> str | bytes:
    """The bytes of a ``-bin`` value, with or without padding; the text itself if it is malformed."""
    text = text.strip()
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
    except (binascii.Error, ValueError):
        return text
