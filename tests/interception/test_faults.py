"""Faults: what they compile to, and what is refused."""

from pathlib import Path

import pytest

from loom.interception import RuleFileError, load_rules
from loom.interception import actions as act
from loom.interception.fault_places import PLACES
from loom.interception.faults import parse_fault_flag
from loom.interception.rules import Timer
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
        ("hang; at=after 3 responses", {Point.RESPONSE_MESSAGE, Point.STATUS}, None),
        ("hang; at=after 2s", set(Point) - {Point.START}, None),
        ("cancel-target", {Point.HALF_CLOSE}, None),
        ("cancel-target; at=after 1 response", {Point.RESPONSE_MESSAGE}, 0),
        ("delay=1s; at=responses", {Point.RESPONSE_MESSAGE}, None),
        ("delay=1s; at=after 2s", {Point.RESPONSE_MESSAGE}, None),
        ("throttle=1/s; at=requests", {Point.REQUEST_MESSAGE}, None),
        ("drop; at=response 3..", {Point.RESPONSE_MESSAGE}, 2),
        ("drop; at=after 2s", {Point.RESPONSE_MESSAGE}, None),
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


def test_a_status_and_a_cancellation_after_a_time_are_timers() -> None:
    rule = parse_fault_flag("method:Get :: status=ABORTED; at=after 2s", 1)
    assert rule.actions == ()
    assert rule.timer is not None
    assert rule.timer.final is not None
    assert (rule.timer.seconds, rule.timer.final.status.code) == (2.0, StatusCode.ABORTED)
    assert rule.sentence.endswith("on method:Get: status ABORTED after 2 s")
    rule = parse_fault_flag("method:Get :: cancel-target; at=after 500ms", 1)
    assert rule.timer == Timer(0.5, None)


PLACES_TRIED = {
    "start": "start",
    "request-metadata": "request-metadata",
    "response-metadata": "response-metadata",
    "half-close": "half-close",
    "trailers": "trailers",
    "request 1": "response 3",
    "response 3": "response 3",
    "message 3": "response 3",
    "responses": "responses",
    "requests": "responses",
    "response 2..": "responses",
    "response 2..4": "responses",
    "after 10 responses": "after 10 responses",
    "after 1 request": "after 2 requests",
    "after 2s": "after 2s",
}
"""Places, with the form by which they are known in the table of faults."""


@pytest.mark.parametrize("at", PLACES_TRIED)
@pytest.mark.parametrize("fault", PLACES)
def test_every_fault_at_every_place_works_or_says_what_is_possible(fault: str, at: str) -> None:
    values = {
        "status": "=ABORTED",
        "delay": "=1s",
        "duplicate": "=2",
        "half-close": "=early" if at == "request 1" else "=withhold",
        "responses": "=0",
        "throttle": "=1/s",
        "oversize": "=1KiB",
    }
    text = f":: {fault}{values.get(fault, '')}; at={at}"
    is_possible = PLACES_TRIED[at] in PLACES[fault]
    if fault == "half-close" and at in {"response 3", "message 3"}:
        is_possible = False
    if is_possible:
        rule = parse_fault_flag(text, 1)
        assert rule.timer is not None or rule.points
        return
    with pytest.raises(RuleFileError, match=rf"fault '--fault 1': {fault}: .*(can be at|leave out at)"):
        parse_fault_flag(text, 1)


def test_a_flag_has_several_trailers_and_details() -> None:
    text = (
        'peer:"[::1]:9" :: status=ABORTED; trailers=a: 1; trailers=b: x:y; trailers=a: 2;'
        'details={"@type": "google.rpc.RequestInfo", "requestId": "7"}; details=[]'
    )
    rule = parse_fault_flag(text, 1)
    assert rule.match.text == 'peer:"[::1]:9"'
    [end] = rule.actions
    assert isinstance(end, act.EndCall)
    assert end.final.trailing[:3] == (("a", "1"), ("a", "2"), ("b", "x:y"))
    assert end.final.status.details is not None
    assert b"google.rpc.RequestInfo" in end.final.status.details


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
        (
            "method:Get :: drop; at=start",
            'drop: it cannot be at \'start\'; it can be at "response 3", "responses" or "after 2s", or leave',
        ),
        ("method:Get :: status=INTERNAL; at=after 0 responses", "messages are counted from 1"),
        ("method:Get :: drop; at=response 3..2", "the range '3..2' ends before it begins"),
        ("method:Get :: status=INTERNAL; status=ABORTED", "status is given twice"),
        ("method:Get :: status=INTERNAL; trailers=a: 1; trailers", "fault '--fault 1': trailers: Expected"),
        (
            "method:Get :: status=INTERNAL; details={",
            "fault '--fault 1': details: Expected `array`, got `str`",
        ),
        ("method:Get :: status=INTERNAL; details=[7]", "a detail is a table with its type"),
        ("method:Get :: drop; at=after 2 responses", "it cannot be at 'after 2 responses'"),
        (
            "method:Get :: delay=1s; status=ABORTED; at=after 2s",
            "a delay and then a status cannot be at 'after 2s'",
        ),
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
