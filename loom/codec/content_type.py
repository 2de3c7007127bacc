"""The protocol and the message encoding that a call's ``content-type`` names.

gRPC, gRPC-Web and Connect name the message encoding in it (``application/grpc+json``); without one it is protobuf.
"""

from dataclasses import dataclass

PROTOBUF, JSON = "proto", "json"

_PROTOCOLS = (
    ("application/grpc-web-text", "gRPC-Web (text)"),
    ("application/grpc-web", "gRPC-Web"),
    ("application/grpc", "gRPC"),
    ("application/connect", "Connect"),
)
_CONNECT_UNARY = {
    "application/proto": PROTOBUF,
    "application/protobuf": PROTOBUF,
    "application/x-protobuf": PROTOBUF,
    "application/json": JSON,
}


@dataclass(frozen=True, slots=True)
class ContentType:
    """``protocol`` is a name for display; ``encoding`` is ``proto``, ``json`` or whatever the content type names."""

    protocol: str
    encoding: str

    @property
    def is_protobuf(self) -> bool:
        return self.encoding == PROTOBUF


def parse_content_type(content_type: str) -> ContentType:
    """Parse a content type. An empty one (the relay cannot see it) is gRPC with protobuf."""
    media_type = content_type.partition(";")[0].strip().lower()
    if not media_type:
        return ContentType("gRPC", PROTOBUF)
    if media_type in _CONNECT_UNARY:
        return ContentType("Connect", _CONNECT_UNARY[media_type])
    for prefix, protocol in _PROTOCOLS:
        if media_type == prefix:
            return ContentType(protocol, PROTOBUF)
        if media_type.startswith(prefix + "+"):
            suffix = media_type.removeprefix(prefix + "+")
            return ContentType(protocol, PROTOBUF if suffix in {"proto", "protobuf"} else suffix)
    return ContentType(media_type, media_type.rpartition("/")[2])
