"""Parses what the Connect protocol has instead of trailers: errors, end-of-stream messages, GET requests, timeouts.

Source: https://connectrpc.com/docs/protocol/.
"""

import base64
import binascii
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs

import msgspec

from loom.model import Metadata, MetadataItem, Status, StatusCode, is_binary_key

TRAILER_PREFIX = "trailer-"
"""What marks trailers among the headers of a unary response."""

_CODES = {code.name.lower(): code for code in StatusCode if code is not StatusCode.OK} | {
    "canceled": StatusCode.CANCELLED
}
_TIMEOUT = re.compile(r"\d{1,10}")
_TYPE_URL_PREFIX = "type.googleapis.com/"


class EndOfStream(msgspec.Struct, frozen=True):
    """The last message of a stream: its status and trailing metadata."""

    status: Status
    metadata: Metadata = ()


@dataclass(frozen=True, slots=True)
class GetRequest:
    """A unary call by GET: the message is in the query. ``content_type`` is that of the same call by POST."""

    path: str
    message: bytes
    content_type: str
    encoding: str  # "" without compression


def encoding_of(content_type: str, headers: Mapping[str, str]) -> str:
    """The compression of a call's messages, or of a unary call's body; "" without compression."""
    if content_type.startswith("application/grpc"):
        return ""
    stream = content_type.startswith("application/connect")
    encoding = headers.get("connect-content-encoding" if stream else "content-encoding", "")
    return "" if encoding == "identity" else encoding


def parse_timeout(text: str) -> int | None:
    """``connect-timeout-ms`` in nanoseconds; None if it is absent or malformed."""
    return int(text) * 1_000_000 if _TIMEOUT.fullmatch(text) else None


def parse_get(target: str) -> GetRequest | None:
    """The request in ``:path``; None if it is not a Connect call."""
    path, _, query = target.partition("?")
    fields = {key: values[0] for key, values in parse_qs(query, keep_blank_values=True).items()}
    if "message" not in fields or "encoding" not in fields:
        return None
    if fields.get("base64") == "1":
        message = _from_base64(fields["message"])
        if message is None:
            return None
    else:
        # parse_qs decodes as UTF-8, which binary messages are not
        raw = parse_qs(query, keep_blank_values=True, encoding="latin-1")["message"][0]
        message = raw.encode("latin-1")
    encoding = fields.get("compression", "")
    return GetRequest(
        path, message, f"application/{fields['encoding']}", "" if encoding == "identity" else encoding
    )


def split_trailers(headers: Metadata) -> tuple[Metadata, Metadata]:
    """The headers and the trailers of a unary response."""
    initial = tuple(item for item in headers if not item[0].startswith(TRAILER_PREFIX))
    trailing = tuple(
        (key.removeprefix(TRAILER_PREFIX), value) for key, value in headers if key.startswith(TRAILER_PREFIX)
    )
    return initial, trailing


def parse_error(body: bytes, default: StatusCode) -> Status:
    """The status in the body of a failed unary call; ``default``, from the HTTP status, if it names no code."""
    try:
        error = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return Status(default)
    return _status(error, default)


def parse_end_of_stream(payload: bytes) -> EndOfStream:
    """The last message of a stream, decompressed."""
    try:
        end = msgspec.json.decode(payload)
    except (msgspec.DecodeError, UnicodeDecodeError):
        end = None
    if not isinstance(end, dict):
        return EndOfStream(Status(StatusCode.UNKNOWN, "the end of the stream cannot be parsed"))
    error, metadata = end.get("error"), end.get("metadata")
    status = Status(StatusCode.OK) if error is None else _status(error, StatusCode.UNKNOWN)
    return EndOfStream(status, _metadata(metadata) if isinstance(metadata, dict) else ())


def _status(error: Any, default: StatusCode) -> Status:
    if not isinstance(error, dict):
        return Status(default)
    code, message = error.get("code"), error.get("message")
    return Status(
        _CODES.get(code, default) if isinstance(code, str) else default,
        message if isinstance(message, str) else "",
        _details(error, default),
    )


def _details(error: dict[str, Any], default: StatusCode) -> bytes | None:
    """The details as gRPC has them: a serialised ``google.rpc.Status``; None without any."""
    items = error.get("details")
    if not isinstance(items, list) or not items:
        return None
    from google.rpc import status_pb2  # noqa: PLC0415 (few processes meet such an error)

    code, message = error.get("code"), error.get("message")
    status = status_pb2.Status(
        code=int(_CODES.get(code, default)) if isinstance(code, str) else int(default),
        message=message if isinstance(message, str) else "",
    )
    for item in items:
        if (
            isinstance(item, dict)
            and isinstance(item.get("type"), str)
            and isinstance(item.get("value"), str)
        ):
            value = _from_base64(item["value"])
            if value is not None:
                status.details.add(type_url=_TYPE_URL_PREFIX + item["type"], value=value)
    return bytes(status.SerializeToString()) if status.details else None


def _metadata(fields: dict[str, Any]) -> Metadata:
    items: list[MetadataItem] = []
    for name, values in fields.items():
        key = name.lower()
        for value in values if isinstance(values, list) else [values]:
            if isinstance(value, str):
                decoded = _from_base64(value) if is_binary_key(key) else None
                items.append((key, value if decoded is None else decoded))
    return tuple(items)


def _from_base64(text: str) -> bytes | None:
    """The bytes of standard or URL-safe base64, with or without padding; None if it is malformed."""
    text = text.strip().replace("-", "+").replace("_", "/")
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
    except (binascii.Error, ValueError):
        return None
