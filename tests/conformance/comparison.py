"""Compares what Loom recorded of each case with what the suite's client reported, or with what the suite expects."""

import base64
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from google.protobuf import json_format
from google.rpc import status_pb2

from loom.compression import decompress
from loom.model import StatusCode

from .protocol import Messages, module_directory, read_frame

CASE_HEADER = "x-test-case-name"
_SUITES = "internal/app/connectconformance/testsuites/data"
_CONNECTION_KEYS = re.compile(
    r"accept-encoding|allow|connect-.*|content-(encoding|length|type)|date|grpc-(accept-)?encoding|server|te|trailer"
    r"|user-agent|vary|x-connect-trailers-only|x-content-type-options|accept-post|access-control-.*|grpc-(status|message)(-details-bin)?"
)
"""Header fields of HTTP and of the protocols themselves, which one client reports and another does not."""


@dataclass(frozen=True)
class Difference:
    """One way in which a record differs from what was reported."""

    case: str
    aspect: str  # status, message, details, messages, initial, trailing, count
    recorded: Any
    reported: Any
    note: str = ""

    def __str__(self) -> str:
        note = f" (note: {self.note})" if self.note else ""
        return f"{self.case}\n    {self.aspect}: Loom {self.recorded!r}, client {self.reported!r}{note}"


@dataclass(frozen=True)
class Expectation:
    """The status codes that the suite accepts for a case; the first is the usual one."""

    codes: tuple[int, ...]


def recorded_calls(output: Path) -> dict[str, list[dict[str, Any]]]:
    """The calls in Loom's logs, by case."""
    calls: dict[str, list[dict[str, Any]]] = {}
    for path in sorted(output.glob("calls-*.ndjson")):
        for line in path.read_text().split("\n")[:-1]:
            call = json.loads(line)
            if call["type"] == "call":
                metadata = call["request_metadata"]
                names = {item["value"] for item in metadata if item["key"] == CASE_HEADER}
                calls.setdefault(names.pop() if names else "", []).append(call)
    return calls


def reports(output: Path, messages: Messages) -> Iterator[tuple[Any, Any]]:
    """Each case that a client was given (ClientCompatRequest), and what it reported (ClientCompatResponse)."""
    request_type, response_type = messages.type("ClientCompatRequest"), messages.type("ClientCompatResponse")
    for path in output.glob("reports-*"):
        with path.open("rb") as file:
            while (request := read_frame(file)) is not None:
                response = read_frame(file)
                assert response is not None
                yield request_type.FromString(request), response_type.FromString(response)


def expectations() -> dict[tuple[str, str], Expectation]:
    """The expectations that the suite states for servers, by the names of the suite and of the case."""
    stated = {}
    for path in (module_directory() / _SUITES).glob("*.yaml"):
        suite = yaml.safe_load(path.read_text())
        if suite.get("mode") != "TEST_MODE_SERVER":
            continue
        for case in suite["testCases"]:
            response = case.get("expectedResponse")
            if response is not None:
                names = [response["error"]["code"]] if response.get("error") else ["CODE_OK"]
                names += case.get("otherAllowedErrorCodes", ())
                stated[suite["name"], case["request"]["testName"]] = Expectation(tuple(map(_code, names)))
    return stated


def _code(name: str) -> int:
    name = name.removeprefix("CODE_")
    return int(StatusCode["CANCELLED" if name == "CANCELED" else name])


def expectation_of(case: str, stated: dict[tuple[str, str], Expectation]) -> Expectation | None:
    """What is stated for the case of this full name."""
    suite = case.partition("/")[0]
    for (name, simple_name), expectation in stated.items():
        if name == suite and case.endswith(f"/{simple_name}"):
            return expectation
    return None


def compare_with_expectation(
    case: str, call: dict[str, Any], expectation: Expectation
) -> Iterator[Difference]:
    """The difference of a recorded status from those that the suite accepts."""
    code = call["status"]["code"]
    if code not in expectation.codes:
        yield Difference(case, "status", code, expectation.codes, call["note"])


def compare_with_report(
    request: Any, response: Any, calls: list[dict[str, Any]], messages: Messages
) -> Iterator[Difference]:
    """The differences of the calls recorded of a case from what the client reported."""
    case = request.test_name
    if len(calls) != 1:
        yield Difference(case, "count", len(calls), 1)
        return
    call = calls[0]
    status, note = call["status"], call["note"]
    if response.HasField("error"):
        yield Difference(case, "report", status, response.error.message)
        return
    report = response.response
    if status["code"] != report.error.code:
        text = f"{report.error.code}: {report.error.message}"
        yield Difference(case, "status", f"{status['code']}: {status['message']}", text, note)
        return
    own_words = bool(note) or call["ended_by"] != "backend"  # no text came from the server
    if not own_words and status["message"] != report.error.message:
        yield Difference(case, "message", status["message"], report.error.message, note)
    recorded_details = _details(status)
    reported_details = [(item.type_url, item.value) for item in report.error.details]
    if recorded_details != reported_details:
        yield Difference(case, "details", recorded_details, reported_details)
    yield from _compare_messages(request, report, call, messages)
    yield from _compare_metadata(case, call, report)


def _compare_metadata(case: str, call: dict[str, Any], report: Any) -> Iterator[Difference]:
    recorded = {
        "initial": _recorded_metadata(call["initial_metadata"] or []),
        "trailing": _recorded_metadata(call["trailing_metadata"] or []),
    }
    reported = {
        "initial": _reported_metadata(report.response_headers),
        "trailing": _reported_metadata(report.response_trailers),
    }
    if (
        call["initial_metadata"] is None
    ):  # Trailers-Only: connect-go reports the one block as headers, or as both
        reported = {"initial": {}, "trailing": reported["trailing"] or reported["initial"]}
    for aspect in ("initial", "trailing"):
        if recorded[aspect] != reported[aspect]:
            yield Difference(case, aspect, recorded[aspect], reported[aspect])


def _details(status: dict[str, Any]) -> list[tuple[str, bytes]]:
    if not status["details"]:
        return []
    decoded = status_pb2.Status.FromString(base64.b64decode(status["details"]))
    return [(item.type_url, item.value) for item in decoded.details]


def _recorded_metadata(items: list[dict[str, Any]]) -> dict[str, list[str]]:
    fields: dict[str, list[str]] = {}
    for item in items:
        if not _CONNECTION_KEYS.fullmatch(item["key"]):
            value = item.get("value")
            text = value if value is not None else item["base64"].rstrip("=")
            fields.setdefault(item["key"], []).append(text)
    return fields


def _reported_metadata(items: Any) -> dict[str, list[str]]:
    fields: dict[str, list[str]] = {}
    for item in items:
        key = item.name.lower()
        if not _CONNECTION_KEYS.fullmatch(key):
            values = [value.rstrip("=") for value in item.value] if key.endswith("-bin") else list(item.value)
            fields.setdefault(key, []).extend(values)
    return fields


def _compare_messages(
    request: Any, report: Any, call: dict[str, Any], messages: Messages
) -> Iterator[Difference]:
    method = call["method"].partition("?")[0].rpartition("/")[2]
    type_ = messages.type(f"{method}Response")
    headers = call["initial_metadata"] or []
    content_type = next(
        (item["value"] for item in headers if item["key"] == "content-type"), call["content_type"]
    )
    recorded = []
    for item in call["messages"]:
        if item["direction"] == "response":
            try:
                message: Any = _decode(item, content_type, type_, messages)
            except Exception as error:  # noqa: BLE001 (whatever is wrong with it is the difference)
                yield Difference(request.test_name, "payload", repr(error), "decoded")
                return
            recorded.append(message.payload)
    reported = list(report.payloads)
    if report.HasField("error") and len(reported) < len(recorded):
        recorded = recorded[: len(reported)]  # the client did not deliver what it had received
    recorded, reported = ([_json(payload, messages) for payload in side] for side in (recorded, reported))
    if recorded != reported:
        yield Difference(request.test_name, "messages", recorded, reported)


def _json(payload: Any, messages: Messages) -> Any:
    """A payload without what depends on how its Anys were serialised."""
    return json_format.MessageToDict(payload, descriptor_pool=messages.pool)


def _decode(item: dict[str, Any], content_type: str, type_: Any, messages: Messages) -> Any:
    data = base64.b64decode(item["data"])
    if item["compressed"] and data:
        data = decompress(data, item["encoding"])
    if content_type.endswith("json"):
        return json_format.Parse(data, type_(), descriptor_pool=messages.pool)
    return type_.FromString(data)
