"""Decode a payload for display, in every view that docs/api.md names.

Pure and synchronous: it runs on the event loop for small payloads and in the worker process for large ones.
"""

from dataclasses import dataclass
from typing import Any

import msgspec
from google.protobuf.descriptor import Descriptor
from google.protobuf.message import Message

from .content_type import JSON, PROTOBUF
from .json_tree import json_tree
from .message_tree import TreeBuilder
from .node import Budget, Node
from .payload import DecodeError, Payload, decode_payload
from .preview import MAX_LENGTH, preview
from .protobuf_json import MAX_NODES, decode_content
from .scalars import as_base64
from .type_resolver import TypeResolver
from .wire_view import wire_view

TOO_LARGE = "too large for a preview: open it to see it"
_LARGE_MESSAGE_BYTES = 256 * 1024
_LARGE_MESSAGE_NODES = 3_000  # of its tree
_LARGE_MESSAGE_WIRE_NODES = 500  # of its wire view, if it has a tree too
_PREVIEW_MAX_BYTES = 1024 * 1024
_PREVIEW_NODES = 48
_PREVIEW_STEPS = 2_000
_PREVIEW_HEX_BYTES = 64


@dataclass(frozen=True, slots=True)
class PayloadView:
    """``fields`` is a part of the API's answer; ``missing_types`` are those of Anys that the resolver did not know."""

    fields: dict[str, Any]
    missing_types: frozenset[str] = frozenset()


def view_payload(
    payload: Payload,
    descriptor: Descriptor | None,
    resolver: TypeResolver,
    max_bytes: int,
    max_text: int | None = None,
) -> PayloadView:
    """Every view of a payload. A view that fails says so in ``error``; the others are still there.

    ``max_bytes`` limits the bytes in hex and base64, ``max_text`` the JSON text; there is no JSON value
    if that is cut.
    """
    fields: dict[str, Any] = {
        "json": None,
        "json_text": None,
        "json_cut": False,
        "tree": None,
        "wire": None,
        "error": None,
        "drift": False,
        "payload": payload.encoding,
    }
    decoded = decode_payload(payload, descriptor)
    data = decoded.data
    if data is None:
        return PayloadView(fields | {"error": decoded.error} | _bytes_fields(payload.data, max_bytes))
    fields |= _bytes_fields(data, max_bytes)
    if payload.encoding == JSON:
        return PayloadView(fields | _json_fields(data, max_text))
    if payload.encoding != PROTOBUF:
        return PayloadView(fields | {"error": f"{payload.encoding} is not decoded: see the bytes"})
    large = descriptor is not None and len(data) > _LARGE_MESSAGE_BYTES
    fields["wire"] = wire_view(data, Budget(_LARGE_MESSAGE_WIRE_NODES) if large else None)
    if decoded.message is not None:
        content = _content_fields(decoded.message, len(data), resolver, max_text)
        return PayloadView(fields | content.fields, content.missing_types)
    if descriptor is None:
        fields["preview"] = _preview_without_schema(fields["wire"], data)
    else:
        fields["error"] = decoded.error
    return PayloadView(fields | _undeclared_json(data, max_text))


def preview_payload(
    payload: Payload, descriptor: Descriptor | None, resolver: TypeResolver
) -> tuple[str, str | None]:
    """One line of text, and the reason if there is none."""
    decoded = decode_payload(payload, descriptor, max_bytes=_PREVIEW_MAX_BYTES)
    data = decoded.data
    if data is None:
        return (TOO_LARGE, None) if decoded.too_large else ("", decoded.error)
    if payload.encoding == JSON:
        return _one_line(data), None
    if payload.encoding != PROTOBUF:
        return f"{len(data)} bytes of {payload.encoding}", None
    if descriptor is None:
        return _preview_without_schema(wire_view(data, Budget(_PREVIEW_NODES, _PREVIEW_STEPS)), data), None
    if decoded.message is None:
        return "", decoded.error
    tree = TreeBuilder(resolver, _PREVIEW_NODES).build(decoded.message, key="", number=None)
    return preview(tree), None


def _content_fields(message: Message, size: int, resolver: TypeResolver, max_text: int | None) -> PayloadView:
    nodes = _LARGE_MESSAGE_NODES if size > _LARGE_MESSAGE_BYTES else MAX_NODES
    try:
        content = decode_content(message, size, resolver, max_nodes=nodes, max_text=max_text)
    except DecodeError as error:
        return PayloadView({"error": str(error)})
    fields = {
        "json": content.value.json,
        "json_text": content.text,
        "json_cut": content.cut,
        "tree": content.tree,
        "error": content.value.problems or None,
        "drift": content.value.unknown_fields,
        "preview": preview(content.tree),
    }
    return PayloadView(fields, content.value.missing_types)


def _json_fields(data: bytes, max_text: int | None) -> dict[str, Any]:
    try:
        tree = json_tree(msgspec.json.decode(data))
        text = msgspec.json.format(data, indent=2 if max_text is None else -1).decode()
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        return {"error": f"not valid JSON: {error}"}
    cut = max_text is not None and len(text) > max_text
    return {
        "json": None if cut else msgspec.Raw(text.encode()),  # the original text: every digit of every number
        "json_text": text[:max_text],
        "json_cut": cut,
        "tree": tree,
        "preview": _one_line(data),
    }


def _undeclared_json(data: bytes, max_text: int | None) -> dict[str, Any]:
    """The views of a payload that is JSON although its content type, which the relay cannot see, is missing."""
    if data[:1] not in {b"{", b"["}:
        return {}
    fields = _json_fields(data, max_text)
    if fields.get("error"):
        return {}
    return fields | {"error": "not protobuf: this is JSON", "payload": JSON, "wire": None}


def _preview_without_schema(wire: Node, data: bytes) -> str:
    """The fields by number; if the bytes are not a message, their text or their hex."""
    if wire["kind"] != "bytes":
        return preview(wire)
    line = _one_line(data)
    if line.isprintable() and "\ufffd" not in line:
        return line
    shown = data[:_PREVIEW_HEX_BYTES]
    return shown.hex(" ") + (" …" if len(data) > len(shown) else "")


def _one_line(data: bytes) -> str:
    text = " ".join(data[: MAX_LENGTH * 4].decode("utf-8", "replace").split())
    return text if len(text) <= MAX_LENGTH else text[: MAX_LENGTH - 1] + "…"


def _bytes_fields(data: bytes, max_bytes: int) -> dict[str, Any]:
    shown = data[:max_bytes]
    return {"hex": shown.hex(), "data_base64": as_base64(shown), "truncated": len(data) - len(shown)}
