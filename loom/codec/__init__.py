"""Bytes become JSON when somebody looks, and JSON becomes bytes again.

* :mod:`~loom.codec.rendering`: a payload in every view; what the API answers is made here.
* :mod:`~loom.codec.protobuf`: a message with its descriptor to canonical JSON, and back.
* :mod:`~loom.codec.mapping`: the canonical JSON mapping.
* :mod:`~loom.codec.unknown_fields`: what JSON cannot say, kept while a message is edited as JSON.
* :mod:`~loom.codec.field_hints`: what a field takes in JSON, in words.
* :mod:`~loom.codec.json_errors`: where a JSON value does not fit its type.
* :mod:`~loom.codec.tree`: the typed view, field by field.
* :mod:`~loom.codec.wire`, :mod:`~loom.codec.wire_reader`: the schemaless view, and the wire format beneath it.
* :mod:`~loom.codec.json_tree`: the tree of what is JSON already.
* :mod:`~loom.codec.node`: what the views are made of.
* :mod:`~loom.codec.types`: message types by name, for Any.
* :mod:`~loom.codec.content`: what a content type says of the messages.
* :mod:`~loom.codec.compression`: gzip, deflate and zstd, bounded.
* :mod:`~loom.codec.details`: ``grpc-status-details-bin``.
* :mod:`~loom.codec.preview`: one line of a message.
"""

from .compression import CompressionError, decompress
from .content import Content, content_of
from .details import StatusDetails, status_details
from .node import Node
from .preview import preview
from .protobuf import Decoded, DecodeError, EncodeError, JsonDecoder, decode, encode
from .rendering import Payload, Rendered, render, render_line
from .types import Types, TypesOf, type_name
from .wire import wire_view

__all__ = [
    "CompressionError",
    "Content",
    "DecodeError",
    "Decoded",
    "EncodeError",
    "JsonDecoder",
    "Node",
    "Payload",
    "Rendered",
    "StatusDetails",
    "Types",
    "TypesOf",
    "content_of",
    "decode",
    "decompress",
    "encode",
    "preview",
    "render",
    "render_line",
    "status_details",
    "type_name",
    "wire_view",
]
