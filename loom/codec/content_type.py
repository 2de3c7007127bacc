"""What a call's ``content-type`` says of its messages: which protocol, and how they are encoded.

gRPC, gRPC-Web and Connect name the message encoding in it (``application/grpc+json``); absent, it is protobuf.
"""

from dataclasses import dataclass

PROTOBUF, JSON = "proto", "json"

_PROTOCOLS = (
    ("application/grpc-web-text", "gRPC-Web (text)"),
    ("application/grpc-web", "gRPC-Web"),
    ("application/grpc", "gRPC"),
    ("application/connect", "Connect"),
)
_BARE = {
    "application/proto": PROTOBUF,
    "application/protobuf": PROTOBUF,
    "application/x-protobuf": PROTOBUF,
    "application/json": JSON,
}


@dataclass(frozen=True, slots=True)
class Content:
    """``protocol`` is for people; ``encoding`` is ``proto``, ``json`` or what else the content type names."""

    protocol: str
    encoding: str

    @property
    def is_protobuf(self) -> bool:
        return self.encoding == PROTOBUF


def parse_content_type(content_type: str) -> Content:
    """What a content type says. An empty one (the engine could not see it) is gRPC with protobuf."""
    media = content_type.partition(";")[0].strip().lower()
    if not media:
        return Content("gRPC", PROTOBUF)
    if media in _BARE:
        return Content("Connect", _BARE[media])
    for prefix, protocol in _PROTOCOLS:
        if media == prefix:
            return Content(protocol, PROTOBUF)
        if media.startswith(prefix + "+"):
            named = media.removeprefix(prefix + "+")
            return Content(protocol, PROTOBUF if named in {"proto", "protobuf"} else named)
    return Content(media, media.rpartition("/")[2])
