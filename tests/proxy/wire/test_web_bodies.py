"""Calls with bodies that differ from gRPC's: Connect, and gRPC-Web in base64."""

import base64
import gzip

import pytest
from google.rpc import status_pb2

from loom.model import CallStarted, MessageSeen, MetadataSeen, Section, StatusCode
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


def trailing(observed: ObservedConnection) -> list[tuple[str, str | bytes]]:
    return [
        item
        for event in observed.sink.of(MetadataSeen)
        if event.section is Section.TRAILING
        for item in event.metadata
    ]


def initial(observed: ObservedConnection) -> dict[str, str | bytes]:
    [event] = [event for event in observed.sink.of(MetadataSeen) if event.section is Section.INITIAL]
    return dict(event.metadata)


def status_of(observed: ObservedConnection) -> tuple[int, str]:
    status = observed.call_ended().status
    return status.code, status.message


def test_compressed_grpc_web_trailers() -> None:
    kind = "application/grpc-web+proto"
    observed = send_request(kind, message(b"hi"))
    trailers = gzip.compress(b"grpc-status: 5\r\ngrpc-message: gone\r\nx-a: b\r\n")
    send_response(observed, 200, kind, message(b"yo"), message(trailers, flag=0x81), grpc_encoding="gzip")
    assert status_of(observed) == (5, "gone")
    assert ("x-a", "b") in trailing(observed)


@pytest.mark.parametrize(("encoding", "code"), [("gzip", StatusCode.INTERNAL), ("foo", StatusCode.UNKNOWN)])
@pytest.mark.parametrize(
    ("kind", "flag", "key"),
    [
        ("application/grpc-web+proto", 0x81, "grpc_encoding"),
        ("application/connect+proto", 3, "connect_content_encoding"),
    ],
)
def test_ends_that_cannot_be_decompressed(
    kind: str, flag: int, key: str, encoding: str, code: StatusCode
) -> None:
    """A client without the encoding reports INTERNAL; one that Loom does not know may be known to the client."""
    observed = send_request(kind, message(b"hi"))
    send_response(observed, 200, kind, message(b"?", flag=flag), **{key: encoding})
    assert observed.call_ended().status.code == code
    assert observed.call_ended().status.message.startswith("the status cannot be decompressed: ")


def test_a_connect_error_that_cannot_be_decompressed_has_the_status_of_its_http_status() -> None:
    observed = send_request("application/proto", b"", connect_protocol_version="1")
    send_response(observed, 404, "application/json", b"?", content_encoding="foo")
    assert observed.call_ended().status.code == StatusCode.UNIMPLEMENTED
    assert "'foo' is not supported" in observed.call_ended().status.message


@pytest.mark.parametrize("separator", [b"\r\n", b"\n"])
def test_the_lines_of_grpc_web_trailers(separator: bytes) -> None:
    kind = "application/grpc-web"
    observed = send_request(kind, message(b"hi"))
    lines = separator.join([b"Grpc-Status: 9", b"GRPC-Message: a%20b", b"x-a: 1", b"x-a: 2", b""])
    send_response(observed, 200, kind, message(lines, flag=0x80))
    assert status_of(observed) == (9, "a b")
    assert trailing(observed) == [("x-a", "1"), ("x-a", "2")]


@pytest.mark.parametrize("kind", ["application/grpc-web", "application/grpc"])
def test_headers_with_a_status_and_an_empty_body_are_trailers_only(kind: str) -> None:
    observed = send_request(kind, message(b"hi"))
    send_response(observed, 200, kind, b"", grpc_status="9", grpc_message="no", x_custom="bing")
    assert status_of(observed) == (9, "no")
    assert trailing(observed) == [("x-custom", "bing")]
    assert observed.call_ended().wire["trailers_only"] == 1


def test_a_status_in_headers_does_not_count_where_a_body_follows() -> None:
    kind = "application/grpc-web"
    observed = send_request(kind, message(b"hi"))
    body = message(b"grpc-status: 9\r\n", flag=0x80)
    send_response(observed, 200, kind, body, grpc_status="8", x_custom="bing")
    assert status_of(observed) == (9, "")
    assert initial(observed)["x-custom"] == "bing"


@pytest.mark.parametrize("kind", ["application/grpc", "application/grpc-web+proto"])
def test_a_response_without_trailers(kind: str) -> None:
    observed = send_request(kind, message(b"hi"))
    send_response(observed, 200, kind, message(b"yo"), grpc_status="0")
    assert status_of(observed) == (StatusCode.INTERNAL, "the response ended without trailers")
    assert [data for data, _, _ in messages(observed)] == [b"hi", b"yo"]


@pytest.mark.parametrize(
    "body",
    [message(b"hello")[:-1], message(b"hello") + b"\0\0", b"\0\0\0\0\x0a"],
    ids=["payload", "prefix", "none"],
)
def test_a_message_cut_off_before_an_ok_status_is_internal(body: bytes) -> None:
    observed = send_request("application/grpc", message(b"hi"))
    pairs = [(":status", "200"), ("content-type", "application/grpc")]
    observed.server_sends(observed.server.headers(1, pairs), data(1, body), observed.server.trailers(1))
    assert status_of(observed) == (StatusCode.INTERNAL, "the last message was cut off before its end")


@pytest.mark.parametrize("encoding", [{}, {"grpc_encoding": "identity"}])
def test_a_compressed_message_without_an_encoding_is_internal(encoding: dict[str, str]) -> None:
    observed = send_request("application/grpc-web", message(b"hi"))
    body = message(b"yo", flag=1) + message(b"grpc-status: 0\r\n", flag=0x80)
    send_response(observed, 200, "application/grpc-web", body, **encoding)
    assert status_of(observed)[0] == StatusCode.INTERNAL
    assert "compressed" in observed.call_ended().note


@pytest.mark.parametrize(
    "kind", ["application/grpc", "application/grpc-web", "application/proto", "application/connect+proto"]
)
@pytest.mark.parametrize(
    ("http", "code"),
    [
        (200, StatusCode.UNKNOWN),
        (400, StatusCode.INTERNAL),
        (413, StatusCode.UNKNOWN),
        (502, StatusCode.UNAVAILABLE),
        (503, StatusCode.UNAVAILABLE),
    ],
)
def test_an_answer_in_another_protocol_has_the_status_of_its_http_status_and_its_text(
    kind: str, http: int, code: int
) -> None:
    observed = send_request(kind, message(b"hi"))
    send_response(observed, http, "text/html", b"<h1>upstream ", b"is away</h1>")
    ended = observed.call_ended()
    assert ended.status.code == code
    assert ended.status.message.endswith(": <h1>upstream is away</h1>")
    assert f"the answer is text/html, HTTP status {http}" in ended.note
    assert "upstream" not in ended.note
    assert len(messages(observed)) == 1  # the request's
    assert ended.wire.get("http_status", 200) == http


def test_the_text_of_a_foreign_answer_is_bounded_and_decompressed() -> None:
    observed = send_request("application/grpc", message(b"hi"))
    send_response(observed, 503, "text/plain", gzip.compress(b"x" * 5_000), content_encoding="gzip")
    assert observed.call_ended().status.message.endswith(": " + "x" * 1024 + "…")


def test_a_foreign_answer_that_is_not_text_is_not_shown() -> None:
    observed = send_request("application/grpc", message(b"hi"))
    send_response(observed, 200, "image/jpeg", b"\xff\xd8\xff\x00")
    assert observed.call_ended().status.message == "not gRPC: the answer is image/jpeg, HTTP status 200"


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


@pytest.mark.parametrize(
    ("headers", "note"),
    [
        ({}, "its encoding is foo, and the request accepts no encodings"),
        (
            {"grpc_accept_encoding": "gzip, zstd;q=1"},
            "its encoding is foo, and the request accepts gzip, zstd",
        ),
    ],
)
def test_an_encoding_that_was_not_asked_for_is_noted(headers: dict[str, str], note: str) -> None:
    observed = send_request("application/grpc-web", message(b"hi"), **headers)
    body = message(b"?", flag=1) + message(b"grpc-status: 0\r\n", flag=0x80)
    send_response(observed, 200, "application/grpc-web", body, grpc_encoding="foo")
    assert observed.call_ended().note == f"clients may refuse this response: {note}"
    assert observed.call_ended().status.code == StatusCode.OK


def test_a_grpc_response_in_another_codec_is_noted() -> None:
    observed = send_request("application/grpc", message(b"hi"))
    pairs = [(":status", "200"), ("content-type", "application/grpc+json")]
    observed.server_sends(
        observed.server.headers(1, pairs), data(1, message(b"{}")), observed.server.trailers(1)
    )
    assert observed.call_ended().note == (
        "clients may refuse this response: the response is application/grpc+json, where proto was asked for"
    )


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
