"""Dumps of grpc-dump: what Loom writes has their shape, and what they hold is read."""

import json
from pathlib import Path

from loom.model import Call, Direction
from tests.support.exports import export, imported

# As the release 0.2 of the tool writes it, field for field.
DUMP = """\
{"service":"acme.Shop","method":"Get","messages":[{"message_origin":"client","raw_message":"CgRvLTE3",\
"message":{"id":"o-17"},"timestamp":"2020-03-01T12:00:00.5Z"},{"message_origin":"server","raw_message":"EgVBbGljZQ==",\
"message":{"name":"Alice"},"timestamp":"2020-03-01T12:00:00.75+00:00"}],"metadata":{":authority":["shop:443"],\
"user-agent":["grpc-go/1.27"],"x":["1","2"]},"metadata_response_headers":{"content-type":["application/grpc"]},\
"metadata_response_trailers":{}}
{"service":"acme.Shop","method":"Get","messages":[{"message_origin":"client","timestamp":"0001-01-01T00:00:00Z"}],\
"error":{"code":"NotFound","message":"no such order"},"metadata":{},"metadata_response_headers":null,\
"metadata_response_trailers":null}
"""


async def test_has_the_documented_shape(calls: list[Call]) -> None:
    lines = [json.loads(line) for line in export("grpc-dump", calls).splitlines()]
    first, second, third, fourth = lines
    assert first.keys() == {
        "service", "method", "messages", "metadata", "metadata_response_headers", "metadata_response_trailers",
    }  # fmt: skip
    assert (first["service"], first["method"]) == ("mirror.v1.Mirror", "Say")
    [request, response] = first["messages"]
    assert request.keys() == {"message_origin", "raw_message", "message", "timestamp"}
    assert (request["message_origin"], response["message_origin"]) == ("client", "server")
    assert request["message"] == {"text": "Alice", "big": "9007199254740993"}
    assert first["metadata"]["authorization"] == ["••••••"]
    assert second["error"] == {"code": "NotFound", "message": "as asked"}
    assert second["metadata"]["x"] == ["1", "2"]
    assert [message["message_origin"] for message in third["messages"]] == ["client"] + ["server"] * 3
    assert fourth["metadata_response_trailers"]["mirrored"] == ["3"]
    assert fourth["messages"][0]["message"] == {"text": "it's 0 ✓"}  # decompressed


async def test_reads_what_it_writes(calls: list[Call], tmp_path: Path) -> None:
    path = tmp_path / "dump.json"
    path.write_bytes(export("grpc-dump", calls, reveal=True))
    imported_calls, problems = imported(path)
    assert problems == []
    for left, right in zip(imported_calls, calls, strict=True):
        assert (left.method, left.status) == (right.method, right.status)
        assert [(m.direction, m.time_ns) for m in left.messages] == [
            (m.direction, m.time_ns) for m in right.messages
        ]
        assert left.authority == right.authority
    assert [m.data for m in imported_calls[2].messages] == [m.data for m in calls[2].messages]


def test_reads_a_dump_of_the_tool(tmp_path: Path) -> None:
    path = tmp_path / "dump.json"
    path.write_text(DUMP)
    (first, second), problems = imported(path)
    assert problems == []
    assert (first.method, first.authority, first.status and first.status.code) == (
        "/acme.Shop/Get",
        "shop:443",
        0,
    )
    assert first.request_metadata == (("user-agent", "grpc-go/1.27"), ("x", "1"), ("x", "2"))
    assert [(m.direction, m.data) for m in first.messages] == [
        (Direction.REQUEST, b"\x0a\x04o-17"),
        (Direction.RESPONSE, b"\x12\x05Alice"),
    ]
    assert first.duration_ns == 250_000_000
    assert second.status is not None
    assert (second.status.name, second.status.message) == ("NOT_FOUND", "no such order")
    assert [m.data for m in second.messages] == [b""]


def test_reads_a_dump_that_was_indented(tmp_path: Path) -> None:
    """As jq prints it, and as the tool's own tests have it."""
    path = tmp_path / "dump.json"
    first, second = [json.dumps(json.loads(line), indent=2) for line in DUMP.splitlines()]
    path.write_text(f"{first}\n{second}\n")
    imported_calls, problems = imported(path)
    assert problems == []
    assert [call.method for call in imported_calls] == ["/acme.Shop/Get"] * 2
    cut = "\n".join(second.splitlines()[:4])
    path.write_text(f"{first}\n{cut}\n{first}\n{cut}")
    imported_calls, problems = imported(path)
    assert len(imported_calls) == 2
    length = len(first.splitlines())
    assert [problem.split(": ")[1] for problem in problems] == [
        f"line {length + 1}",
        f"line {2 * length + 5}",
    ]


def test_a_damaged_beginning_costs_itself_only(tmp_path: Path) -> None:
    path = tmp_path / "dump.json"
    path.write_text(DUMP.splitlines()[0][40:] + "\n" + DUMP)
    imported_calls, problems = imported(path)
    assert [call.method for call in imported_calls] == ["/acme.Shop/Get"] * 2
    assert [problem.split(": ")[1] for problem in problems] == ["line 1"]
    path.write_bytes(b"\xef\xbb\xbf" + DUMP.encode())
    imported_calls, problems = imported(path)
    assert (len(imported_calls), problems) == (2, [])


def test_a_call_without_times_has_those_of_its_neighbour(tmp_path: Path) -> None:
    path = tmp_path / "dump.json"
    timed, untimed = DUMP.splitlines()
    path.write_text(
        "\n".join([untimed, timed, untimed.replace("0001-01-01T00:00:00Z", "0001-01-01T00:00:00+00:00")])
    )
    (first, second, third), problems = imported(path)
    assert problems == []
    assert second.started_ns > 0
    assert first.ended_ns == first.started_ns == first.last_request_ns == second.started_ns
    assert third.ended_ns == third.started_ns == second.ended_ns
    assert [message.time_ns for message in (*first.messages, *third.messages)] == [
        first.ended_ns,
        third.ended_ns,
    ]
    path.write_text(untimed)
    (alone,), _ = imported(path)
    assert (alone.started_ns, alone.ended_ns) == (0, 0)
    [dumped] = json.loads(export("grpc-dump", [alone]))["messages"]
    assert dumped["timestamp"] == "0001-01-01T00:00:00Z"


def test_reads_a_numeric_code_and_tells_of_damaged_lines(tmp_path: Path) -> None:
    path = tmp_path / "dump.json"
    good = '{"service":"a.B","method":"C","messages":[],"error":{"code":2,"message":"m"},"metadata":{}}\n'
    path.write_text(
        good
        + '{"service":"a.B","method":"C","messages":[{"message_origin":"server","message":{"a":1}}]}\n'
        + '{"service":"a.B","method":"C","messages":[{"message_origin":"moon","raw_message":""}]}\n'
        + '{"service":"a.B"\n'
        + good
    )
    imported_calls, problems = imported(path)
    assert [call.status and call.status.code for call in imported_calls] == [2, 2]
    assert [problem.partition(": ")[2].partition(":")[0] for problem in problems] == [
        "line 2",
        "line 3",
        "line 4",
    ]
    assert "has no raw_message" in problems[0]
