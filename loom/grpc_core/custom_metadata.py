"""Which metadata is forwarded between two calls over C-core.

grpcio exposes custom metadata only: pseudo-headers, ``content-type``, ``te``, ``grpc-timeout``, ``grpc-encoding`` and
other transport headers belong to one HTTP/2 connection, and grpcio removes and adds them on each side. The rest is
forwarded unchanged and in order, except for the keys below.

Source: https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md
"""

import re

from loom.model import Metadata
from loom.model.metadata import ACCEPT_ENCODING, GRPC_ACCEPT_ENCODING, GRPC_ENCODING, USER_AGENT

from .core_types import CoreMetadata

UNFORWARDED_KEYS = frozenset({USER_AGENT, GRPC_ACCEPT_ENCODING, ACCEPT_ENCODING, GRPC_ENCODING})
"""Keys that grpcio exposes although they describe one connection.

The user-agent is forwarded separately: :meth:`loom.proxy.target.Target.channel`.
"""

LEGAL_KEY = re.compile(r"[0-9a-z_.-]+")
"""The keys that gRPC allows; grpcio reports others, although it refuses the call or the status that has them."""

_SENDABLE_TEXT = re.compile(r"[\x20-\x7e]*")
"""The text values that gRPC allows; grpcio receives others, but refuses to send them."""


def from_core(metadata: CoreMetadata | None) -> Metadata:
    """Convert metadata from C-core to plain pairs."""
    return tuple((key, value) for key, value in metadata) if metadata else ()


def filter_metadata(metadata: Metadata) -> tuple[Metadata, str]:
    """The part of ``metadata`` to forward, and a note on values that had to be dropped, or ""."""
    invalid = [
        key for key, value in metadata if isinstance(value, str) and not _SENDABLE_TEXT.fullmatch(value)
    ]
    invalid += [key for key, _ in metadata if not LEGAL_KEY.fullmatch(key)]
    items = tuple(item for item in metadata if item[0] not in UNFORWARDED_KEYS and item[0] not in invalid)
    if not invalid:
        return items, ""
    return (
        items,
        f"not forwarded, as gRPC allows only printable ASCII in text values and lowercase keys: {', '.join(invalid)}",
    )
