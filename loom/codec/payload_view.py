"""A payload in every view that docs/api.md names: the one place where bytes become what is shown.

Pure and synchronous: it runs on the loop for small payloads and in the worker process for large ones.
"""

from dataclasses import dataclass
from typing import Any

import msgspec
from google.protobuf.descriptor import Descriptor

from .compression import CompressionError, TooLargeError, decompress
from .content_type import JSON, PROTOBUF
from .json_tree import json_tree
from .message import MAX_NODES, DecodeError, decode, tree_of
from .node import Budget, Node
from .preview import LENGTH, preview
from .scalars import as_base64
from .type_resolver import TypeResolver
from .wire_view import wire_view

TOO_LARGE = "too large for a preview: open it to see it"
_LARGE = 256 * 1024
_LARGE_NODES = 3_000  # of the tree of such a message
_BESIDE_NODES = 500  # of the wire view of a large message that has a typed one
_PREVIEW_BYTES = 1024 * 1024
_PREVIEW_NODES = 48
_PREVIEW_STEPS = 2_000
_PREVIEW_HEX = 64


@dataclass(frozen=True, slots=True)
class Payload:
    """The bytes of a message as they passed; ``compression`` is "" or its ``grpc-encoding``.

    ``encoding`` is :attr:`loom.codec.content_type.Content.encoding`.
    """

    data: bytes
    compression: str = ""
    encoding: str = PROTOBUF


@dataclass(slots=True)
class PayloadView:
    """``fields`` is part of the API's answer; ``missing`` are types of Anys that could be fetched for a better one."""

    fields: dict[str, Any]
    missing: frozenset[str] = frozenset()


def view_payload(
    payload: Payload,
    descriptor: Descriptor | None,
    types: TypeResolver,
    max_bytes: int,
    max_text: int | None = None,
) -> PayloadView:
    """Every view of a payload; what fails says so in ``error`` and leaves the others.

    ``max_bytes`` and ``max_text`` are how much of the bytes and of the JSON text are wanted; the JSON value is left
    out where the text is cut.
    """
    view: dict[str, Any] = {
        "json": None,
        "json_text": None,
        "json_cut": False,
        "tree": None,
        "wire": None,
        "error": None,
        "drift": False,
        "payload": payload.encoding,
    }
    try:
        data = decompress(payload.data, payload.compression)
    except CompressionError as error:
        return PayloadView(view | {"error": str(error)} | _bytes(payload.data, max_bytes))
    view |= _bytes(data, max_bytes)
    if payload.encoding == JSON:
        return PayloadView(view | _json(data, max_text))
    if payload.encoding != PROTOBUF:
        return PayloadView(view | {"error": f"{payload.encoding} is not decoded here: see the bytes"})
    large = len(data) > _LARGE
    view["wire"] = wire_view(data, Budget(_BESIDE_NODES) if large and descriptor is not None else None)
    if descriptor is None:
        return PayloadView(
            view | {"preview": _schemaless(view["wire"], data)} | _looks_like_json(data, max_text)
        )
    try:
        nodes = _LARGE_NODES if large else MAX_NODES
        decoded = decode(data, descriptor, types, max_nodes=nodes, max_text=max_text)
    except DecodeError as error:
        return PayloadView(view | {"error": str(error)} | _looks_like_json(data, max_text))
    shown = {
        "json": decoded.json,
        "json_text": decoded.text,
        "json_cut": decoded.cut,
        "tree": decoded.tree,
        "error": decoded.json_error or None,
        "drift": decoded.unknown,
        "preview": preview(decoded.tree),
    }
    return PayloadView(view | shown, decoded.missing)


def preview_payload(
    payload: Payload, descriptor: Descriptor | None, types: TypeResolver
) -> tuple[str, str | None]:
    """One line of a payload, and why there is none."""
    try:
        data = decompress(payload.data, payload.compression, _PREVIEW_BYTES)
        if payload.encoding == JSON:
            return _one_line(data), None
        if payload.encoding != PROTOBUF:
            return f"{len(data)} bytes of {payload.encoding}", None
        if descriptor is None:
            return _schemaless(wire_view(data, Budget(_PREVIEW_NODES, _PREVIEW_STEPS)), data), None
        return preview(tree_of(data, descriptor, types, _PREVIEW_NODES)), None
    except TooLargeError:
        return TOO_LARGE, None
    except (CompressionError, DecodeError) as error:
        return "", str(error)


def _json(data: bytes, most: int | None) -> dict[str, Any]:
    try:
        tree = json_tree(msgspec.json.decode(data))
        text = msgspec.json.format(data, indent=2 if most is None else -1).decode()
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        return {"error": f"not valid JSON: {error}"}
    cut = most is not None and len(text) > most
    return {
        "json": None if cut else msgspec.Raw(text.encode()),  # as it came: no number loses digits
        "json_text": text[:most],
        "json_cut": cut,
        "tree": tree,
        "preview": _one_line(data),
    }


def _looks_like_json(data: bytes, most: int | None) -> dict[str, Any]:
    """JSON under a content type that the engine could not see, as the relay cannot."""
    if data[:1] not in {b"{", b"["}:
        return {}
    shown = _json(data, most)
    if shown.get("error"):
        return {}
    return shown | {"error": "not protobuf: this is JSON", "payload": JSON, "wire": None}


def _schemaless(tree: Node, data: bytes) -> str:
    """The fields by number; of bytes that are no message, their text, or themselves."""
    if tree["kind"] != "bytes":
        return preview(tree)
    line = _one_line(data)
    if line.isprintable() and "\ufffd" not in line:
        return line
    shown = data[:_PREVIEW_HEX]
    return shown.hex(" ") + (" …" if len(data) > len(shown) else "")


def _one_line(data: bytes) -> str:
    text = " ".join(data[: LENGTH * 4].decode("utf-8", "replace").split())
    return text if len(text) <= LENGTH else text[: LENGTH - 1] + "…"


def _bytes(data: bytes, limit: int) -> dict[str, Any]:
    shown = data[:limit]
    return {"hex": shown.hex(), "data_base64": as_base64(shown), "truncated": len(data) - len(shown)}
