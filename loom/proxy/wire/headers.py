"""Header blocks become what a call starts, answers and ends with.

HPACK (RFC 7541) is ``hpack``'s. A block that neither reads nor changes anything that has changed since decodes to the
same as last time, so such blocks are remembered: for most calls that is all of them.
"""

import base64
import binascii
import re
from dataclasses import dataclass
from urllib.parse import unquote_to_bytes

from hpack import Decoder
from hpack.exceptions import HPACKError

from loom.model import Metadata, MetadataItem, Status, is_binary_key

from .envelopes import MessageReader
from .frames import NotFollowedError
from .web_bodies import connect_encoding, is_connect, reader_of

MAX_HEADER_LIST = 1024 * 1024
MAX_TABLE = 1024 * 1024
_REMEMBERED = 512
_SMALL = 16 * 1024  # bytes, decoded, of a block that is worth remembering: so all of them stay below 8 MiB
_TIMEOUT = re.compile(r"(\d{1,8})([HMSmun])")
_UNITS = {
    "H": 3_600_000_000_000,
    "M": 60_000_000_000,
    "S": 1_000_000_000,
    "m": 1_000_000,
    "u": 1_000,
    "n": 1,
}
_HIDDEN_IN_TRAILERS = frozenset({"grpc-status", "grpc-message"})


@dataclass(frozen=True, slots=True)
class Head:
    """A decoded header block: pseudo-headers apart, the others as metadata, in their order.

    Blocks repeat, so whatever can be derived from one is derived once.
    """

    path: str
    authority: str
    http_status: int | None  # :status
    metadata: Metadata
    trailing: Metadata  # of a trailers block: without what is the status
    content_type: str
    encoding: str  # grpc-encoding, or what Connect has for it
    timeout_ns: int | None
    user_agent: str
    web: bool  # gRPC-Web, which has trailers of its own
    connect: bool  # of the Connect protocol, if it is a request
    reader: type[MessageReader] | None  # of what follows, where that is not gRPC's own
    informational: bool  # of an HTTP status from 100 to 199
    status: Status | None  # grpc-status with grpc-message, percent-decoded, and the details


class HeadReader:
    """One direction's header blocks, in their order."""

    def __init__(self) -> None:
        self._decoder = Decoder(max_header_list_size=MAX_HEADER_LIST)
        self.known: dict[bytes, Head] = {}
        """Blocks that :meth:`read` would not have to decode: look here first."""

    @property
    def table_limit(self) -> int:
        """The largest dynamic table, in bytes, that the sender may use now."""
        return self._decoder.max_allowed_table_size

    def allow_table(self, size: int) -> None:
        """The receiver's SETTINGS_HEADER_TABLE_SIZE is in force."""
        self._decoder.max_allowed_table_size = min(size, MAX_TABLE)
        self.known.clear()

    def read(self, block: bytes) -> Head:
        """Decode a whole block; :class:`NotFollowedError` if that cannot be done."""
        table = self._decoder.header_table
        entries = table.dynamic_entries
        before = (len(entries), entries[0] if entries else None, table.maxsize)
        try:
            fields = self._decoder.decode(block, raw=True)
        except (HPACKError, ValueError, IndexError, OverflowError) as error:
            raise NotFollowedError(
                f"a header block cannot be decoded ({error or type(error).__name__})"
            ) from None
        head = digest([(bytes(field[0]), bytes(field[1])) for field in fields])
        entries = table.dynamic_entries
        first = entries[0] if entries else None
        if len(entries) != before[0] or first is not before[1] or table.maxsize != before[2]:
            self.known.clear()
        elif (
            len(self.known) < _REMEMBERED and sum(len(field[0]) + len(field[1]) for field in fields) <= _SMALL
        ):
            self.known[block] = head
        return head


def digest(fields: list[tuple[bytes, bytes]]) -> Head:
    """What matters of a header list."""
    pseudo: dict[str, str] = {}
    metadata: list[MetadataItem] = []
    plain: dict[str, str] = {}
    details: bytes | None = None
    for raw_key, raw_value in fields:
        key = raw_key.decode("latin-1")
        value = raw_value.decode("latin-1")
        if key.startswith(":"):
            pseudo[key] = value
        elif is_binary_key(key):
            # C-core peers agree by a setting of their own to send bytes as they are, behind a zero.
            items = [raw_value[1:]] if raw_value[:1] == b"\0" else map(_from_base64, value.split(","))
            for decoded in items:
                metadata.append((key, decoded))
                if key == "grpc-status-details-bin" and isinstance(decoded, bytes):
                    details = decoded
        else:
            metadata.append((key, value))
            plain[key] = value
    content_type = plain.get("content-type", "")
    http_status = _number(pseudo.get(":status", ""))
    return Head(
        path=pseudo.get(":path", ""),
        authority=pseudo.get(":authority", ""),
        http_status=http_status,
        informational=http_status is not None and 100 <= http_status < 200,  # noqa: PLR2004
        metadata=tuple(metadata),
        trailing=tuple(item for item in metadata if item[0] not in _HIDDEN_IN_TRAILERS),
        content_type=content_type,
        encoding=plain.get("grpc-encoding", "") or connect_encoding(content_type, plain),
        timeout_ns=timeout_ns(plain.get("grpc-timeout", "")),
        user_agent=plain.get("user-agent", ""),
        web=content_type.startswith("application/grpc-web"),
        connect=is_connect(content_type, plain),
        reader=reader_of(content_type),
        status=_status(plain, details),
    )


def _status(plain: dict[str, str], details: bytes | None) -> Status | None:
    code = _number(plain.get("grpc-status", ""))
    if code is None:
        return None
    message = unquote_to_bytes(plain.get("grpc-message", "").encode("latin-1")).decode(errors="replace")
    return Status(code, message, details)


def _number(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdigit() else None


def timeout_ns(text: str) -> int | None:
    """``grpc-timeout`` in nanoseconds; None where there is none that can be read."""
    match = _TIMEOUT.fullmatch(text)
    return int(match[1]) * _UNITS[match[2]] if match else None


def _from_base64(text: str) -> str | bytes:
    """The bytes of a ``-bin`` value, with or without padding; the text itself if it is none."""
    text = text.strip()
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
    except (binascii.Error, ValueError):
        return text
