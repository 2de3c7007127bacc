"""Decode a payload for display, in every view that docs/reference/api.md names.

Pure and synchronous: it runs on the event loop for small payloads and in the worker process for large ones.
"""

from collections.abc import Sequence
from typing import Any

import msgspec
from google.protobuf.descriptor import Descriptor
from google.protobuf.message import Message

from .content_type import JSON, PROTOBUF
from .json_tree import json_tree
from .lenient_parser import Flaw, join_flaws
from .message_tree import TreeBuilder, annotate
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


class PayloadView(msgspec.Struct):
    """The part of :class:`loom.api.messages.MessageView` that the payload decides.

    ``missing_types`` are those of Anys that the resolver did not know.
    """

    payload: str
    json: Any = None
    json_text: str | None = None
    json_cut: bool = False
    tree: Node | msgspec.Raw | None = None
    wire: Node | msgspec.Raw | None = None
    error: str | None = None
    drift: bool = False
    preview: str = ""
    hex: str = ""
    data_base64: str = ""
    truncated: int = 0
    missing_types: frozenset[str] = frozenset()

    def show_bytes(self, data: bytes, max_bytes: int) -> None:
        """Set the views of the bytes."""
        shown = data[:max_bytes]
        self.hex, self.data_base64 = shown.hex(), as_base64(shown)
        self.truncated = len(data) - len(shown)


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
    view = PayloadView(payload.encoding)
    decoded = decode_payload(payload, descriptor)
    data = decoded.data
    view.show_bytes(payload.data if data is None else data, max_bytes)
    if data is None:
        view.error = decoded.error
    elif payload.encoding == JSON:
        view.error = _show_json(view, data, max_text)
    elif payload.encoding != PROTOBUF:
        view.error = f"{payload.encoding} is not decoded: see the bytes"
    else:
        large = descriptor is not None and len(data) > _LARGE_MESSAGE_BYTES
        view.wire = wire = wire_view(data, Budget(_LARGE_MESSAGE_WIRE_NODES) if large else None)
        if decoded.message is not None:
            _show_content(view, decoded.message, decoded.flaws, len(data), resolver, max_text)
        else:
            if descriptor is None:
                view.preview = _preview_without_schema(wire, data)
            else:
                view.error = decoded.error
            _show_undeclared_json(view, data, max_text)
    return view


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


def _show_content(
    view: PayloadView,
    message: Message,
    flaws: Sequence[Flaw],
    size: int,
    resolver: TypeResolver,
    max_text: int | None,
) -> None:
    nodes = _LARGE_MESSAGE_NODES if size > _LARGE_MESSAGE_BYTES else MAX_NODES
    try:
        content = decode_content(message, size, resolver, max_nodes=nodes, max_text=max_text)
    except DecodeError as error:
        view.error = str(error)
        return
    view.json, view.json_text, view.json_cut = content.value.json, content.text, content.cut
    view.tree, view.preview = content.tree, preview(content.tree)
    annotate(content.tree, flaws)
    view.error = "; ".join(filter(None, (join_flaws(flaws), content.value.problems))) or None
    view.drift, view.missing_types = content.value.unknown_fields, content.value.missing_types


def _show_json(view: PayloadView, data: bytes, max_text: int | None) -> str | None:
    """Set the views of a payload that is JSON; return why there are none."""
    try:
        tree = json_tree(msgspec.json.decode(data))
        text = msgspec.json.format(data, indent=2 if max_text is None else -1).decode()
    except RecursionError:
        return "nested too deeply to be shown"
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        return f"not valid JSON: {error}"
    view.json_cut = max_text is not None and len(text) > max_text
    # The original text: every digit of every number.
    view.json = None if view.json_cut else msgspec.Raw(text.encode())
    view.json_text = text[:max_text]
    view.tree, view.preview = tree, _one_line(data)
    return None


def _show_undeclared_json(view: PayloadView, data: bytes, max_text: int | None) -> None:
    """Set the views of a payload that is JSON although its content type, which the relay cannot see, is missing."""
    if data[:1] in {b"{", b"["} and _show_json(view, data, max_text) is None:
        view.error, view.payload, view.wire = "not protobuf: this is JSON", JSON, None


def _preview_without_schema(wire: Node, data: bytes) -> str:
    """The fields by number; if the bytes are not a message, their text or their hex."""
    if wire.kind != "bytes":
        return preview(wire)
    line = _one_line(data)
    if line.isprintable() and "\ufffd" not in line:
        return line
    shown = data[:_PREVIEW_HEX_BYTES]
    return shown.hex(" ") + (" …" if len(data) > len(shown) else "")


def _one_line(data: bytes) -> str:
    text = " ".join(data[: MAX_LENGTH * 4].decode("utf-8", "replace").split())
    return text if len(text) <= MAX_LENGTH else text[: MAX_LENGTH - 1] + "…"
