"""Statuses as they are written in rules: a code by name or number, a message, details as JSON, and trailers."""

import base64
import binascii
import re
from collections.abc import Mapping, Sequence
from typing import Any

from google.protobuf import any_pb2, duration_pb2, empty_pb2, struct_pb2, timestamp_pb2, wrappers_pb2
from google.protobuf.descriptor_pool import Default
from google.rpc import error_details_pb2, status_pb2

from loom.codec import EncodeError, encode
from loom.model import Metadata, MetadataItem, Status, StatusCode, is_binary_key
from loom.model.interception import FinalStatus
from loom.model.metadata import GRPC_STATUS_DETAILS

_NAMES = {code.name: code for code in StatusCode}
_TYPE_PREFIX = "type.googleapis.com/"
_KEY = re.compile(r"[0-9a-z_.-]+")
_RESERVED = ("grpc-status", "grpc-message", "content-type", "te", "grpc-timeout", "grpc-encoding")
_KNOWN_TYPES = (  # imported, so that the default pool has the types that details are of
    error_details_pb2,
    any_pb2,
    duration_pb2,
    empty_pb2,
    struct_pb2,
    timestamp_pb2,
    wrappers_pb2,
)


def parse_code(value: str | int) -> StatusCode:
    """A status code by its name or number; raises ValueError."""
    if isinstance(value, str) and not value.isdigit():
        code = _NAMES.get(value.upper().replace("-", "_"))
    else:
        number = int(value)
        code = next((item for item in StatusCode if item == number), None)
    if code is None:
        raise ValueError(f"there is no status {value!r}: it is one of {', '.join(_NAMES)}, or its number")
    return code


def make_final(
    code: str | int,
    message: str = "",
    details: Sequence[Any] = (),
    trailers: Mapping[str, str | Sequence[str]] | None = None,
) -> FinalStatus:
    """A final status; raises ValueError for a code, a detail or a trailer that cannot be."""
    parsed = parse_code(code)
    trailing = list(make_metadata(trailers or {}))
    raw = encode_details(parsed, message, details) if details else None
    if raw is not None:
        trailing.append((GRPC_STATUS_DETAILS, raw))
    return FinalStatus(Status(parsed, message, raw), tuple(trailing))


def encode_details(code: StatusCode, message: str, details: Sequence[Any]) -> bytes:
    """The value of ``grpc-status-details-bin``; raises ValueError."""
    typed = []
    for detail in details:
        if not isinstance(detail, dict) or not isinstance(detail.get("@type"), str):
            raise ValueError(  # noqa: TRY004 (one exception for what cannot be)
                'a detail is a table with its type, as in { "@type" = "google.rpc.ErrorInfo", … }'
            )
        name = detail["@type"]
        typed.append({**detail, "@type": name if "/" in name else _TYPE_PREFIX + name})
    value = {"code": int(code), "message": message, "details": typed}
    try:
        return encode(value, status_pb2.Status.DESCRIPTOR, Default())
    except EncodeError as error:
        raise ValueError(f"{error} (details are of the types of google.rpc and google.protobuf)") from error


def make_metadata(items: Mapping[str, str | Sequence[str]]) -> Metadata:
    """Metadata of keys and values; binary values are base64. Raises ValueError."""
    return tuple(
        _item(check_key(key), value)
        for key, values in items.items()
        for value in ([values] if isinstance(values, str) else values)
    )


def check_key(key: str) -> str:
    """The key in lower case; raises ValueError if it cannot be one of an application."""
    lowered = key.lower()
    if not _KEY.fullmatch(lowered):
        raise ValueError(f"{key!r} is not a metadata key: it has letters, digits, '-', '_' and '.' only")
    if lowered in _RESERVED:
        raise ValueError(f"{key!r} is set by gRPC itself and cannot be changed")
    return lowered


def _item(key: str, value: str) -> MetadataItem:
    if is_binary_key(key):
        try:
            return key, base64.b64decode(value, validate=True)
        except (binascii.Error, ValueError):
            raise ValueError(
                f"the value of {key!r} is not base64, as that of a key that ends in -bin must be"
            ) from None
    if not value.isprintable() or not value.isascii():
        raise ValueError(
            f"the value of {key!r} has characters that metadata cannot carry: use a key that ends in -bin"
        )
    return key, value
