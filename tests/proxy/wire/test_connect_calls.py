"""Calls of Connect: unary, streams, errors, timeouts and GET."""

import base64
import gzip

import pytest
from google.rpc import status_pb2

from loom.model import CallStarted, StatusCode
from tests.proxy.wire.http2_bytes import data, message
from tests.proxy.wire.observed_connection import ObservedConnection
from tests.proxy.wire.web_calls import initial, messages, send_request, send_response, status_of, trailing


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


def test_a_body_that_ends_with_trailers_is_a_message() -> None:
    observed = send_request("application/proto", b"hi", connect_protocol_version="1")
    pairs = [(":status", "200"), ("content-type", "application/proto")]
    observed.server_sends(
        observed.server.headers(1, pairs), data(1, b"yo"), observed.server.headers(1, [("x", "1")], end=True)
    )
    assert [data for data, _, _ in messages(observed)] == [b"hi", b"yo"]
    assert (observed.call_ended().status.code, observed.connection._unfinished) == (StatusCode.OK, 0)


def test_a_connect_error_that_cannot_be_decompressed_has_the_status_of_its_http_status() -> None:
    observed = send_request("application/proto", b"", connect_protocol_version="1")
    send_response(observed, 404, "application/json", b"?", content_encoding="foo")
    assert observed.call_ended().status.code == StatusCode.UNIMPLEMENTED
    assert "'foo' is not supported" in observed.call_ended().status.message


def test_a_gzipped_connect_error_with_details() -> None:
    value = base64.b64encode(b"\n\ntest.proto").decode().rstrip("=")
    error = (
        f'{{"code": "out_of_range", "message": "oops", "details": [{{"type": "a.B", "value": "{value}"}}]}}'
    )
    observed = send_request("application/proto", b"", connect_protocol_version="1")
    send_response(
        observed,
        422,
        "application/json",
        gzip.compress(error.encode()),
        content_encoding="gzip",
        trailer_x="1",
    )
    assert status_of(observed) == (StatusCode.OUT_OF_RANGE, "oops")
    details = status_pb2.Status.FromString(observed.call_ended().status.details)
    assert (details.code, details.message) == (11, "oops")
    assert [(item.type_url, item.value) for item in details.details] == [
        ("type.googleapis.com/a.B", b"\n\ntest.proto")
    ]
    assert trailing(observed) == [("x", "1")]


@pytest.mark.parametrize(
    ("http", "body", "code", "text"),
    [
        (401, b"{}", StatusCode.UNAUTHENTICATED, ""),
        (401, b"null", StatusCode.UNAUTHENTICATED, ""),
        (401, b'{"code": null, "message": "oops"}', StatusCode.UNAUTHENTICATED, "oops"),
        (404, b'{"message": null}', StatusCode.UNIMPLEMENTED, ""),
        (404, b'{"code": "ok", "message": "oops"}', StatusCode.UNIMPLEMENTED, "oops"),
        (429, b'{"code": "foobar", "message": "oops"}', StatusCode.UNAVAILABLE, "oops"),
        (422, b'{"code": 5, "message": ["oops"], "details": "?"}', StatusCode.UNKNOWN, ""),
        (
            422,
            b'{"code": "internal", "details": [{"type": 1}, 2, {"type": "a", "value": "!"}]}',
            StatusCode.INTERNAL,
            "",
        ),
    ],
)
def test_connect_errors_without_a_usable_code_or_message(
    http: int, body: bytes, code: int, text: str
) -> None:
    observed = send_request("application/proto", b"", connect_protocol_version="1")
    send_response(observed, http, "application/json", body)
    assert status_of(observed) == (code, text)
    assert observed.call_ended().status.details is None


def test_trailers_of_a_unary_connect_call() -> None:
    observed = send_request("application/proto", b"hi", connect_protocol_version="1")
    send_response(observed, 200, "application/proto", b"yo", x_a="1", trailer_x_b="2", trailer_c_bin="AAE")
    assert initial(observed) == {"content-type": "application/proto", "x-a": "1"}
    assert dict(trailing(observed)) == {"x-b": "2", "c-bin": b"\0\1"}


def test_an_empty_unary_connect_response() -> None:
    observed = send_request("application/proto", b"hi", connect_protocol_version="1")
    pairs = [(":status", "200"), ("content-type", "application/proto"), ("x-a", "1"), ("trailer-x-b", "2")]
    observed.server_sends(observed.server.headers(1, pairs, end=True))
    assert [data for data, _, _ in messages(observed)] == [b"hi", b""]
    assert initial(observed) == {"content-type": "application/proto", "x-a": "1"}
    assert trailing(observed) == [("x-b", "2")]
    assert (observed.call_ended().status.code, observed.call_ended().note) == (StatusCode.OK, "")


def test_the_metadata_of_an_end_of_stream_message_is_trailing() -> None:
    kind = "application/connect+proto"
    observed = send_request(kind, message(b""))
    end = b'{"metadata": {"X-A": ["1", "2"], "b-bin": ["AAE"], "c": null}}'
    send_response(observed, 200, kind, message(b"yo"), message(end, flag=2))
    assert trailing(observed) == [("x-a", "1"), ("x-a", "2"), ("b-bin", b"\0\1")]
    assert status_of(observed) == (StatusCode.OK, "")


def test_a_compressed_end_of_stream_message() -> None:
    kind = "application/connect+proto"
    observed = send_request(kind, message(b""))
    end = gzip.compress(b'{"error": {"code": "not_found", "message": "gone"}}')
    send_response(observed, 200, kind, message(end, flag=3), connect_content_encoding="gzip")
    assert status_of(observed) == (StatusCode.NOT_FOUND, "gone")


@pytest.mark.parametrize(
    ("end", "code", "text"),
    [
        (b'{"error": null}', StatusCode.OK, ""),
        (b'{"error": {"code": null, "message": "oops"}}', StatusCode.UNKNOWN, "oops"),
        (b'{"error": {"message": "oops"}}', StatusCode.UNKNOWN, "oops"),
        (b'{"error": {"code": "unauthenticated"}}', StatusCode.UNAUTHENTICATED, ""),
        (b'{"error": "?", "metadata": 1}', StatusCode.UNKNOWN, ""),
        (b"[]", StatusCode.UNKNOWN, "the end of the stream cannot be parsed"),
    ],
)
def test_end_of_stream_messages_without_a_usable_error(end: bytes, code: int, text: str) -> None:
    kind = "application/connect+proto"
    observed = send_request(kind, message(b""))
    send_response(observed, 200, kind, message(end, flag=2))
    assert status_of(observed) == (code, text)


def test_the_first_end_of_stream_message_counts() -> None:
    kind = "application/connect+proto"
    observed = send_request(kind, message(b""))
    error = b'{"error": {"code": "aborted"}}'
    send_response(observed, 200, kind, message(error, flag=2) + message(b"{}", flag=2) + message(b"x"))
    assert status_of(observed) == (StatusCode.ABORTED, "")
    assert len(messages(observed)) == 1  # the request's


@pytest.mark.parametrize(
    ("body", "text"),
    [
        (b"", "the response ended without an end-of-stream message"),
        (message(b"yo"), "the response ended without an end-of-stream message"),
        (message(b"yo")[:-1], "the last message was cut off before its end"),
        (message(b"yo") + b"\0\0\0", "the last message was cut off before its end"),
        (message(b"{}", flag=2)[:-1], "the last message was cut off before its end"),
    ],
)
def test_a_connect_stream_that_is_cut_anywhere_is_internal(body: bytes, text: str) -> None:
    kind = "application/connect+proto"
    observed = send_request(kind, message(b""))
    send_response(observed, 200, kind, body)
    assert status_of(observed) == (StatusCode.INTERNAL, text)


@pytest.mark.parametrize(
    ("request_kind", "response_kind", "code"),
    [
        ("application/proto", "application/json", StatusCode.INTERNAL),
        ("application/connect+proto", "application/connect+json", StatusCode.INTERNAL),
        ("application/connect+proto", "application/proto", StatusCode.UNKNOWN),
    ],
)
def test_a_connect_response_in_another_codec(request_kind: str, response_kind: str, code: int) -> None:
    observed = send_request(request_kind, message(b""), connect_protocol_version="1")
    send_response(observed, 200, response_kind, message(b"{}") + message(b"{}", flag=2))
    assert observed.call_ended().status.code == code


@pytest.mark.parametrize("timeout", ["10000000000", "-1", "1.5", ""])
def test_a_malformed_connect_timeout_is_no_deadline(timeout: str) -> None:
    observed = send_request(
        "application/proto", b"", connect_protocol_version="1", connect_timeout_ms=timeout
    )
    [started] = observed.sink.of(CallStarted)
    assert started.deadline_ns is None


def test_a_connect_timeout_is_a_deadline() -> None:
    observed = send_request("application/connect+proto", b"", connect_timeout_ms="200", grpc_timeout="1n")
    [started] = observed.sink.of(CallStarted)
    assert started.deadline_ns == observed.now + 200_000_000


def send_get(target: str) -> ObservedConnection:
    observed = ObservedConnection().handshake()
    pairs = [(":method", "GET"), (":path", target), (":scheme", "http")]
    return observed.client_sends(observed.client.headers(1, pairs, end=True))


@pytest.mark.parametrize(
    ("query", "content", "kind", "encoding"),
    [
        ("connect=v1&encoding=json&message=%7B%22a%22%3A1%7D", b'{"a":1}', "application/json", ""),
        ("encoding=proto&message=%0A%FF&compression=identity", b"\n\xff", "application/proto", ""),
        ("message=Cv8&base64=1&encoding=proto", b"\n\xff", "application/proto", ""),
        ("message=Cv8%3D&base64=1&encoding=proto&compression=gzip", b"\n\xff", "application/proto", "gzip"),
        ("encoding=proto&message=", b"", "application/proto", ""),
    ],
)
def test_a_connect_call_by_get_has_its_message_in_the_query(
    query: str, content: bytes, kind: str, encoding: str
) -> None:
    observed = send_get(f"/a.B/C?{query}")
    send_response(observed, 200, kind, b"yo")
    [started] = observed.sink.of(CallStarted)
    assert (started.method, started.content_type) == ("/a.B/C", kind)
    assert messages(observed) == [(content, bool(encoding), encoding), (b"yo", False, "")]
    assert (observed.call_ended().status.code, observed.call_ended().note) == (StatusCode.OK, "")


@pytest.mark.parametrize("target", ["/", "/?a=b", "/a?message=x", "/a?encoding=proto&message=!&base64=1"])
def test_other_gets_are_not_connect_calls(target: str) -> None:
    observed = send_get(target)
    send_response(observed, 200, "text/html", b"<html>")
    [started] = observed.sink.of(CallStarted)
    assert started.method == target
    assert observed.call_ended().note == "not gRPC: the answer is text/html, HTTP status 200"
