"""HAR files: every field that version 1.2 asks for, the messages as on the wire, and the trailers."""

import base64
import json
from typing import Any

import jsonschema
import pytest

from loom.model import Call, EndedBy, Status
from tests.support.exports import export

_HEADERS = {
    "type": "array",
    "items": {
        "type": "object",
        "required": ["name", "value"],
        "properties": {"name": {"type": "string"}, "value": {"type": "string"}},
    },
}
_TIME = {"type": "number", "minimum": -1}
# What http://www.softwareishard.com/blog/har-12-spec/ requires.
SCHEMA: dict[str, Any] = {
    "type": "object",
    "required": ["log"],
    "properties": {
        "log": {
            "type": "object",
            "required": ["version", "creator", "entries"],
            "properties": {
                "version": {"const": "1.2"},
                "creator": {"type": "object", "required": ["name", "version"]},
                "entries": {
                    "type": "array",
                    "items": {
                        "type": "object",
                        "required": ["startedDateTime", "time", "request", "response", "cache", "timings"],
                        "properties": {
                            "startedDateTime": {"type": "string", "format": "date-time"},
                            "time": {"type": "number", "minimum": 0},
                            "request": {
                                "type": "object",
                                "required": [
                                    "method", "url", "httpVersion", "cookies", "headers", "queryString",
                                    "headersSize", "bodySize",
                                ],
                                "properties": {
                                    "headers": _HEADERS,
                                    "postData": {"type": "object", "required": ["mimeType", "text"]},
                                },
                            },
                            "response": {
                                "type": "object",
                                "required": [
                                    "status", "statusText", "httpVersion", "cookies", "headers", "content",
                                    "redirectURL", "headersSize", "bodySize",
                                ],
                                "properties": {
                                    "headers": _HEADERS,
                                    "_trailers": _HEADERS,
                                    "content": {"type": "object", "required": ["size", "mimeType"]},
                                },
                            },
                            "serverIPAddress": {"oneOf": [{"format": "ipv4"}, {"format": "ipv6"}]},
                            "timings": {
                                "type": "object",
                                "required": ["send", "wait", "receive"],
                                "additionalProperties": _TIME,
                            },
                        },
                    },
                },
            },
        },
    },
}  # fmt: skip


async def test_is_har_with_trailers(calls: list[Call]) -> None:
    har = json.loads(export("har", calls))
    jsonschema.Draft202012Validator(SCHEMA, format_checker=jsonschema.FormatChecker()).validate(har)
    first, second, third, fourth = har["log"]["entries"]
    assert first["request"]["url"].endswith("/mirror.v1.Mirror/Say")
    assert first["response"]["_trailers"] == [
        {"name": "grpc-status", "value": "0"},
        {"name": "mirrored", "value": "1"},
    ]
    assert second["response"]["_trailers"][:2] == [
        {"name": "grpc-status", "value": "5"},
        {"name": "grpc-message", "value": "as asked"},
    ]
    assert {"name": "authorization", "value": "••••••"} in first["request"]["headers"]
    assert second["_grpc"]["status"] == {"code": 5, "name": "NOT_FOUND", "message": "as asked"}
    assert {"name": "t-bin", "value": "AP8="} in third["request"]["headers"]
    assert [message["type"] for message in third["_messages"]] == ["send"] + ["receive"] * 3
    assert fourth["_messages"][0]["json"] == {"text": "it's 0 ✓"}
    for entry in har["log"]["entries"]:
        timings = entry["timings"]
        assert abs(timings["send"] + timings["wait"] + timings["receive"] - entry["time"]) < 0.01


async def test_the_status_is_as_on_the_wire_where_it_was_there(calls: list[Call]) -> None:
    calls[0].status = Status(5, "100 % ünknown\n")
    calls[1].ended_by = EndedBy.DEADLINE
    first, second, *_ = json.loads(export("har", calls))["log"]["entries"]
    assert {"name": "grpc-message", "value": "100 %25 %C3%BCnknown%0A"} in first["response"]["_trailers"]
    assert "grpc-status" not in [item["name"] for item in second["response"]["_trailers"]]


@pytest.mark.parametrize(
    ("wire", "status", "text"),
    [({}, 200, "OK"), ({"http_status": 502}, 502, "Bad Gateway"), ({"http_status": 800}, 800, "")],
)
async def test_the_http_status_is_the_real_one(
    calls: list[Call], wire: dict[str, str | int | float], status: int, text: str
) -> None:
    calls[0].wire = wire
    entry = json.loads(export("har", calls))["log"]["entries"][0]
    assert (entry["response"]["status"], entry["response"]["statusText"]) == (status, text)


@pytest.mark.parametrize(
    ("target", "address"),
    [("127.0.0.1:50051", "127.0.0.1"), ("[::1]:50051", "::1"), ("localhost:50051", None), ("", None)],
)
async def test_the_servers_address_is_one_or_is_left_out(
    calls: list[Call], target: str, address: str | None
) -> None:
    calls[0].target = target
    har = json.loads(export("har", calls[:1]))
    jsonschema.Draft202012Validator(SCHEMA, format_checker=jsonschema.FormatChecker()).validate(har)
    assert har["log"]["entries"][0].get("serverIPAddress") == address


async def test_bodies_are_as_on_the_wire(calls: list[Call]) -> None:
    entry = json.loads(export("har", calls))["log"]["entries"][3]
    body = base64.b64decode(entry["request"]["postData"]["text"])
    sent = [message for message in calls[3].messages if message.direction == "request"]
    wanted = b"".join(bytes([m.compressed]) + m.size.to_bytes(4, "big") + (m.data or b"") for m in sent)
    assert body == wanted
    assert entry["request"]["bodySize"] == len(wanted)


async def test_no_calls_are_a_har_too() -> None:
    assert json.loads(export("har", []))["log"]["entries"] == []
