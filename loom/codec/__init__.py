"""Bytes become JSON when somebody looks, and JSON becomes bytes again.

* :mod:`~loom.codec.payload_view`: a payload in every view; what the API answers is made here.
* :mod:`~loom.codec.message`: a message with its descriptor to canonical JSON, and back.
* :mod:`~loom.codec.json_printer`: the canonical JSON mapping.
* :mod:`~loom.codec.unknown_fields`: what JSON cannot say, kept while a message is edited as JSON.
* :mod:`~loom.codec.field_hints`: what a field takes in JSON, in words.
* :mod:`~loom.codec.json_errors`: where a JSON value does not fit its type.
* :mod:`~loom.codec.message_tree`: the typed view, field by field.
* :mod:`~loom.codec.wire_view`, :mod:`~loom.codec.wire_parser`: the schemaless view, and the wire format beneath it.
* :mod:`~loom.codec.json_tree`: the tree of what is JSON already.
* :mod:`~loom.codec.node`: what the views are made of.
* :mod:`~loom.codec.type_resolver`: message types by name, for Any.
* :mod:`~loom.codec.content_type`: what a content type says of the messages.
* :mod:`~loom.codec.compression`: gzip, deflate and zstd, bounded.
* :mod:`~loom.codec.status_details`: ``grpc-status-details-bin``.
* :mod:`~loom.codec.preview`: one line of a message.
"""

from .compression import CompressionError, decompress
from .content_type import Content, parse_content_type
from .message import Decoded, DecodeError, EncodeError, JsonDecoder, decode, encode
from .node import Node
from .payload_view import Payload, PayloadView, preview_payload, view_payload
from .preview import preview
from .status_details import StatusDetails, status_details
from .type_resolver import ChainResolver, TypeResolver, type_name
from .wire_view import wire_view

__all__ = [
    "ChainResolver",
    "CompressionError",
    "Content",
    "DecodeError",
    "Decoded",
    "EncodeError",
    "JsonDecoder",
    "Node",
    "Payload",
    "PayloadView",
    "StatusDetails",
    "TypeResolver",
    "decode",
    "decompress",
    "encode",
    "parse_content_type",
    "preview",
    "preview_payload",
    "status_details",
    "type_name",
    "view_payload",
    "wire_view",
]
