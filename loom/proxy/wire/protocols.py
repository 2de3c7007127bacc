"""The protocols that share HTTP/2 with gRPC, and whether a response is in the protocol of its call.

Sources: https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md, …/PROTOCOL-WEB.md and
https://connectrpc.com/docs/protocol/.
"""

import enum
from collections.abc import Mapping

_UNARY_CODECS = {"json": "json", "proto": "proto", "protobuf": "proto", "x-protobuf": "proto"}
_APPLICATION = "application/"
_DEFAULT_CODEC = "proto"


class Protocol(enum.IntEnum):
    """What a request asks to be answered in."""

    OTHER = 0  # plain HTTP
    GRPC = 1
    GRPC_WEB = 2
    CONNECT_UNARY = 3  # the body is the message
    CONNECT_STREAM = 4

    @property
    def label(self) -> str:
        """The protocol's name, for people."""
        return _LABELS[self]

    @property
    def is_connect(self) -> bool:
        return self in {Protocol.CONNECT_UNARY, Protocol.CONNECT_STREAM}


_LABELS = {
    Protocol.OTHER: "HTTP",
    Protocol.GRPC: "gRPC",
    Protocol.GRPC_WEB: "gRPC-Web",
    Protocol.CONNECT_UNARY: "Connect",
    Protocol.CONNECT_STREAM: "Connect",
}


def media_type(content_type: str) -> str:
    """The content type without parameters, in lower case."""
    return content_type.partition(";")[0].strip().lower()


def protocol_of(content_type: str) -> Protocol:
    """The protocol that has this content type; JSON alone may be anybody's, and counts as Connect's."""
    media = media_type(content_type)
    if media.startswith("application/grpc-web"):
        return Protocol.GRPC_WEB
    if media.startswith("application/grpc"):
        return Protocol.GRPC
    if media.startswith("application/connect+"):
        return Protocol.CONNECT_STREAM
    if media.startswith(_APPLICATION) and media.removeprefix(_APPLICATION) in _UNARY_CODECS:
        return Protocol.CONNECT_UNARY
    return Protocol.OTHER


def request_protocol(content_type: str, headers: Mapping[str, str]) -> Protocol:
    """The protocol of a request: JSON without Connect's version header is plain HTTP."""
    protocol = protocol_of(content_type)
    if protocol is not Protocol.CONNECT_UNARY or "connect-protocol-version" in headers:
        return protocol
    return Protocol.OTHER if codec_of(content_type) == "json" else protocol


def codec_of(content_type: str) -> str:
    """The encoding of messages that a content type of any of the protocols names: ``proto``, ``json`` …"""
    media = media_type(content_type)
    _, plus, suffix = media.partition("+")
    if plus:
        return _UNARY_CODECS.get(suffix, suffix)
    return _UNARY_CODECS.get(media.removeprefix(_APPLICATION), _DEFAULT_CODEC)
