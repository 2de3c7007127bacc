"""Decodes recorded messages when somebody looks: schema and codec together."""

import asyncio
import base64
from typing import Any

from google.protobuf.descriptor import Descriptor
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message import DecodeError as ProtobufDecodeError
from google.rpc import status_pb2

from loom.codec import (
    CompressionError,
    Decoded,
    DecodeError,
    decode,
    decompress,
    preview,
    status_details,
    wire_view,
)
from loom.model import Call, Direction, Message
from loom.recording.summary import micros
from loom.schema import Method, Schema, SchemaError

INLINE_BYTES = 16 * 1024  # what is decoded on the loop itself; more goes to a thread
_PREVIEW_NODES = 64
_PREVIEW_BYTES = 1024 * 1024


class Decoder:
    """Views of recorded calls. Every failure is part of the answer; nothing here raises for bad bytes."""

    def __init__(self, schema: Schema) -> None:
        self.schema = schema

    async def row(self, call: Call, message: Message) -> dict[str, Any]:
        """The message in one line."""
        row = _row(message)
        if message.data is None:
            return row
        method, _ = await self._method(call)
        descriptor = _descriptor(method, message.direction)
        row["type"] = descriptor.full_name if descriptor else None
        if message.size > _PREVIEW_BYTES:
            row["preview"] = "too large for a preview: open it to see it"
            return row
        text, error = await self._run(message.size, _preview, message, descriptor, method)
        return row | {"preview": text, "error": error}

    async def view(self, call: Call, message: Message, max_bytes: int) -> dict[str, Any]:
        """The message in every view; hex and base64 show at most ``max_bytes`` of it."""
        method, problem = await self._method(call)
        descriptor = _descriptor(method, message.direction)
        view = _row(message) | {
            "type": descriptor.full_name if descriptor else None,
            "source": method.provenance.source if method else None,
            "schema_error": problem or None,
        }
        shown: dict[str, Any] = await self._run(message.size, _view, message, descriptor, method, max_bytes)
        return view | shown

    async def schema_of(self, call: Call) -> dict[str, Any] | None:
        """Where the method's descriptor came from, or why there is none."""
        method, problem = await self._method(call)
        if method is None:
            return {
                "source": None,
                "origin": None,
                "fetched_us": None,
                "request_type": None,
                "response_type": None,
                "error": problem,
                "drift": False,
                "problems": [],
            }
        return {
            "source": method.provenance.source,
            "origin": method.provenance.origin,
            "fetched_us": micros(method.provenance.fetched_ns),
            "request_type": method.request.full_name,
            "response_type": method.response.full_name,
            "error": None,
            "drift": False,
            "problems": list(method.problems),
        }

    async def status_details(self, call: Call) -> dict[str, Any] | None:
        """The opened error details of an ended call; None where it carried none."""
        raw = call.status.details if call.status else None
        if raw is None:
            raw = _details_in(call)
        if raw is None:
            return None
        types: dict[str, Descriptor] = {}
        for name in _detail_types(raw):
            found = await self.schema.message_type(name)
            if found is not None:
                types[name] = found
        pool = DescriptorPool()
        return status_details(raw, types, pool).as_json()

    async def _method(self, call: Call) -> tuple[Method | None, str]:
        try:
            return await self.schema.method(call.method), ""
        except SchemaError as error:
            return None, str(error)

    async def _run(self, size: int, work: Any, *arguments: Any) -> Any:
        if size <= INLINE_BYTES:
            return work(*arguments)
        return await asyncio.to_thread(work, *arguments)


def _row(message: Message) -> dict[str, Any]:
    return {
        "index": message.index,
        "direction": message.direction.value,
        "time_us": micros(message.time_ns),
        "size": message.size,
        "compressed": message.compressed,
        "encoding": message.encoding,
        "dropped": message.data is None,
        "type": None,
        "preview": "",
        "error": None,
    }


def _descriptor(method: Method | None, direction: Direction) -> Descriptor | None:
    if method is None:
        return None
    return method.request if direction is Direction.REQUEST else method.response


def _plain(message: Message) -> bytes:
    data = message.data or b""
    return decompress(data, message.encoding or "gzip") if message.compressed else data


def _preview(
    message: Message, descriptor: Descriptor | None, method: Method | None
) -> tuple[str, str | None]:
    try:
        data = _plain(message)
        if descriptor is None or method is None:
            return preview(wire_view(data)), None
        return preview(decode(data, descriptor, method.pool, max_nodes=_PREVIEW_NODES).tree), None
    except (CompressionError, DecodeError) as error:
        return "", str(error)


def _view(
    message: Message, descriptor: Descriptor | None, method: Method | None, max_bytes: int
) -> dict[str, Any]:
    view: dict[str, Any] = {
        "json": None,
        "json_text": "",
        "tree": None,
        "wire": None,
        "error": None,
        "drift": False,
        "hex": "",
        "data_base64": "",
        "truncated": 0,
    }
    if message.data is None:
        return view | {"error": "the bytes of this message are not held any more"}
    try:
        data = _plain(message)
    except CompressionError as error:
        return view | {"error": str(error)} | _bytes(message.data, max_bytes)
    view |= _bytes(data, max_bytes) | {"wire": wire_view(data)}
    if descriptor is None or method is None:
        return view
    try:
        decoded: Decoded = decode(data, descriptor, method.pool)
    except DecodeError as error:
        return view | {"error": str(error)}
    return view | {
        "json": decoded.json,
        "json_text": decoded.text,
        "tree": decoded.tree,
        "error": decoded.json_error or None,
        "drift": decoded.unknown,
        "preview": preview(decoded.tree),
    }


def _bytes(data: bytes, limit: int) -> dict[str, Any]:
    shown = data[:limit]
    return {
        "hex": shown.hex(),
        "data_base64": base64.b64encode(shown).decode(),
        "truncated": len(data) - len(shown),
    }


def _details_in(call: Call) -> bytes | None:
    for key, value in call.trailing_metadata or ():
        if key == "grpc-status-details-bin" and isinstance(value, bytes):
            return value
    return None


def _detail_types(raw: bytes) -> set[str]:
    try:
        status = status_pb2.Status.FromString(raw)
    except ProtobufDecodeError:
        return set()
    return {item.type_url.rpartition("/")[2] for item in status.details}
