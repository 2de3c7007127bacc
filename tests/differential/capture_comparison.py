"""Compares Loom's export of random calls with a capture of both of its sides."""

import base64
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from .capture import DATA, Frame
from .traffic import METADATA_KEYS, PLAN_KEY, End, make_plan

_PREFIX_BYTES = 5  # of each message


@dataclass
class StreamTrace:
    """One HTTP/2 stream, as it was captured."""

    number: int | None = None  # of the plan
    sizes: list[int] = field(
        default_factory=lambda: [0, 0]
    )  # bytes of DATA: from the client, from the server
    request: list[tuple[str, str]] = field(default_factory=list)
    response: list[tuple[str, str]] = field(default_factory=list)  # all header blocks
    reset: Frame | None = None  # the client's RST_STREAM, or the end of its connection
    end: Frame | None = None  # the server's END_STREAM or RST_STREAM, or the end of its connection

    def add(self, frame: Frame, *, client: bool) -> None:
        """Add a frame of the stream, or of its connection."""
        if frame.type == DATA:
            self.sizes[not client] += frame.size
        (self.request if client else self.response).extend(frame.headers)
        if client and frame.headers and self.number is None:
            self.number = next((int(value) for key, value in frame.headers if key == PLAN_KEY), None)
        if not frame.end:
            return
        if not client:
            self.end = self.end or frame
        elif frame.type is None or frame.is_reset:  # END_STREAM is only a half-close
            self.reset = self.reset or frame


@dataclass
class Trace:
    """A call: its stream between client and Loom, and the one between Loom and backend, if there is one."""

    client: StreamTrace
    backend: StreamTrace

    @property
    def ended_by(self) -> str:
        """Whose end was captured first."""
        ends = {"client": self.client.reset, "backend": self.backend.end, "loom": self.client.end}
        orders = {party: frame.order for party, frame in ends.items() if frame is not None}
        return min(orders, key=orders.__getitem__, default="nobody")


def streams(frames: Iterable[Frame], port: int) -> list[StreamTrace]:
    """The streams of the connections to a port, in the order of their first frames."""
    found: list[StreamTrace] = []
    connections: dict[int, dict[int, StreamTrace]] = {}
    for frame in frames:
        if port not in {frame.source, frame.destination}:
            continue
        traces = connections.setdefault(frame.connection, {})
        if frame.stream and frame.stream not in traces:
            traces[frame.stream] = StreamTrace()
            found.append(traces[frame.stream])
        for trace in traces.values() if frame.type is None else filter(None, [traces.get(frame.stream)]):
            trace.add(frame, client=frame.destination == port)
    return found


def calls_of(frames: list[Frame], loom: int, backend: int) -> dict[int, list[Trace]]:
    """The captured calls by the number of their plan, of which each should have one."""
    forwarded = {stream.number: stream for stream in streams(frames, backend)}
    found: dict[int, list[Trace]] = {}
    for stream in streams(frames, loom):
        if stream.number is not None:
            trace = Trace(stream, forwarded.get(stream.number, StreamTrace()))
            found.setdefault(stream.number, []).append(trace)
    return found


def differences(
    seed: int, calls: dict[int, list[dict[str, Any]]], captured: dict[int, list[Trace]]
) -> Iterator[str]:
    """A line for each thing in the export that was not captured so."""
    for number, records in sorted(calls.items()):
        seen = captured.get(number, [])
        if len(seen) != 1 or len(records) != 1:
            yield f"call {number}: captured {len(seen)} times, recorded {len(records)} times"
            continue
        end = make_plan(seed, number).end
        for text in _compare(end, records[0], seen[0]):
            yield f"call {number} ({end}): {text}"


def _compare(end: End, call: dict[str, Any], trace: Trace) -> Iterator[str]:
    if end is End.DEADLINE:
        if trace.client.reset is None and trace.client.end is None:
            yield "captured without an end"
    elif call["ended_by"] != trace.ended_by:
        yield f"ended by {call['ended_by']}, captured {trace.ended_by}"
    request = _pairs(call["request_metadata"])
    response = _pairs([*(call["initial_metadata"] or []), *(call["trailing_metadata"] or [])])
    if request != _captured_pairs(trace.client.request) or request != _captured_pairs(trace.backend.request):
        yield f"request metadata {request}, captured {trace.client.request} and {trace.backend.request}"
    if end not in {End.STATUS, End.EARLY}:
        return
    if response != _captured_pairs(trace.client.response):
        yield f"response metadata {response}, captured {trace.client.response}"
    statuses = {value for key, value in trace.client.response if key == "grpc-status"}
    if statuses != {str(call["status"]["code"])}:
        yield f"status {call['status']['code']}, captured {statuses}"
    if _size(call, "response") != trace.client.sizes[1]:
        yield f"{_size(call, 'response')} bytes of responses, captured {trace.client.sizes[1]}"
    if end is End.STATUS and _size(call, "request") != trace.backend.sizes[0]:
        yield f"{_size(call, 'request')} bytes of requests, captured {trace.backend.sizes[0]}"


def _size(call: dict[str, Any], direction: str) -> int:
    """The bytes that the messages of a direction are on the wire."""
    return sum(
        _PREFIX_BYTES + len(base64.b64decode(item["data"]))
        for item in call["messages"]
        if item["direction"] == direction
    )


def _pairs(items: list[dict[str, Any]]) -> list[tuple[str, str]]:
    """Planned keys with their text, sorted by key; of binary values only the keys, as base64 may be padded or not."""
    return _captured_pairs([(item["key"], item.get("value", "")) for item in items])


def _captured_pairs(headers: list[tuple[str, str]]) -> list[tuple[str, str]]:
    pairs = [(key, "" if key.endswith("-bin") else value) for key, value in headers if key in METADATA_KEYS]
    return sorted(pairs, key=lambda pair: pair[0])
