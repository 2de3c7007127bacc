"""A call that is written as a line is read as it was; a damaged line is reported with its number."""

import json
from collections.abc import Iterator
from pathlib import Path

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from loom.model import MASK, Call, EndedBy, Kind, Secrets, Status
from loom.recording.ndjson import (
    FormatError,
    Problem,
    descriptors_line,
    header_line,
    json_schema,
    read_lines,
    to_line,
)
from loom.recording.ndjson.lines import Descriptors
from loom.recording.ndjson.reader import MAX_GAP
from tests.support.recorded_calls import crowded_stream, same, trimmed_stream
from tests.support.traffic import START_NS, UP, altered, began, ended, message, recorded, unary

SCHEMA = Path(__file__).parents[3] / "docs" / "reference" / "format.schema.json"


def fail(problem: Problem) -> None:
    pytest.fail(str(problem))


def read(*parts: bytes) -> tuple[list[Call], list[Problem]]:
    problems: list[Problem] = []
    lines = b"".join(parts).splitlines(keepends=True)
    calls = [read for read in read_lines(lines, problems.append) if isinstance(read, Call)]
    return calls, problems


def calls() -> Iterator[Call]:
    yield from recorded(*unary(1), *unary(2, b"", b""), *began(3))
    yield from recorded(*began(4), message(4, UP, bytes(range(256))), *ended(4, Status(5, "no ✗", b"\x00d")))
    yield from recorded(*began(5), *ended(5, Status(99, ""), EndedBy.CLIENT))
    call = recorded(*unary(6))[0]
    call.declared_kind, call.replay_of = Kind.BIDI, 1
    yield call
    [acted] = recorded(*altered(5))
    assert acted.interceptions
    yield acted
    yield trimmed_stream()
    yield crowded_stream()


@pytest.mark.parametrize("call", list(calls()), ids=lambda call: str(call.id))
def test_is_read_as_it_was_written(call: Call) -> None:
    [copy], problems = read(header_line(revealed=True), to_line(call, None))
    assert problems == []
    assert same(copy, call)


@given(
    data=st.binary(), text=st.text(st.characters(exclude_categories=["Cs"])), code=st.integers(0, 2**31),
    start=st.integers(0, START_NS),
)  # fmt: skip
def test_bytes_text_and_times_are_exact(data: bytes, text: str, code: int, start: int) -> None:
    call = recorded(*began(1), message(1, UP, data), *ended(1, Status(code, text, data)))[0]
    call.started_ns = start
    call.request_metadata = (("a", text), ("b-bin", data), ("a", text))
    [copy], problems = read(header_line(revealed=True), to_line(call, None))
    assert problems == []
    assert same(copy, call)


def test_a_call_that_ends_before_its_start_is_read_as_without_duration() -> None:
    """As recorded when the system's clock was set back meanwhile."""
    call = recorded(*unary(1))[0]
    call.started_ns = (call.ended_ns or 0) + 1
    [copy], problems = read(header_line(revealed=True), to_line(call, None))
    assert problems == []
    assert (copy.started_ns, copy.ended_ns) == (call.started_ns, call.started_ns)


def test_secrets_are_masked() -> None:
    line = to_line(recorded(*unary(1))[0], Secrets())
    assert b"s3cret" not in line
    [copy], _ = read(header_line(revealed=False), line)
    assert ("authorization", MASK) in copy.request_metadata
    assert ("x-tenant", "42") in copy.request_metadata


def test_secrets_of_what_came_are_masked() -> None:
    [call] = recorded(*altered(1))
    line = to_line(call, Secrets())
    assert b"0ld" not in line
    [copy], _ = read(header_line(revealed=False), line)
    assert copy.interceptions[0].metadata == (
        ("x-old", "1"),
        ("authorization", MASK),
        ("trace-bin", b"\x00"),
    )


def test_every_line_fits_the_published_schema() -> None:
    schema = json.loads(SCHEMA.read_text(encoding="utf-8"))
    assert schema == json_schema(), "run: python -m loom.recording.ndjson"
    jsonschema.Draft202012Validator.check_schema(schema)
    validator = jsonschema.Draft202012Validator(schema)
    out = [
        header_line(revealed=False),
        descriptors_line(b"set", target="a:1", source="reflection v1", origin="a:1", fetched_ns=5),
        *(to_line(call, secrets) for call in calls() for secrets in (None, Secrets())),
    ]
    for line in out:
        assert [error.message for error in validator.iter_errors(json.loads(line))] == []
    assert list(validator.iter_errors({"type": "call", "id": "one"}))


def test_a_damaged_line_is_reported_and_skipped() -> None:
    first, second = recorded(*unary(1), *unary(2))
    broken = json.loads(to_line(second, None))
    broken["messages"][0]["size"] = "six"
    short = json.loads(to_line(second, None))
    short["messages"][0]["size"] = 7
    copy, problems = read(
        header_line(revealed=True),
        to_line(first, None),
        to_line(first, None)[:100] + b"\n",
        b"\n",
        json.dumps(broken).encode() + b"\n",
        b'{"type": "weather"}\n',
        b"\xff\xfe\n",
        json.dumps(short).encode() + b"\n",
        to_line(second, None),
    )
    assert [call.id for call in copy] == [1, 2]
    assert [problem.line for problem in problems] == [3, 5, 6, 7, 8]
    assert str(problems[1]) == "line 5: Expected `int`, got `str` - at `$.messages[0].size`"
    assert "message 0 has 6 bytes, not 7" in str(problems[4])


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"{}\n", "line 1: this is not Loom's NDJSON"),
        (b"PK\x03\x04\n", "line 1: this is not Loom's NDJSON"),
        (b'{"type":"header","format":"loom-ndjson","version":2}\n', "line 1: version 2 of the format"),
        (b"", "the file is empty: a file of calls begins with a header"),
        (b"another format\n" * 30 + header_line(revealed=True), "line 1: this is not Loom's NDJSON"),
    ],
)
def test_a_file_of_another_format_is_refused(content: bytes, message: str) -> None:
    with pytest.raises(FormatError, match=message):
        read(content)


def test_a_damaged_or_missing_header_is_reported() -> None:
    call = to_line(recorded(*unary(1))[0], None)
    for start, damaged in (
        (b"", []),
        (header_line(revealed=True)[:20] + b"\n", ["line 1: Input data was truncated"]),
    ):
        copy, problems = read(start, call, call)
        assert len(copy) == 2
        assert [str(problem) for problem in problems] == [
            *damaged,
            "no header: it is read as version 1",
        ]


def test_a_second_gap_is_a_damaged_line() -> None:
    line = json.loads(
        to_line(recorded(*began(1), *(message(1, UP, b"x") for _ in range(9)), *ended(1))[0], None)
    )
    for index in (7, 2):
        del line["messages"][index]
        calls, problems = read(header_line(revealed=True), json.dumps(line).encode())
        if index == 7:
            assert (calls[0].messages.gap(), problems) == (range(7, 8), [])
    assert calls == []
    assert "messages can be missing only once" in problems[0].message


def test_a_gap_after_more_than_the_head_is_a_damaged_line() -> None:
    events = [*began(1), *(message(1, UP, b"x") for _ in range(70)), *ended(1)]
    line = json.loads(to_line(recorded(*events)[0], None))
    del line["messages"][65]
    calls, problems = read(header_line(revealed=True), json.dumps(line).encode())
    assert calls == []
    assert "messages can be missing only once" in problems[0].message


def test_descriptors_are_read() -> None:
    line = descriptors_line(b"\x0a\x00", target="a:1", source="s", origin="o", fetched_ns=1_000)
    [copy] = read_lines([header_line(revealed=True), line], fail)
    assert isinstance(copy, Descriptors)
    assert (copy.file_set, copy.fetched) == (b"\x0a\x00", "1970-01-01T00:00:00.000001000Z")


def test_a_call_that_lacks_too_many_messages_is_a_damaged_line() -> None:
    line = json.loads(to_line(recorded(*unary(1))[0], None))
    line["message_counts"] = [1, MAX_GAP + 1]
    calls, problems = read(header_line(revealed=True), json.dumps(line).encode())
    assert (len(calls), problems) == (1, [])
    line["message_counts"] = [1, MAX_GAP + 2]
    calls, problems = read(header_line(revealed=True), json.dumps(line).encode())
    assert calls == []
    assert problems[0].message == "more than 1,000,000 messages are missing"
