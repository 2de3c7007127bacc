"""Bytes become JSON when somebody looks, and JSON becomes bytes again.

* :mod:`~loom.codec.protobuf`: a message with its descriptor to canonical JSON, and back.
* :mod:`~loom.codec.tree`: the typed view, field by field.
* :mod:`~loom.codec.wire`: the schemaless view: field numbers, wire types, best guesses.
* :mod:`~loom.codec.node`: what both views are made of.
* :mod:`~loom.codec.compression`: gzip, deflate and zstd, bounded.
* :mod:`~loom.codec.details`: ``grpc-status-details-bin``.
* :mod:`~loom.codec.preview`: one line of a message.
"""

from .compression import CompressionError, decompress
from .details import StatusDetails, status_details
from .node import Node
from .preview import preview
from .protobuf import Decoded, DecodeError, EncodeError, decode, encode
from .wire import wire_view

__all__ = [
    "CompressionError",
    "DecodeError",
    "Decoded",
    "EncodeError",
    "Node",
    "StatusDetails",
    "decode",
    "decompress",
    "encode",
    "preview",
    "status_details",
    "wire_view",
]
