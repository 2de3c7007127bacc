"""What content types say."""

import pytest

from loom.codec import parse_content_type


@pytest.mark.parametrize(
    ("content_type", "protocol", "encoding"),
    [
        ("", "gRPC", "proto"),
        ("application/grpc", "gRPC", "proto"),
        ("application/grpc+proto", "gRPC", "proto"),
        ("application/grpc+json", "gRPC", "json"),
        ("Application/gRPC+JSON; charset=utf-8", "gRPC", "json"),
        ("application/grpc+thrift", "gRPC", "thrift"),
        ("application/grpc-web", "gRPC-Web", "proto"),
        ("application/grpc-web+proto", "gRPC-Web", "proto"),
        ("application/grpc-web+json", "gRPC-Web", "json"),
        ("application/grpc-web-text", "gRPC-Web (text)", "proto"),
        ("application/grpc-web-text+proto", "gRPC-Web (text)", "proto"),
        ("application/connect+proto", "Connect", "proto"),
        ("application/connect+json", "Connect", "json"),
        ("application/proto", "Connect", "proto"),
        ("application/json", "Connect", "json"),
        ("text/plain", "text/plain", "plain"),
    ],
)
def test_protocol_and_encoding(content_type: str, protocol: str, encoding: str) -> None:
    found = parse_content_type(content_type)
    assert (found.protocol, found.encoding) == (protocol, encoding)
    assert found.is_protobuf == (encoding == "proto")
