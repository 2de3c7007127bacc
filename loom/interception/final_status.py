"""Statuses as they are written in rules: a code by name or number, a message, details as JSON, and trailers."""

import base64
import binascii
import re
from collections.abc import Mapping, Sequence
from typing import Any

from google.protobuf import any_pb2, duration_pb2, empty_pb2, struct_pb2, timestamp_pb2, wrappers_pb2
from google.protobuf.descriptor_pool import Default
from google.rpc import error_details_pb2, status_pb2

from loom.codec import ChainResolver, EncodeError, TypeResolver, encode, type_name
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
        raise ValueError(f"unknown status {value!r}: it is one of {', '.join(_NAMES)}, or its number")
    return code


def make_final(
    code: str | int,
    message: str = "",
    details: Sequence[Any] = (),
    trailers: Mapping[str, str | Sequence[str]] | None = None,
) -> FinalStatus:
    """A final status; raises ValueError for a code, a detail or a trailer that cannot be.

    Details are left out while :func:`has_own_types` is true of them: :func:`with_details` adds them.
    """
    parsed = parse_code(code)
    final = FinalStatus(Status(parsed, message), make_metadata(trailers or {}))
    return final if has_own_types(details) else with_details(final, details, Default())


def has_own_types(details: Sequence[Any]) -> bool:
    """Whether a detail's type is not one of google.rpc and google.protobuf, so that it needs the call's schema.

    Raises ValueError for a detail without a type.
    """
    return any(not _is_known(_type_of(detail)) for detail in details)


def own_details(details: Sequence[Any]) -> tuple[Any, ...]:
    """The details if any of them needs the call's schema; else none, as :func:`make_final` has them in the status."""
    return tuple(details) if has_own_types(details) else ()


def with_details(final: FinalStatus, details: Sequence[Any], resolver: TypeResolver) -> FinalStatus:
    """The status with details, whose types are found in ``resolver``; raises ValueError."""
    if not details:
        return final
    raw = encode_details(final.status.code, final.status.message, details, resolver)
    status = Status(final.status.code, final.status.message, raw)
    return FinalStatus(status, (*final.trailing, (GRPC_STATUS_DETAILS, raw)))


def _is_known(name: str) -> bool:
    try:
        Default().FindMessageTypeByName(type_name(name))
    except KeyError:
        return False
    return True


def _type_of(detail: Any) -> str:
    if not isinstance(detail, dict) or not isinstance(detail.get("@type"), str):
        raise ValueError(  # noqa: TRY004 (one exception for what cannot be)
            'a detail is a table with its type, as in { "@type" = "google.rpc.ErrorInfo", … }'
        )
    name: str = detail["@type"]
    return name if "/" in name else _TYPE_PREFIX + name


def encode_details(code: int, message: str, details: Sequence[Any], resolver: TypeResolver) -> bytes:
    """The value of ``grpc-status-details-bin``; raises ValueError."""
    typed = [{**detail, "@type": _type_of(detail)} for detail in details]
    value = {"code": int(code), "message": message, "details": typed}
    try:
        return encode(value, status_pb2.Status.DESCRIPTOR, ChainResolver((resolver, Default())))
    except EncodeError as error:
        raise ValueError(f"details: {error}") from error


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
