"""Metadata as gRPC carries it (ordered pairs, repeated keys, bytes under ``-bin`` keys) and the reserved header names.

Source: https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md ("Custom-Metadata").
"""

ACCEPT_ENCODING = "accept-encoding"
CONTENT_TYPE = "content-type"
GRPC_ACCEPT_ENCODING = "grpc-accept-encoding"
GRPC_ENCODING = "grpc-encoding"
GRPC_MESSAGE = "grpc-message"
GRPC_MESSAGE_TYPE = "grpc-message-type"
GRPC_STATUS = "grpc-status"
GRPC_STATUS_DETAILS = "grpc-status-details-bin"
GRPC_TIMEOUT = "grpc-timeout"
TE = "te"
USER_AGENT = "user-agent"

MetadataItem = tuple[str, str | bytes]
Metadata = tuple[MetadataItem, ...]

CONNECTION_KEYS = frozenset(
    {
        ACCEPT_ENCODING,
        CONTENT_TYPE,
        GRPC_ACCEPT_ENCODING,
        GRPC_ENCODING,
        GRPC_MESSAGE,
        GRPC_MESSAGE_TYPE,
        GRPC_STATUS,
        GRPC_TIMEOUT,
        TE,
        USER_AGENT,
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


def first_text(metadata: Metadata, key: str) -> str:
    """The first text value of ``key``; "" without one."""
    return next((value for name, value in metadata if name == key and isinstance(value, str)), "")


def status_details(trailing: Metadata) -> bytes | None:
    """The serialised ``google.rpc.Status`` in the trailers; None without one."""
    return next(
        (value for key, value in trailing if key == GRPC_STATUS_DETAILS and isinstance(value, bytes)), None
    )
