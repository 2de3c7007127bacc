"""Faults: what they compile to, and what is refused."""

from pathlib import Path

import pytest

from loom.interception import RuleFileError, load_rules
from loom.interception import actions as act
from loom.interception.faults import parse_fault_flag
from loom.model import StatusCode
from loom.model.interception import ActionKind, Point

from .conftest import write_rules


def test_a_flag_is_a_fault() -> None:
    rule = parse_fault_flag(
        "method:GetOrder :: status=UNAVAILABLE; message=not now; percent=12.5; trailers=x: y", 1
    )
    assert (rule.kind, rule.name, rule.match.text) == (ActionKind.FAULT, "--fault 1", "method:GetOrder")
    [end] = rule.actions
    assert isinstance(end, act.EndCall)
    assert (end.final.status.code, end.final.status.message) == (StatusCode.UNAVAILABLE, "not now")
    assert end.final.trailing == (("x", "y"),)
    assert rule.selection.percent == 12.5


@pytest.mark.parametrize(
    ("what", "points", "index"),
    [
        ("status=INTERNAL", {Point.START}, None),
        ("status=INTERNAL; at=response-metadata", {Point.RESPONSE_METADATA}, None),
        ("status=INTERNAL; at=message 3", {Point.RESPONSE_MESSAGE}, 2),
        ("status=INTERNAL; at=request 1", {Point.REQUEST_MESSAGE}, 0),
        ("status=INTERNAL; at=after 10 responses", {Point.RESPONSE_MESSAGE}, 9),
        ("status=INTERNAL; at=half-close", {Point.HALF_CLOSE}, None),
        ("status=INTERNAL; at=trailers", {Point.STATUS}, None),
        ("delay=1s; status=INTERNAL", {Point.START}, None),
        ("delay=1s..2s; at=trailers", {Point.STATUS}, None),
        ("hang", {Point.START}, None),
        ("cancel-target; at=after 1 response", {Point.RESPONSE_MESSAGE}, 0),
        ("drop; at=response 2", {Point.RESPONSE_MESSAGE}, 1),
        ("duplicate=3", {Point.RESPONSE_MESSAGE}, None),
        ("corrupt=truncate; at=request 1", {Point.REQUEST_MESSAGE}, 0),
        ("half-close=withhold", {Point.HALF_CLOSE}, None),
        ("half-close=early; at=request 2", {Point.REQUEST_MESSAGE}, 1),
        ("responses=0", {Point.RESPONSE_MESSAGE}, None),
        ("throttle=64KiB/s", {Point.RESPONSE_MESSAGE}, None),
        ("oversize=5MiB", {Point.RESPONSE_MESSAGE}, None),
    ],
)
def test_where_a_fault_is(what: str, points: set[Point], index: int | None) -> None:
    rule = parse_fault_flag(f"method:Get :: {what}", 1)
    assert rule.points == points
    assert (rule.index and rule.index.first) == index


def test_a_status_after_a_time_is_a_timer() -> None:
    rule = parse_fault_flag("method:Get :: status=ABORTED; at=after 2s", 1)
    assert rule.actions == ()
    assert rule.timer is not None
    assert (rule.timer[0], rule.timer[1].status.code) == (2.0, StatusCode.ABORTED)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("method:Get", "write a filter, '::' and what happens"),
        ("method:Get :: ", "it does nothing: give one of status, delay, hang, drop"),
        ("method:Get :: status=OK", "an abort with OK leaves clients without an answer"),
        ("method:Get :: status=NOPE", "unknown status 'NOPE'"),
        ("method:Get :: stat=OK", "unknown key 'stat'; allowed are"),
        ("method:Get :: status=INTERNAL; at=message 0", "messages are counted from 1"),
        ("method:Get :: status=INTERNAL; at=lunch", "'lunch' is not a place; at is \"start\""),
        ("method:Get :: drop; at=start", "it is at a message"),
        ("method:Get :: drop; at=after 2 responses", "it cannot be at 'after 2 responses'"),
        ("method:Get :: hang; at=after 2s", "at 'after 2s' is for status alone"),
        ("method:Get :: message=x; hang", "message belongs to status"),
        ("method:Get :: hang; drop", "one fault does one thing"),
        ("method:Get :: responses=1", "1 is not 0, or from 2 to 1000"),
        ("method:Get :: throttle=fast", "'fast' is not a rate"),
        ("method:Get :: throttle=0/s", "a rate is above zero"),
        ("method:Get :: oversize=5", "'5' is not a size"),
        ("method:Get :: oversize=65MiB", "65MiB is more than 67,108,864 bytes"),
        ("method:Get :: half-close=early", "an early half-close follows a request"),
        ("method:Get :: percent=140; hang", "percent: 140 is not from 0 to 100"),
        ("method:Get :: percent=many; hang", "Expected `float | null`, got `str`"),
        ("status:OK :: hang", "match: column 1: 'status:' is not known"),
    ],
)
def test_errors_repeat_the_flag(text: str, message: str) -> None:
    with pytest.raises(RuleFileError) as caught:
        parse_fault_flag(text, 1)
    assert str(caught.value).startswith(f"--fault {text!r}: ")
    assert message in str(caught.value)


def test_a_fault_of_a_file_is_named(tmp_path: Path) -> None:
    path = write_rules(tmp_path, '[[fault]]\nmatch = ""\nresponses = 1')
    with pytest.raises(RuleFileError, match=r"rules.toml: fault 'fault 1': responses: 1 is not 0"):
        load_rules([path])
