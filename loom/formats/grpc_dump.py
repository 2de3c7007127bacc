"""The JSON stream of grpc-dump, one object a call: written, and read.

Source: https://github.com/bradleyjkemp/grpc-tools, grpc-dump/README.md ("JSON stream output") and the types
of its release 0.2: the README shows the status code as a number, the tool writes Go's name of it; both are read.
"""

import contextlib
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import Any

import msgspec
from msgspec import Struct

from loom.codec import CompressionError
from loom.decoding.message_decoder import decompress_message
from loom.decoding.stored_schema import StoredSchema
from loom.model import (
    MASK,
    Call,
    Direction,
    EndedBy,
    Message,
    Metadata,
    Secrets,
    Status,
    StatusCode,
    is_binary_key,
)
from loom.model.timestamps import format_timestamp, parse_timestamp
from loom.recording.ndjson import Problem

from .destination import Destination

_GO_NAMES = {
    code: "Canceled" if code is StatusCode.CANCELLED else "OK" if code is StatusCode.OK else
    "".join(word.capitalize() for word in code.name.split("_"))
    for code in StatusCode
}  # fmt: skip
_CODES = {name.lower(): int(code) for code, name in _GO_NAMES.items()} | {
    code.name.lower(): int(code) for code in StatusCode
}
_NO_TIME = "0001-01-01T00:00:00Z"  # what Go writes for a time that was never set
_MOST_UNTIMED = 1000
_MOST_BEFORE = 20  # lines that are damaged, with which a dump may begin
_encode = msgspec.json.Encoder().encode


class _Message(Struct, omit_defaults=True):
    message_origin: str = ""
    raw_message: bytes | None = None
    message: Any = None
    timestamp: str = ""


class _Error(Struct):
    code: int | str = 2
    message: str = ""


class _Rpc(Struct):
    service: str
    method: str
    messages: list[_Message] | None = None
    error: _Error | None = None
    metadata: dict[str, list[str]] | None = None
    metadata_response_headers: dict[str, list[str]] | None = None
    metadata_response_trailers: dict[str, list[str]] | None = None


_decode = msgspec.json.Decoder(_Rpc).decode


def write_grpc_dump(
    calls: Iterable[Call], schema: StoredSchema, secrets: Secrets | None, destination: Destination
) -> Iterator[bytes]:
    """One line a call. Messages are decompressed, as grpc-dump sees them; the order of metadata keys is lost."""
    del destination
    for call in calls:
        yield _encode(_rpc(call, schema, secrets)) + b"\n"


def _rpc(call: Call, schema: StoredSchema, secrets: Secrets | None) -> dict[str, Any]:
    service, _, method = call.method.lstrip("/").rpartition("/")
    rpc: dict[str, Any] = {
        "service": service,
        "method": method,
        "messages": [_dumped(call, message, schema) for message in call.messages],
    }
    if call.status is not None and call.status.code:
        code = call.status.code
        name = _GO_NAMES[StatusCode(code)] if code in StatusCode._value2member_map_ else f"Code({code})"
        rpc["error"] = {"code": name, "message": call.status.message}
    request = _grouped(call.request_metadata, secrets)
    if call.authority:
        request.setdefault(":authority", [call.authority])
    rpc["metadata"] = request
    rpc["metadata_response_headers"] = _grouped(call.initial_metadata or (), secrets)
    rpc["metadata_response_trailers"] = _grouped(call.trailing_metadata or (), secrets)
    return rpc


def _dumped(call: Call, message: Message, schema: StoredSchema) -> dict[str, Any]:
    try:
        data = decompress_message(message)
    except CompressionError:
        data = message.data or b""  # as it was, then
    dumped = {
        "message_origin": "client" if message.direction is Direction.REQUEST else "server",
        "raw_message": data,
        "timestamp": format_timestamp(message.time_ns) if message.time_ns else _NO_TIME,
    }
    value = schema.decode(call, message).json
    return dumped if value is None else dumped | {"message": value}


def _grouped(metadata: Metadata, secrets: Secrets | None) -> dict[str, list[str]]:
    """By key, as Go's metadata; bytes that are no UTF-8 come out as they do there, with U+FFFD."""
    grouped: dict[str, list[str]] = {}
    for key, value in metadata:
        text = value.decode("utf-8", "replace") if isinstance(value, bytes) else value
        masked = secrets is not None and secrets.masks(key)
        grouped.setdefault(key, []).append(MASK if masked else text)
    return grouped


def read_grpc_dump(lines: Iterable[bytes], problem: Callable[[Problem], None]) -> Iterator[Call]:
    """The calls of a dump, numbered by line; a line that is none goes to ``problem``.

    A call without times ended when the one before it did: so they are written. Before the first that has times,
    it is given those.
    """
    last = 0
    untimed: list[Call] = []
    for number, text in _objects(lines):
        try:
            call = _call(_decode(text), number, last)
        except (msgspec.MsgspecError, UnicodeError, ValueError) as error:
            problem(Problem(number, str(error)))
            continue
        last = call.ended_ns or 0
        if not last and len(untimed) < _MOST_UNTIMED:
            untimed.append(call)
            continue
        for early in untimed:
            _set_times(early, call.started_ns)
            yield early
        untimed.clear()
        yield call
    yield from untimed


def _set_times(call: Call, time_ns: int) -> None:
    call.started_ns = call.ended_ns = time_ns
    for message in call.messages:
        message.time_ns = time_ns
    if call.request_messages:
        call.first_request_ns = call.last_request_ns = time_ns
    if call.response_messages:
        call.first_response_ns = call.last_response_ns = time_ns


def _objects(lines: Iterable[bytes]) -> Iterator[tuple[int, bytes]]:
    """Each object with the line that it begins in: a line each, as the tool writes them, or indented, as jq does."""
    begun, parts = 0, list[bytes]()
    for number, line in enumerate(lines, 1):
        if line.rstrip() == b"{":
            if parts:  # the one before never ended
                yield begun, b"".join(parts)
            begun, parts = number, [line]
        elif parts:
            parts.append(line)
            if line.startswith(b"}"):
                yield begun, b"".join(parts)
                parts = []
        elif line.strip():
            yield number, line
    if parts:
        yield begun, b"".join(parts)


def _call(rpc: _Rpc, number: int, otherwise: int) -> Call:
    times = [time_ns for message in rpc.messages or () if (time_ns := _time(message))]
    start, end = min(times, default=otherwise), max(times, default=otherwise)
    request = dict(rpc.metadata or {})
    authority = (request.pop(":authority", None) or [""])[0]
    call = Call(
        number,
        f"/{rpc.service}/{rpc.method}",
        start,
        authority=authority,
        engine="grpc-dump",
        request_metadata=_metadata(request),
        initial_metadata=_metadata(rpc.metadata_response_headers),
        trailing_metadata=_metadata(rpc.metadata_response_trailers),
        ended_ns=end,
        ended_by=EndedBy.BACKEND,
        status=Status(_code(rpc.error.code), rpc.error.message) if rpc.error else Status(StatusCode.OK),
        note="imported from grpc-dump",
    )
    last = start
    for index, dumped in enumerate(rpc.messages or ()):
        last = max(last, _time(dumped))
        _take(call, index, dumped, last)
    return call


def _take(call: Call, index: int, dumped: _Message, time_ns: int) -> None:
    if dumped.message_origin not in ("client", "server"):
        raise ValueError(f"message {index} has the origin {dumped.message_origin!r}, not client or server")
    if dumped.raw_message is None and dumped.message not in (None, {}):
        raise ValueError(f"message {index} has no raw_message: only dumps with the bytes can be read")
    data = dumped.raw_message or b""
    direction = Direction.REQUEST if dumped.message_origin == "client" else Direction.RESPONSE
    call.messages.append(Message(index, direction, time_ns, len(data), data))
    if direction is Direction.REQUEST:
        call.first_request_ns = call.first_request_ns or time_ns
        call.last_request_ns = time_ns
        call.request_messages += 1
        call.request_bytes += len(data)
    else:
        call.first_response_ns = call.first_response_ns or time_ns
        call.last_response_ns = time_ns
        call.response_messages += 1
        call.response_bytes += len(data)


def _time(dumped: _Message) -> int:
    """0 where it is not known: Go's zero time is long before the epoch."""
    return max(parse_timestamp(dumped.timestamp), 0) if dumped.timestamp else 0


def _code(code: int | str) -> int:
    if isinstance(code, int):
        return code
    name = code.lower()
    if name in _CODES:
        return _CODES[name]
    digits = name.removeprefix("code(").removesuffix(")")
    if digits.isdigit():
        return int(digits)
    raise ValueError(f"{code!r} is no status code")


def _metadata(grouped: dict[str, list[str]] | None) -> Metadata:
    return tuple(
        (key, value.encode() if is_binary_key(key) else value)
        for key, values in (grouped or {}).items()
        for value in values
    )


def looks_like_grpc_dump(lines: Iterable[bytes]) -> bool:
    """Whether a file begins with a call of a dump; what is before it may be damaged."""
    for _, text in islice(_objects(lines), _MOST_BEFORE):
        with contextlib.suppress(msgspec.MsgspecError, UnicodeError):
            _decode(text)
            return True
    return False
