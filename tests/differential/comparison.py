"""Compares Loom's export of random calls with the client's and the backend's logs."""

import base64
import gzip
import json
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

from .traffic import PLAN_KEY, End, Log, Pair, custom, digest, make_plan

_CANCELLED = 1
_TOLERANCE_NS = 50_000_000  # Loom's, for a client's clock that started before its own


def exported_calls(path: Path) -> dict[int, list[dict[str, Any]]]:
    """The calls of an NDJSON file, by the number of their plan."""
    calls: dict[int, list[dict[str, Any]]] = {}
    for line in path.read_text().split("\n")[:-1]:
        call = json.loads(line)
        if call["type"] == "call":
            number = next(item["value"] for item in call["request_metadata"] if item["key"] == PLAN_KEY)
            calls.setdefault(int(number), []).append(call)
    return calls


def differences(
    seed: int, calls: dict[int, list[dict[str, Any]]], client: dict[int, Log], backend: dict[int, Log]
) -> Iterator[str]:
    """A line for each thing in the export that is not as a side saw it."""
    for number, seen in sorted(client.items()):
        records = calls.pop(number, [])
        if len(records) != 1:
            yield f"call {number}: recorded {len(records)} times"
            continue
        for text in _compare(seed, number, records[0], seen, backend.get(number, Log())):
            yield f"call {number} ({make_plan(seed, number).end}): {text}"
    for number in calls:
        yield f"call {number}: recorded, but never made"


def _compare(seed: int, number: int, call: dict[str, Any], client: Log, backend: Log) -> Iterator[str]:
    plan = make_plan(seed, number)
    requests, responses = _digests(call, "request"), _digests(call, "response")
    if (call["deadline_ns"] is None) != (plan.deadline is None):
        yield f"deadline {call['deadline_ns']}, planned {plan.deadline}"
    if _metadata(call["request_metadata"]) != client_metadata(plan.metadata):
        yield f"request metadata {_metadata(call['request_metadata'])}"
    if _metadata(call["request_metadata"]) != backend.metadata:
        yield "request metadata is not what the backend received"
    # A client whose deadline passes before the headers have reached it knows none.
    crossing = plan.end is End.DEADLINE and not client.initial and not client.responses
    if _metadata(call["initial_metadata"] or []) != (client.initial or []) and not crossing:
        yield f"initial metadata {call['initial_metadata']}, client {client.initial}"
    yield from _compare_status(plan.end, call, client)
    if not is_prefix(client.responses, responses):
        yield f"responses {responses}, client {client.responses}"
    if not is_prefix(backend.requests, requests) or not is_prefix(requests, client.requests):
        yield f"requests {requests}, client {client.requests}, backend {backend.requests}"
    if plan.end is End.STATUS and (requests != client.requests or responses != client.responses):
        yield f"messages {requests} {responses}, client {client.requests} {client.responses}"
    counts = [len(requests), len(responses)]
    if call["message_counts"] != counts:
        yield f"counts {call['message_counts']}, messages {counts}"


def _compare_status(end: End, call: dict[str, Any], client: Log) -> Iterator[str]:
    status = call["status"]
    if client.code is None:
        return
    if status["code"] != client.code:
        if end is End.DEADLINE and _arrived_late(call, client):
            return
        yield f"status {status['code']} {status['message']!r}, client {client.code} {client.message!r}"
        return
    ended_by = {End.CANCEL: "client", End.DEADLINE: "deadline"}.get(end, "backend")
    if call["ended_by"] != ended_by:
        yield f"ended by {call['ended_by']}, expected {ended_by}"
    if end in {End.CANCEL, End.DEADLINE}:
        return  # the words are the client's own
    if status["message"] != client.message:
        yield f"message {status['message']!r}, client {client.message!r}"
    details = base64.b64decode(status["details"]) if status["details"] else None
    if details != client.details:
        yield f"details {details!r}, client {client.details!r}"
    if _metadata(call["trailing_metadata"] or []) != client.trailing:
        yield f"trailing metadata {call['trailing_metadata']}, client {client.trailing}"


def _arrived_late(call: dict[str, Any], client: Log) -> bool:
    """Whether a busy machine brought the call to Loom so late that its deadline there is not that of the client.

    What the client does at its deadline is then a cancellation for Loom (docs/explanation/transparency.md).
    """
    cancelled = call["status"]["code"] == _CANCELLED and call["ended_by"] == "client"
    if client.deadline_ns is None or not cancelled:
        return False
    started = datetime.fromisoformat(call["started"])  # to the microsecond
    deadline_ns: int = int(started.timestamp() * 1e9) + call["deadline_ns"]
    return deadline_ns - client.deadline_ns > _TOLERANCE_NS


def client_metadata(pairs: tuple[Pair, ...]) -> list[Pair]:
    """Planned metadata as it is compared."""
    return custom(pairs)


def is_prefix(shorter: list[str], longer: list[str]) -> bool:
    """Whether one sequence of messages begins another."""
    return longer[: len(shorter)] == shorter


def _metadata(items: list[dict[str, Any]]) -> list[Pair]:
    pairs = [
        (item["key"], base64.b64decode(item["base64"]) if "base64" in item else item["value"])
        for item in items
    ]
    return custom(pairs)


def _digests(call: dict[str, Any], direction: str) -> list[str]:
    return [digest(_payload(item)) for item in call["messages"] if item["direction"] == direction]


def _payload(item: dict[str, Any]) -> bytes:
    data = base64.b64decode(item["data"])
    return gzip.decompress(data) if item["compressed"] else data
