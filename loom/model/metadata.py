"""Metadata as gRPC carries it: ordered pairs, keys repeat, ``-bin`` keys hold bytes.

Source: https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md ("Custom-Metadata").
"""

MetadataItem = tuple[str, str | bytes]
Metadata = tuple[MetadataItem, ...]


def is_binary_key(key: str) -> bool:
    """Whether values of this key are bytes."""
    return key.endswith("-bin")
