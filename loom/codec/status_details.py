"""Decode the error details in ``grpc-status-details-bin``: a ``google.rpc.Status`` whose Anys are unpacked."""

from dataclasses import dataclass, field
from typing import Any

from google.protobuf.message import DecodeError
from google.rpc import status_pb2

from loom.api.calls import StatusDetail

from .json_printer import JsonPrinter
from .lenient_parser import parse_message
from .type_resolver import TypeResolver, type_name
from .wire_view import wire_view


@dataclass(slots=True)
class StatusDetails:
    """``missing_types`` are those that the resolver did not know."""

    code: int
    message: str
    details: list[StatusDetail] = field(default_factory=list)
    missing_types: set[str] = field(default_factory=set)
    error: str | None = None
    raw: bytes = b""


def decode_status_details(raw: bytes, resolver: TypeResolver) -> StatusDetails:
    """Decode the details whose types are known. Bytes that are not a Status give an ``error`` and ``raw``."""
    try:
        status = status_pb2.Status.FromString(raw)
    except DecodeError as error:
        return StatusDetails(0, "", error=f"not a google.rpc.Status: {error}", raw=raw)
    decoded = StatusDetails(status.code, status.message, raw=raw)
    for item in status.details:
        decoded.details.append(_detail(item, resolver, decoded.missing_types))
    return decoded


def _detail(item: Any, resolver: TypeResolver, missing_types: set[str]) -> StatusDetail:
    name = type_name(item.type_url)
    try:
        message, flaws = parse_message(item.value, resolver.FindMessageTypeByName(name))
    except KeyError:
        missing_types.add(name)
        return StatusDetail(name, None, f"no source knows {name}", wire_view(item.value))
    except DecodeError as error:
        return StatusDetail(name, None, f"not a valid {name}: {error}", wire_view(item.value))
    printer = JsonPrinter(resolver)
    value = printer.value(message)
    missing_types |= printer.missing_types
    return StatusDetail(name, value, "; ".join([*map(str, flaws), *printer.problems]) or None)
