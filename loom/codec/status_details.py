"""The error details in ``grpc-status-details-bin``: a ``google.rpc.Status`` with its Anys opened."""

from dataclasses import dataclass, field
from typing import Any

from google.protobuf import message_factory
from google.protobuf.message import DecodeError
from google.rpc import status_pb2

from .json_printer import JsonPrinter
from .scalars import as_base64
from .type_resolver import TypeResolver, type_name
from .wire_view import wire_view


@dataclass(slots=True)
class StatusDetails:
    """``details`` as docs/api.md has them; ``missing`` are the types that no one knew."""

    code: int
    message: str
    details: list[dict[str, Any]] = field(default_factory=list)
    missing: set[str] = field(default_factory=set)
    error: str | None = None
    raw: bytes = b""

    def as_json(self) -> dict[str, Any]:
        return {
            "type": "google.rpc.Status",
            "code": self.code,
            "message": self.message,
            "details": self.details,
            "raw_base64": as_base64(self.raw),
            "error": self.error,
        }


def status_details(raw: bytes, types: TypeResolver) -> StatusDetails:
    """Open the details whose types are known; what is no Status shows as raw, never as a failure."""
    try:
        status = status_pb2.Status.FromString(raw)
    except DecodeError as error:
        return StatusDetails(0, "", error=f"not a google.rpc.Status: {error}", raw=raw)
    found = StatusDetails(status.code, status.message, raw=raw)
    for item in status.details:
        found.details.append(_opened(item, types, found.missing))
    return found


def _opened(item: Any, types: TypeResolver, missing: set[str]) -> dict[str, Any]:
    name = type_name(item.type_url)
    shown: dict[str, Any] = {"type": name, "json": None, "error": None}
    try:
        message = message_factory.GetMessageClass(types.FindMessageTypeByName(name)).FromString(item.value)
    except KeyError:
        missing.add(name)
        return shown | {"error": f"no source knows {name}", "wire": wire_view(item.value)}
    except DecodeError as error:
        return shown | {"error": f"not a valid {name}: {error}", "wire": wire_view(item.value)}
    mapping = JsonPrinter(types)
    value = mapping.value(message)
    missing |= mapping.missing
    return shown | {"json": value, "error": "; ".join(mapping.problems) or None}
