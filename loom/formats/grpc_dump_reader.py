"""Read the JSON stream of grpc-dump.

The status code may be a number, as in its README, or Go's name of it, as the tool writes it: see :mod:`.grpc_dump`.
"""

import contextlib
from collections.abc import Callable, Iterable, Iterator
from itertools import islice

import msgspec
from msgspec import Struct

from loom.model import Call, Direction, EndedBy, Message, Metadata, Status, StatusCode, is_binary_key
from loom.model.timestamps import parse_timestamp
from loom.recording.ndjson import Problem

from .grpc_dump import GO_NAMES

_CODES = {name.lower(): int(code) for code, name in GO_NAMES.items()} | {
    code.name.lower(): int(code) for code in StatusCode
}
_EMPTY_JSON = (b"", b"null", b"{}")
_MAX_UNTIMED = 1000
_MAX_LEADING_ERRORS = 20  # damaged lines with which a dump may begin
_MAX_CODE_DIGITS = 19
_DECODE_ERRORS = (msgspec.MsgspecError, UnicodeError, ValueError, RecursionError)


class _Message(Struct, omit_defaults=True):
    message_origin: str = ""
    raw_message: bytes | None = None
    message: msgspec.Raw = msgspec.Raw()
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


def read_grpc_dump(
    lines: Iterable[bytes], problem: Callable[[Problem], None], max_bytes: int
) -> Iterator[Call]:
    """Yield the calls of a dump, with the line number as their id; ``problem`` gets what is not a call.

    A call is in one line, or in one indented object of at most ``max_bytes``. Calls are in the order of their ends, so
    one without times gets the end of the call before it, or the start of the first call that has times.
    """
    last = 0
    untimed: list[Call] = []
    for number, text in _objects(lines, max_bytes, problem):
        try:
            call = _call(_decode(text), number, last)
        except _DECODE_ERRORS as error:
            problem(Problem(number, str(error)))
            continue
        last = call.ended_ns or 0
        if not last and len(untimed) < _MAX_UNTIMED:
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


def _objects(
    lines: Iterable[bytes], max_bytes: int, problem: Callable[[Problem], None]
) -> Iterator[tuple[int, bytes]]:
    """Each object with its first line's number: one line as the tool writes it, or indented as jq does."""
    first, parts, size = 0, list[bytes](), 0
    for number, line in enumerate(lines, 1):
        if line.rstrip() == b"{":
            if parts:  # the object before is not complete
                yield first, b"".join(parts)
            first, parts, size = number, [line], len(line)
        elif parts:
            parts.append(line)
            size += len(line)
            if size > max_bytes:
                problem(Problem(first, f"the object is longer than {max_bytes} bytes"))
                parts = []
            elif line.startswith(b"}"):
                yield first, b"".join(parts)
                parts = []
        elif line.strip():
            yield number, line
    if parts:
        yield first, b"".join(parts)


def _call(rpc: _Rpc, number: int, default_ns: int) -> Call:
    times = [time_ns for message in rpc.messages or () if (time_ns := _time(message))]
    start, end = min(times, default=default_ns), max(times, default=default_ns)
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
    for index, item in enumerate(rpc.messages or ()):
        last = max(last, _time(item))
        _add_message(call, index, item, last)
    return call


def _add_message(call: Call, index: int, item: _Message, time_ns: int) -> None:
    if item.message_origin not in ("client", "server"):
        raise ValueError(f"message {index} has the origin {item.message_origin!r}, not client or server")
    if item.raw_message is None and bytes(item.message).strip() not in _EMPTY_JSON:
        raise ValueError(f"message {index} has no raw_message: only dumps with the bytes can be read")
    data = item.raw_message or b""
    direction = Direction.REQUEST if item.message_origin == "client" else Direction.RESPONSE
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


def _time(item: _Message) -> int:
    """0 if it is unknown: Go's zero time is long before the epoch."""
    return max(parse_timestamp(item.timestamp), 0) if item.timestamp else 0


def _code(code: int | str) -> int:
    if isinstance(code, int):
        return code
    name = code.lower()
    if name in _CODES:
        return _CODES[name]
    digits = name.removeprefix("code(").removesuffix(")")
    if digits.isdecimal() and len(digits) <= _MAX_CODE_DIGITS:
        return int(digits)
    raise ValueError(f"{code[:40]!r} is not a status code")


def _metadata(grouped: dict[str, list[str]] | None) -> Metadata:
    return tuple(
        (key, value.encode() if is_binary_key(key) else value)
        for key, values in (grouped or {}).items()
        for value in values
    )


def looks_like_grpc_dump(lines: Iterable[bytes], max_bytes: int) -> bool:
    """Whether a file begins with a call of a dump; a few damaged lines may precede it."""
    for _, text in islice(_objects(lines, max_bytes, lambda _: None), _MAX_LEADING_ERRORS):
        with contextlib.suppress(*_DECODE_ERRORS):
            _decode(text)
            return True
    return False
