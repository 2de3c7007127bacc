"""Calls with bodies that differ from gRPC's: Connect, and gRPC-Web in base64."""

import base64
import gzip

import pytest

from loom.model import MessageSeen, StatusCode
from tests.proxy.wire.http2_bytes import data, message
from tests.proxy.wire.observed_connection import ObservedConnection


def send_request(content_type: str, *parts: bytes, **headers: str) -> ObservedConnection:
    """A connection with a complete request of this type, its body in pieces."""
    observed = ObservedConnection().handshake()
    pairs = [(":method", "POST"), (":path", "/a.B/C"), (":scheme", "http"), ("content-type", content_type)]
    pairs += [(key.replace("_", "-"), value) for key, value in headers.items()]
    *first, last = parts
    frames = [data(1, part) for part in first] + [data(1, last, end=True)]
    return observed.client_sends(observed.client.headers(1, pairs), *frames)


def send_response(
    observed: ObservedConnection, status: int, content_type: str, *parts: bytes, **headers: str
) -> ObservedConnection:
    pairs = [(":status", str(status)), ("content-type", content_type)]
    pairs += [(key.replace("_", "-"), value) for key, value in headers.items()]
    *first, last = parts
    frames = [data(1, part) for part in first] + [data(1, last, end=True)]
    return observed.server_sends(observed.server.headers(1, pairs), *frames)


def messages(observed: ObservedConnection) -> list[tuple[bytes, bool, str]]:
    return [(event.data, event.compressed, event.encoding) for event in observed.sink.of(MessageSeen)]


@pytest.mark.parametrize("kind", ["application/json", "application/proto", "application/json; charset=utf-8"])
def test_the_body_of_a_unary_connect_call_is_its_message(kind: str) -> None:
    observed = send_request(kind, b'{"a"', b": 1}", connect_protocol_version="1")
    send_response(observed, 200, kind, b"{}")
    assert messages(observed) == [(b'{"a": 1}', False, ""), (b"{}", False, "")]
    assert (observed.call_ended().status.code, observed.call_ended().note) == (StatusCode.OK, "")
    assert observed.connection._unfinished == 0


def test_an_empty_body_is_an_empty_message() -> None:
    observed = send_request("application/proto", b"", connect_protocol_version="1")
    send_response(observed, 200, "application/proto", b"")
    assert messages(observed) == [(b"", False, ""), (b"", False, "")]


def test_a_compressed_body() -> None:
    packed = gzip.compress(b"hi")
    observed = send_request(
        "application/proto", packed, connect_protocol_version="1", content_encoding="gzip"
    )
    send_response(observed, 200, "application/proto", b"yo", content_encoding="identity")
    assert messages(observed) == [(packed, True, "gzip"), (b"yo", False, "")]


@pytest.mark.parametrize(
    ("body", "code", "text"),
    [
        (b'{"code": "not_found", "message": "no such order"}', StatusCode.NOT_FOUND, "no such order"),
        (b'{"code": "canceled"}', StatusCode.CANCELLED, ""),
        (b"<html>", StatusCode.UNIMPLEMENTED, ""),
    ],
)
def test_the_error_of_a_unary_connect_call(body: bytes, code: StatusCode, text: str) -> None:
    observed = send_request("application/proto", b"", connect_protocol_version="1")
    send_response(observed, 404, "application/json", body)
    assert (observed.call_ended().status.code, observed.call_ended().status.message) == (code, text)
    assert len(messages(observed)) == 1


@pytest.mark.parametrize(
    ("last", "code", "text"),
    [
        (b"{}", StatusCode.OK, ""),
        (b'{"error": {"code": "internal", "message": "broken"}}', StatusCode.INTERNAL, "broken"),
        (b"?", StatusCode.UNKNOWN, "the end of the stream cannot be parsed"),
    ],
)
def test_a_connect_stream_ends_with_a_message_that_has_the_status(
    last: bytes, code: StatusCode, text: str
) -> None:
    observed = send_request("application/connect+json", message(b"{}"), message(b"[]"))
    send_response(observed, 200, "application/connect+json", message(b'{"a":1}'), message(last, flag=2))
    assert [data for data, _, _ in messages(observed)] == [b"{}", b"[]", b'{"a":1}']
    assert (observed.call_ended().status.code, observed.call_ended().status.message) == (code, text)


def test_grpc_web_in_base64_with_padding_between_messages() -> None:
    kind = "application/grpc-web-text+proto"
    sent = base64.b64encode(message(b"hello"))
    observed = send_request(kind, sent[:3], sent[3:7], sent[7:])
    trailers = base64.b64encode(message(b"grpc-status: 5\r\ngrpc-message: gone\r\n", flag=0x80))
    send_response(
        observed, 200, kind, base64.b64encode(message(b"one")) + base64.b64encode(message(b"four")), trailers
    )
    assert [data for data, _, _ in messages(observed)] == [b"hello", b"one", b"four"]
    assert (observed.call_ended().status.code, observed.call_ended().status.message) == (5, "gone")


def test_invalid_base64_gives_no_message() -> None:
    observed = send_request("application/grpc-web-text", b"!!!!" * 5)
    send_response(observed, 200, "application/grpc-web-text", b"====")
    assert messages(observed) == []
    assert observed.connection._unfinished == 0


def test_json_over_http_is_recorded_but_not_as_a_connect_call() -> None:
    observed = send_request("application/json", b'{"a":1}')
    send_response(observed, 200, "application/json", b"[]")
    assert [data for data, _, _ in messages(observed)] == [b'{"a":1}', b"[]"]
    assert observed.call_ended().note == "not gRPC: the answer is application/json, HTTP status 200"


def test_a_body_that_ends_with_trailers_is_a_message() -> None:
    observed = send_request("application/proto", b"hi", connect_protocol_version="1")
    pairs = [(":status", "200"), ("content-type", "application/proto")]
    observed.server_sends(
        observed.server.headers(1, pairs), data(1, b"yo"), observed.server.headers(1, [("x", "1")], end=True)
    )
    assert [data for data, _, _ in messages(observed)] == [b"hi", b"yo"]
    assert (observed.call_ended().status.code, observed.connection._unfinished) == (StatusCode.OK, 0)
