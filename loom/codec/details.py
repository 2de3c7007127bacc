"""The error details in ``grpc-status-details-bin``: a ``google.rpc.Status`` with its Anys opened."""

import base64
from dataclasses import dataclass, field
from typing import Any

from google.protobuf import json_format, message_factory
from google.protobuf.descriptor import Descriptor
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message import DecodeError
from google.rpc import status_pb2

from .wire import wire_view


@dataclass(slots=True)
class StatusDetails:
    """``details`` as docs/api.md has them; ``missing`` are the types that no one knew."""

    code: int
    message: str
    details: list[dict[str, Any]] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    error: str | None = None
    raw: bytes = b""

    def as_json(self) -> dict[str, Any]:
        return {
            "type": "google.rpc.Status",
            "code": self.code,
            "message": self.message,
            "details": self.details,
            "raw_base64": base64.b64encode(self.raw).decode(),
            "error": self.error,
        }


def status_details(raw: bytes, types: dict[str, Descriptor], pool: DescriptorPool) -> StatusDetails:
    """Open what ``types`` (by full name) allow; what is no Status shows as raw, never as a failure."""
    try:
        status = status_pb2.Status.FromString(raw)
    except DecodeError as error:
        return StatusDetails(0, "", error=f"not a google.rpc.Status: {error}", raw=raw)
    found = StatusDetails(status.code, status.message, raw=raw)
    for item in status.details:
        name = item.type_url.rpartition("/")[2]
        descriptor = types.get(name)
        shown: dict[str, Any] = {"type": name, "json": None, "error": None}
        if descriptor is None:
            found.missing.append(name)
            shown["error"] = f"no source knows {name}"
            shown["wire"] = wire_view(item.value)
        else:
            try:
                message = message_factory.GetMessageClass(descriptor).FromString(item.value)
                shown["json"] = json_format.MessageToDict(message, descriptor_pool=pool)
            except (DecodeError, ValueError, TypeError, json_format.Error) as error:
                shown["error"] = " ".join(str(error).split())
                shown["wire"] = wire_view(item.value)
        found.details.append(shown)
    return found
