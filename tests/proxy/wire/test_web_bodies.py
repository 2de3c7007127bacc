"""Calls with bodies that differ from gRPC's: gRPC-Web, and answers of other protocols."""

import base64
import gzip

import pytest

from loom.model import StatusCode
from tests.proxy.wire.http2_bytes import data, message
from tests.proxy.wire.web_calls import initial, messages, send_request, send_response, status_of, trailing


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
