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
    ACCEPT_ENCODING,
    CONTENT_TYPE,
    GRPC_ACCEPT_ENCODING,
    GRPC_ENCODING,
    GRPC_MESSAGE,
    GRPC_STATUS,
    GRPC_STATUS_DETAILS,
    GRPC_TIMEOUT,
    USER_AGENT,
)

from . import connect
from .connect import GetRequest
from .envelopes import EnvelopeParser
from .frames import ParseError
from .protocols import Protocol, codec_of, protocol_of, request_protocol
from .web_bodies import UnaryBodyParser, body_parser_of

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

    field_count: int
    path: str
    authority: str
    http_status: int | None  # :status
    metadata: Metadata  # all but the pseudo-headers, in order
    trailing: Metadata  # the same without the status, for trailers
    content_type: str
    codec: str  # of the messages, by the content type: proto, json …
    encoding: str  # grpc-encoding, or Connect's equivalent
    content_encoding: str  # of the whole body
    accepted_encodings: tuple[str, ...]  # by a request's sender; empty if it does not say
    timeout_ns: int | None
    user_agent: str
    protocol: Protocol  # of a request; of a response, what its content type says
    get: GetRequest | None  # of a Connect call by GET
    body_parser: type[EnvelopeParser] | None  # None if the body is plain gRPC
    informational: bool  # of an HTTP status from 100 to 199
    begins_grpc: bool  # the usual headers of a gRPC response: HTTP status 200, and a status is yet to come
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
        """Apply the receiver's SETTINGS_HEADER_TABLE_SIZE, which the sender has acknowledged.

        A sender that keeps a larger table must say so by a size update, which some leave out and some receivers (Go's)
        do not miss: the table stays as it is until an update comes.
        """
        decoder = self._decoder
        decoder.max_allowed_table_size = max(min(size, MAX_TABLE_SIZE), decoder.header_table_size)
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
    text: dict[str, str] = {}  # of repeated keys the first, as in net/http
    details: bytes | None = None
    message = b""
    for raw_key, raw_value in fields:
        key = raw_key.decode("latin-1")
        if is_binary_key(key):
            # Two C-core peers negotiate raw bytes behind a zero (GRPC_ALLOW_TRUE_BINARY_METADATA).
            values = raw_value.decode("latin-1").split(",")
            items = [raw_value[1:]] if raw_value[:1] == b"\0" else map(_from_base64, values)
            for decoded in items:
                metadata.append((key, decoded))
                if key == GRPC_STATUS_DETAILS and isinstance(decoded, bytes):
                    details = decoded if details is None else details
            continue
        value = decode_text(raw_value)
        if key.startswith(":"):
            pseudo[key] = value
            continue
        if key == GRPC_MESSAGE and key not in text:
            message = raw_value
        metadata.append((key, value))
        text.setdefault(key, value)
    path = pseudo.get(":path", "")
    get = connect.parse_get(path) if pseudo.get(":method") == "GET" and "?" in path else None
    content_type = text.get(CONTENT_TYPE, "")
    body_parser = body_parser_of(content_type)
    if get is not None:
        path, content_type, body_parser, protocol = (
            get.path,
            get.content_type,
            UnaryBodyParser,
            Protocol.CONNECT_UNARY,
        )
    elif path:
        protocol = request_protocol(content_type, text)
    else:
        protocol = protocol_of(content_type)
    http_status = _number(pseudo.get(":status", ""))
    status = _status(text, message, details)
    return HeaderBlock(
        field_count=len(fields),
        path=path,
        authority=pseudo.get(":authority", ""),
        http_status=http_status,
        informational=http_status is not None and 100 <= http_status < 200,  # noqa: PLR2004
        metadata=tuple(metadata),
        trailing=tuple(item for item in metadata if item[0] not in _STATUS_KEYS),
        content_type=content_type,
        codec=codec_of(content_type),
        encoding=get.encoding
        if get is not None
        else text.get(GRPC_ENCODING, "") or connect.encoding_of(content_type, text),
        content_encoding=text.get("content-encoding", ""),
        accepted_encodings=_accepted_encodings(content_type, text),
        timeout_ns=parse_timeout(text.get(GRPC_TIMEOUT, ""))
        if not protocol.is_connect
        else connect.parse_timeout(text.get("connect-timeout-ms", "")),
        user_agent=text.get(USER_AGENT, ""),
        protocol=protocol,
        get=get,
        body_parser=body_parser,
        begins_grpc=protocol is Protocol.GRPC and http_status == 200 and status is None,  # noqa: PLR2004
        status=status,
    )


def _accepted_encodings(content_type: str, text: dict[str, str]) -> tuple[str, ...]:
    if content_type.startswith("application/grpc"):
        key = GRPC_ACCEPT_ENCODING
    else:
        key = "connect-accept-encoding" if content_type.startswith("application/connect") else ACCEPT_ENCODING
    names = (name.partition(";")[0].strip() for name in text.get(key, "").split(","))
    return tuple(name for name in names if name)


def decode_text(raw: bytes) -> str:
    """The text of a header's value: UTF-8; bytes that are not are escaped (``\\xe9``)."""
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return raw.decode(errors="backslashreplace")


def parse_trailer_lines(payload: bytes) -> HeaderBlock:
    """The trailers of gRPC-Web, which are the lines of its last message."""
    lines = [line.partition(b":") for line in payload.splitlines() if line]
    return interpret([(key.strip().lower(), value.strip()) for key, _, value in lines])


def _status(text: dict[str, str], message: bytes, details: bytes | None) -> Status | None:
    code = _number(text.get(GRPC_STATUS, ""))
    if code is None:
        return None
    return Status(code, unquote_to_bytes(message).decode(errors="replace"), details)


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
