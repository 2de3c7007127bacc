"""Calls whose messages do not come as gRPC has them: Connect's, and gRPC-Web in base64."""

import base64
import gzip

import pytest

from loom.model import MessageSeen, StatusCode
from tests.proxy.wire.streams import data, message
from tests.proxy.wire.watched import Watched


def called(content_type: str, *parts: bytes, **headers: str) -> Watched:
    """A call with this type and body, sent in pieces; whole."""
    seen = Watched().opened()
    head = [(":method", "POST"), (":path", "/a.B/C"), (":scheme", "http"), ("content-type", content_type)]
    head += [(key.replace("_", "-"), value) for key, value in headers.items()]
    *first, last = parts
    frames = [data(1, part) for part in first] + [data(1, last, end=True)]
    return seen.sent(seen.client.headers(1, head), *frames)


def answered(seen: Watched, status: int, content_type: str, *parts: bytes, **headers: str) -> Watched:
    head = [(":status", str(status)), ("content-type", content_type)]
    head += [(key.replace("_", "-"), value) for key, value in headers.items()]
    *first, last = parts
    frames = [data(1, part) for part in first] + [data(1, last, end=True)]
    return seen.answered(seen.server.headers(1, head), *frames)


def messages(seen: Watched) -> list[tuple[bytes, bool, str]]:
    return [(event.data, event.compressed, event.encoding) for event in seen.sink.of(MessageSeen)]


@pytest.mark.parametrize("kind", ["application/json", "application/proto", "application/json; charset=utf-8"])
def test_the_body_of_a_unary_connect_call_is_its_message(kind):
    seen = called(kind, b'{"a"', b": 1}", connect_protocol_version="1")
    answered(seen, 200, kind, b"{}")
    assert messages(seen) == [(b'{"a": 1}', False, ""), (b"{}", False, "")]
    assert (seen.end().status.code, seen.end().note) == (StatusCode.OK, "")
    assert seen.connection._unfinished == 0


def test_an_empty_body_is_an_empty_message():
    seen = called("application/proto", b"", connect_protocol_version="1")
    answered(seen, 200, "application/proto", b"")
    assert messages(seen) == [(b"", False, ""), (b"", False, "")]


def test_a_compressed_body():
    packed = gzip.compress(b"hi")
    seen = called("application/proto", packed, connect_protocol_version="1", content_encoding="gzip")
    answered(seen, 200, "application/proto", b"yo", content_encoding="identity")
    assert messages(seen) == [(packed, True, "gzip"), (b"yo", False, "")]


@pytest.mark.parametrize(
    ("body", "code", "text"),
    [
        (b'{"code": "not_found", "message": "no such order"}', StatusCode.NOT_FOUND, "no such order"),
        (b'{"code": "canceled"}', StatusCode.CANCELLED, ""),
        (b"<html>", StatusCode.UNIMPLEMENTED, ""),
    ],
)
def test_the_error_of_a_unary_connect_call(body, code, text):
    seen = called("application/proto", b"", connect_protocol_version="1")
    answered(seen, 404, "application/json", body)
    assert (seen.end().status.code, seen.end().status.message) == (code, text)
    assert len(messages(seen)) == 1


@pytest.mark.parametrize(
    ("last", "code", "text"),
    [
        (b"{}", StatusCode.OK, ""),
        (b'{"error": {"code": "internal", "message": "broken"}}', StatusCode.INTERNAL, "broken"),
        (b"?", StatusCode.UNKNOWN, "the end of the stream cannot be read"),
    ],
)
def test_a_connect_stream_ends_with_a_message_of_its_own(last, code, text):
    seen = called("application/connect+json", message(b"{}"), message(b"[]"))
    answered(seen, 200, "application/connect+json", message(b'{"a":1}'), message(last, flag=2))
    assert [data for data, _, _ in messages(seen)] == [b"{}", b"[]", b'{"a":1}']
    assert (seen.end().status.code, seen.end().status.message) == (code, text)


def test_grpc_web_in_base64_with_padding_between_messages():
    kind = "application/grpc-web-text+proto"
    sent = base64.b64encode(message(b"hello"))
    seen = called(kind, sent[:3], sent[3:7], sent[7:])
    trailers = base64.b64encode(message(b"grpc-status: 5\r\ngrpc-message: gone\r\n", flag=0x80))
    answered(
        seen, 200, kind, base64.b64encode(message(b"one")) + base64.b64encode(message(b"four")), trailers
    )
    assert [data for data, _, _ in messages(seen)] == [b"hello", b"one", b"four"]
    assert (seen.end().status.code, seen.end().status.message) == (5, "gone")


def test_what_is_no_base64_is_no_message():
    seen = called("application/grpc-web-text", b"!!!!" * 5)
    answered(seen, 200, "application/grpc-web-text", b"====")
    assert messages(seen) == []
    assert seen.connection._unfinished == 0


def test_json_over_http_is_shown_without_being_taken_for_a_call_of_connect():
    seen = called("application/json", b'{"a":1}')
    answered(seen, 200, "application/json", b"[]")
    assert [data for data, _, _ in messages(seen)] == [b'{"a":1}', b"[]"]
    assert seen.end().note == "not gRPC: the answer is application/json, HTTP status 200"


def test_a_body_that_ends_with_trailers_is_a_message_too():
    seen = called("application/proto", b"hi", connect_protocol_version="1")
    head = [(":status", "200"), ("content-type", "application/proto")]
    seen.answered(
        seen.server.headers(1, head), data(1, b"yo"), seen.server.headers(1, [("x", "1")], end=True)
    )
    assert [data for data, _, _ in messages(seen)] == [b"hi", b"yo"]
    assert (seen.end().status.code, seen.connection._unfinished) == (StatusCode.OK, 0)
