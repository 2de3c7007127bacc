"""Metadata as gRPC carries it: ordered pairs, keys repeat, ``-bin`` keys hold bytes.

Source: https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md ("Custom-Metadata").
"""

GRPC_STATUS_DETAILS = "grpc-status-details-bin"

MetadataItem = tuple[str, str | bytes]
Metadata = tuple[MetadataItem, ...]

CONNECTION_KEYS = frozenset(
    {
        "accept-encoding",
        "content-type",
        "grpc-accept-encoding",
        "grpc-encoding",
        "grpc-message",
        "grpc-message-type",
        "grpc-status",
        "grpc-timeout",
        "te",
        "user-agent",
    }
)
"""Keys that a gRPC library sets itself for each connection or call."""


def is_binary_key(key: str) -> bool:
    """Whether values of this key are bytes."""
    return key.endswith("-bin")


def application_metadata(metadata: Metadata) -> Metadata:
    """The items that an application set: without pseudo-headers and :data:`CONNECTION_KEYS`."""
    return tuple(
        item for item in metadata if not item[0].startswith(":") and item[0].lower() not in CONNECTION_KEYS
    )
