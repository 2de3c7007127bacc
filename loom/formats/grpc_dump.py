"""Write the JSON stream of grpc-dump, one object for each call.

Source: https://github.com/bradleyjkemp/grpc-tools, grpc-dump/README.md ("JSON stream output") and the types
of its release 0.2. The README shows the status code as a number, the tool writes Go's name of it.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import msgspec

from loom.codec import CompressionError
from loom.decoding.message_decoder import decompress_message
from loom.decoding.stored_schema import StoredSchema
from loom.model import (
    MASK,
    Call,
    Direction,
    Message,
    Metadata,
    Secrets,
    StatusCode,
)
from loom.model.timestamps import format_timestamp

from .alterations import altered_by
from .destination import Destination

GO_NAMES = {
    code: "Canceled" if code is StatusCode.CANCELLED else "OK" if code is StatusCode.OK else
    "".join(word.capitalize() for word in code.name.split("_"))
    for code in StatusCode
}  # fmt: skip
_NO_TIME = "0001-01-01T00:00:00Z"  # Go's zero time
_encode = msgspec.json.Encoder().encode


def write_grpc_dump(
    calls: Iterable[Call],
    schema: StoredSchema,
    secrets: Secrets | None,
    destination: Destination,
    fault_seeds: Mapping[int, int],
) -> Iterator[bytes]:
    """One line a call. Messages are decompressed, as grpc-dump sees them; the order of metadata keys is lost."""
    del destination, fault_seeds
    for call in calls:
        yield _encode(_rpc_object(call, schema, secrets)) + b"\n"


def _rpc_object(call: Call, schema: StoredSchema, secrets: Secrets | None) -> dict[str, Any]:
    service, _, method = call.method.lstrip("/").rpartition("/")
    rpc: dict[str, Any] = {
        "service": service,
        "method": method,
        "messages": [_message_object(call, message, schema) for message in call.messages],
    }
    if call.status is not None and call.status.code:
        code = call.status.code
        name = GO_NAMES[StatusCode(code)] if code in GO_NAMES else f"Code({code})"
        rpc["error"] = {"code": name, "message": call.status.message}
    request = _grouped(call.request_metadata, secrets)
    if call.authority:
        request.setdefault(":authority", [call.authority])
    if names := altered_by(call):
        rpc["altered_by"] = names
    rpc["metadata"] = request
    rpc["metadata_response_headers"] = _grouped(call.initial_metadata or (), secrets)
    rpc["metadata_response_trailers"] = _grouped(call.trailing_metadata or (), secrets)
    return rpc


def _message_object(call: Call, message: Message, schema: StoredSchema) -> dict[str, Any]:
    try:
        data = decompress_message(message)
    except CompressionError:
        data = message.data or b""  # as recorded
    dumped = {
        "message_origin": "client" if message.direction is Direction.REQUEST else "server",
        "raw_message": data,
        "timestamp": format_timestamp(message.time_ns) if message.time_ns else _NO_TIME,
    }
    value = schema.decode(call, message).json
    return dumped if value is None else dumped | {"message": value}


def _grouped(metadata: Metadata, secrets: Secrets | None) -> dict[str, list[str]]:
    """Values by key, as Go's metadata; bytes that are not UTF-8 get U+FFFD, as in Go."""
    grouped: dict[str, list[str]] = {}
    for key, value in metadata:
        text = value.decode("utf-8", "replace") if isinstance(value, bytes) else value
        masked = secrets is not None and secrets.masks(key)
        grouped.setdefault(key, []).append(MASK if masked else text)
    return grouped
