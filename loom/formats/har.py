"""Write HAR 1.2 (http://www.softwareishard.com/blog/har-12-spec/), one entry for each call.

What HAR has no field for is in fields that begin with an underscore, as the specification asks: ``_trailers``,
``_grpc`` (status, kind, deadline) and ``_messages`` with each message's time and JSON.
"""

import base64
import ipaddress
from collections.abc import Iterable, Iterator, Mapping
from http import HTTPStatus
from typing import Any
from urllib.parse import quote

import msgspec

from loom import __version__
from loom.decoding.stored_schema import StoredSchema
from loom.errors import ConfigError
from loom.model import MASK, Address, Call, Direction, EndedBy, Message, Metadata, Secrets
from loom.model.metadata import GRPC_MESSAGE, GRPC_STATUS
from loom.model.timestamps import format_timestamp

from .alterations import altered_by, describe_interceptions
from .destination import Destination

_HTTP = "HTTP/2"
_CONTENT_TYPE = "application/grpc"
# https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md: printable ASCII but the percent sign is sent as it is.
_UNQUOTED = "".join(chr(code) for code in range(0x20, 0x7F) if code != ord("%"))
_MILLISECOND = 1_000_000
_encode = msgspec.json.Encoder().encode


def write_har(
    calls: Iterable[Call],
    schema: StoredSchema,
    secrets: Secrets | None,
    destination: Destination,
    fault_seeds: Mapping[int, int],
) -> Iterator[bytes]:
    """One JSON document; entries in the order in which their calls ended."""
    del fault_seeds
    scheme = "https" if destination.tls else "http"
    creator = {"name": "Loom", "version": __version__}
    yield b'{"log":{"version":"1.2","creator":' + _encode(creator) + b',"entries":['
    comma = b"\n"
    for call in calls:
        yield comma + _encode(_entry(call, schema, secrets, scheme))
        comma = b",\n"
    yield b"\n]}}\n"


def _entry(call: Call, schema: StoredSchema, secrets: Secrets | None, scheme: str) -> dict[str, Any]:
    status = call.status
    content_type = call.content_type or _CONTENT_TYPE
    request = [message for message in call.messages if message.direction is Direction.REQUEST]
    response = [message for message in call.messages if message.direction is Direction.RESPONSE]
    body = _body(response)
    answered = call.initial_ns or call.first_response_ns or call.ended_ns
    sent = call.half_closed_ns or call.last_request_ns or call.started_ns
    http_status = _http_status(call)
    return {
        "startedDateTime": format_timestamp(call.started_ns),
        "time": (call.duration_ns or 0) / _MILLISECOND,
        "request": {
            "method": "POST",
            "url": f"{scheme}://{call.authority or call.target or 'unknown'}{call.method}",
            "httpVersion": _HTTP,
            "cookies": [],
            "headers": _headers(call.request_metadata, secrets),
            "queryString": [],
            "postData": {
                "mimeType": content_type,
                "text": _body(request),
                "_encoding": "base64",
            },
            "headersSize": -1,
            "bodySize": sum(5 + message.size for message in request),
        },
        "response": {
            "status": http_status,
            "statusText": _reason(http_status),
            "httpVersion": _HTTP,
            "cookies": [],
            "headers": _headers(call.initial_metadata or (), secrets),
            "content": {
                "size": sum(5 + message.size for message in response),
                "mimeType": content_type,
                "text": body,
                "encoding": "base64",
            },
            "redirectURL": "",
            "headersSize": -1,
            "bodySize": sum(5 + message.size for message in response),
            "_trailers": [*_status(call), *_headers(call.trailing_metadata or (), secrets)],
        },
        "cache": {},
        "timings": {
            "blocked": -1,
            "dns": -1,
            "connect": -1,
            "send": max(0, sent - call.started_ns) / _MILLISECOND,
            "wait": max(0, (answered or sent) - sent) / _MILLISECOND,
            "receive": max(0, (call.ended_ns or answered or sent) - max(answered or sent, sent))
            / _MILLISECOND,
            "ssl": -1,
        },
        **_server(call.target),
        "connection": call.peer,
        "comment": "; ".join(filter(None, [call.note, _altered(call)])),
        "_grpc": {
            "id": call.id,
            "method": call.method,
            "kind": call.kind.value,
            "status": None
            if status is None
            else {"code": int(status.code), "name": status.name, "message": status.message},
            "endedBy": None if call.ended_by is None else call.ended_by.value,
            "target": call.target,
            "deadlineMs": None
            if call.deadline_ns is None
            else (call.deadline_ns - call.started_ns) / _MILLISECOND,
            "dropped": {"messages": call.dropped_messages, "bytes": call.dropped_bytes},
            **({"interceptions": describe_interceptions(call)} if call.interceptions else {}),
        },
        "_messages": [_message(call, message, schema) for message in call.messages],
    }


def _altered(call: Call) -> str:
    names = altered_by(call)
    return f"altered by {', '.join(names)}: this is what went on" if names else ""


def _http_status(call: Call) -> int:
    """The HTTP status of the response, which the wire engine records where it is not 200."""
    http_status = call.wire.get("http_status")
    return http_status if isinstance(http_status, int) else int(HTTPStatus.OK)


def _reason(http_status: int) -> str:
    """The reason phrase of an HTTP status; "" where it has none."""
    try:
        return HTTPStatus(http_status).phrase
    except ValueError:
        return ""


def _server(target: str) -> dict[str, str]:
    """The server's address, if the target is an IP address: HAR has no field for a name."""
    try:
        host = Address.parse_target(target).host
        return {"serverIPAddress": str(ipaddress.ip_address(host))}
    except (ValueError, ConfigError):
        return {}


def _message(call: Call, message: Message, schema: StoredSchema) -> dict[str, Any]:
    decoded = schema.decode(call, message)
    return {
        "index": message.index,
        "type": "send" if message.direction is Direction.REQUEST else "receive",
        "time": message.time_ns / 1e9,
        "size": message.size,
        "json": decoded.json,
        "error": decoded.error or None,
    }


def _body(messages: list[Message]) -> str:
    """The messages in memory as in DATA frames: a flag, the length, the payload."""
    frames = [
        bytes([message.compressed]) + len(message.data).to_bytes(4, "big") + message.data
        for message in messages
        if message.data is not None
    ]
    return base64.b64encode(b"".join(frames)).decode("ascii")


def _status(call: Call) -> list[dict[str, str]]:
    """The status as trailers; nothing if the backend sent none, or sent it by another protocol (Connect)."""
    grpc = (call.content_type or _CONTENT_TYPE).startswith(_CONTENT_TYPE)
    if call.status is None or call.ended_by is not EndedBy.BACKEND or not grpc:
        return []
    trailers = [{"name": GRPC_STATUS, "value": str(int(call.status.code))}]
    if call.status.message:
        trailers.append({"name": GRPC_MESSAGE, "value": quote(call.status.message, safe=_UNQUOTED)})
    return trailers


def _headers(metadata: Metadata, secrets: Secrets | None) -> list[dict[str, str]]:
    return [{"name": key, "value": _text(key, value, secrets)} for key, value in metadata]


def _text(key: str, value: str | bytes, secrets: Secrets | None) -> str:
    if secrets is not None and secrets.masks(key):
        return MASK
    return base64.b64encode(value).decode("ascii") if isinstance(value, bytes) else value
