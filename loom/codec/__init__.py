"""Decode payloads: compression, protobuf ↔ JSON, and views for display.

From bytes to a value:

* :mod:`~loom.codec.payload`: a payload decompressed and parsed.
* :mod:`~loom.codec.lenient_parser`: parses messages that protobuf rejects for one bad place.
* :mod:`~loom.codec.content_type`: the protocol and encoding that a ``content-type`` names.
* :mod:`~loom.codec.protobuf_json`: protobuf to canonical JSON (decode) and back (encode).
* :mod:`~loom.codec.json_printer`: the canonical JSON mapping.
* :mod:`~loom.codec.compiled_readers`: reads the fields of one message type, compiled when it recurs.
* :mod:`~loom.codec.scalars`: JSON forms of floats, bytes and enums.
* :mod:`~loom.codec.type_resolver`: message types by name, for Any.
* :mod:`~loom.codec.status_details`: the details in ``grpc-status-details-bin``.

From edited JSON to bytes:

* :mod:`~loom.codec.message_patch`: an edit of a message's JSON, applied to the message's bytes.
* :mod:`~loom.codec.list_alignment`: which elements of an edited list are those before.
* :mod:`~loom.codec.wire_fields`: the fields of a message in its records.
* :mod:`~loom.codec.wire_records`: the fields of a message as they were encoded.
* :mod:`~loom.codec.json_encoder`: JSON to messages, and the field that does not fit.
* :mod:`~loom.codec.field_hints`: what a field takes, in words.
* :mod:`~loom.codec.field_path`: paths of fields, as in ``items[2].price``.

Comparison:

* :mod:`~loom.codec.canonical`: whether two encoded messages have the same content, and where they differ.

Views:

* :mod:`~loom.codec.payload_view`: every view of a payload.
* :mod:`~loom.codec.message_tree`: the tree of a message, with its schema.
* :mod:`~loom.codec.wire_view`: the tree of a message without a schema.
* :mod:`~loom.codec.wire_parser`: the wire format.
* :mod:`~loom.codec.json_tree`: the tree of a JSON payload.
* :mod:`~loom.codec.node`: the nodes of these trees, and their budget.
* :mod:`~loom.codec.preview`: a tree on one line.
* :mod:`~loom.codec.truncated_json`: the beginning of a large message's JSON.
"""

from loom.compression import CompressionError, decompress

from .content_type import ContentType, parse_content_type
from .json_encoder import EncodeError
from .lenient_parser import Flaw, join_flaws
from .node import Node
from .payload import DecodedPayload, DecodeError, Payload, decode_payload, parse
from .payload_view import PayloadView, preview_payload, view_payload
from .preview import preview
from .protobuf_json import (
    JsonDecoder,
    JsonValue,
    MessageContent,
    decode,
    decode_content,
    encode,
)
from .status_details import StatusDetails, decode_status_details
from .type_resolver import ChainResolver, TypeResolver, type_name
from .wire_view import wire_view

__all__ = [
    "ChainResolver",
    "CompressionError",
    "ContentType",
    "DecodeError",
    "DecodedPayload",
    "EncodeError",
    "Flaw",
    "JsonDecoder",
    "JsonValue",
    "MessageContent",
    "Node",
    "Payload",
    "PayloadView",
    "StatusDetails",
    "TypeResolver",
    "decode",
    "decode_content",
    "decode_payload",
    "decode_status_details",
    "decompress",
    "encode",
    "join_flaws",
    "parse",
    "parse_content_type",
    "preview",
    "preview_payload",
    "type_name",
    "view_payload",
    "wire_view",
]
