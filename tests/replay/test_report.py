"""What a rerun tells people and CI."""

from xml.etree import ElementTree as ET

import pytest

from loom.api.replay import Change, ChangeKind
from loom.model import Call
from loom.replay.batch import Outcome, ReplayResult
from loom.replay.report import Tally, change_line, junit_xml, result_json, result_lines, summary_table

MS = 1_000_000


def call(number: int, method: str = "/a.B/Get", took_ms: int = 2) -> Call:
    return Call(number, method, 0, ended_ns=took_ms * MS)


CHANGE = Change("response 0", "user.name", ChangeKind.CHANGED, "Alice", "Bob")
RESULTS = [
    ReplayResult(call(1), Outcome.SAME, (), call(1, took_ms=4)),
    ReplayResult(call(2), Outcome.DIFFERENT, (CHANGE,), call(1, took_ms=6)),
    ReplayResult(call(3, "/a.C/List"), Outcome.FAILED, (), None, "no \x00 target <&>"),
    ReplayResult(call(4, "/a.C/List"), Outcome.SKIPPED, (), None, "gone"),
]


def test_the_table_counts_by_method() -> None:
    tally = Tally()
    for result in RESULTS:
        tally.add(result)
    assert [line.split() for line in summary_table(tally)] == [
        ["method", "calls", "same", "different", "failed", "skipped", "p50", "before", "p50", "now"],
        ["/a.B/Get", "2", "1", "1", "0", "0", "2.00ms", "5.00ms"],
        ["/a.C/List", "2", "0", "0", "1", "1", "-", "-"],
        ["all", "4", "1", "1", "1", "1"],
    ]


def test_a_result_in_lines_is_cut_where_it_is_long() -> None:
    assert list(result_lines(RESULTS[1])) == [
        "different #2 /a.B/Get",
        '  response 0 user.name: "Alice" → "Bob"',
    ]
    assert list(result_lines(RESULTS[3])) == ["skipped #4 /a.C/List: gone"]
    many = ReplayResult(call(5), Outcome.DIFFERENT, (CHANGE,) * 60)
    assert list(result_lines(many))[-1] == "  … and 10 more differences"


@pytest.mark.parametrize(
    ("change", "line"),
    [
        (Change("response 1", "", ChangeKind.ADDED, None, {"a": 1}), 'response 1: added {"a": 1}'),
        (Change("status", "code", ChangeKind.REMOVED, "OK"), 'status code: removed "OK"'),
    ],
)
def test_a_change_in_a_line(change: Change, line: str) -> None:
    assert change_line(change) == line


def test_as_json() -> None:
    assert result_json(RESULTS[1]) == {
        "id": 2, "method": "/a.B/Get", "outcome": "different", "reason": "", "duration_us": [2000, 6000],
        "changes": [
            {"where": "response 0", "path": "user.name", "kind": "changed", "left": "Alice", "right": "Bob"}
        ],
    }  # fmt: skip


@pytest.mark.parametrize(
    ("fail_on_diff", "failures", "tag"), [(True, "1", "failure"), (False, "0", "system-out")]
)
def test_junit_has_a_suite_a_service_and_a_case_a_call(fail_on_diff: bool, failures: str, tag: str) -> None:
    root = ET.fromstring(junit_xml(RESULTS, fail_on_diff=fail_on_diff))
    assert root.attrib == {
        "name": "loom replay", "tests": "4", "failures": failures, "errors": "1", "time": root.get("time"),
    }  # fmt: skip
    assert [suite.keys() for suite in root] == [
        ["name", "tests", "failures", "errors", "skipped", "time"]
    ] * 2
    first, second = root
    assert (first.get("name"), first.get("tests"), second.get("name")) == ("a.B", "2", "a.C")
    same, different = first
    assert list(same) == []
    assert same.get("time") == "0.004000"
    assert different[0].tag == tag
    assert different[0].text == 'response 0 user.name: "Alice" → "Bob"'
    assert sum(float(suite.get("time", "")) for suite in root) == pytest.approx(float(root.get("time", "")))
    failed, skipped = second
    assert failed[0].get("message") == "no \ufffd target <&>"
    assert skipped[0].tag == "skipped"
