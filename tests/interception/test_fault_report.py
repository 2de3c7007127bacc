"""How clients reacted to faults, from recorded calls."""

from xml.etree import ElementTree as ET

from loom.interception.fault_report import FaultTally, junit_report, report_faults
from loom.model import Call, Interception, Status, StatusCode
from loom.model.interception import Action, ActionKind, Point
from loom.model.message import Direction, Message

SECOND = 1_000_000_000


def call(
    number: int,
    at: float,
    code: StatusCode = StatusCode.OK,
    *,
    fault: str = "",
    method: str = "/s/Get",
    peer: str = "ipv4:10.0.0.1:5000",
    request: bytes | None = None,
    key: str = "",
) -> Call:
    started = int(at * SECOND)
    made = Call(number, method, started, peer, ended_ns=started + SECOND // 10, status=Status(code))
    if fault:
        made.acted = ((ActionKind.FAULT, fault),)
    if request is not None:
        made.messages.append(Message(0, Direction.REQUEST, started, len(request), request))
    if key:
        made.request_metadata = (("x-id", key),)
    return made


def one(*calls: Call, key: str = "", window: float = 10.0) -> FaultTally:
    [tally] = report_faults(calls, key=key, window=window)
    return tally


UNAVAILABLE = StatusCode.UNAVAILABLE


def test_a_retry_that_succeeds() -> None:
    tally = one(call(1, 0, UNAVAILABLE, fault="f"), call(2, 0.5, request=b"x"))
    assert (tally.hit, tally.retried, tally.retries) == (1, 1, 1)
    assert tally.client_got == {"UNAVAILABLE": 1}
    assert tally.ended == {"OK": 1}
    assert tally.sentence == "each of 1 was retried"


def test_a_fault_that_was_shadowed_or_failed_hit_nothing() -> None:
    hit = call(1, 0, UNAVAILABLE, fault="f")
    hit.acted = (*hit.acted, (ActionKind.FAULT, "later"))
    acts, late = (Action(ActionKind.FAULT, name, "ends", applied=name == "f") for name in ("f", "later"))
    hit.interceptions = [Interception(Point.START, 0, 0, 0, (acts, late))]
    assert [tally.name for tally in report_faults([hit])] == ["f"]


def test_a_chain_of_retries_is_one() -> None:
    hit = [call(number, number, UNAVAILABLE, fault="f") for number in (1, 2, 3)]
    tally = one(*hit, call(4, 4))
    assert (tally.hit, tally.retried, tally.retries) == (3, 3, 3)
    assert tally.ended == {"OK": 1}


def test_calls_that_are_never_retried_are_counted_and_named() -> None:
    retried = [call(number, number, UNAVAILABLE, fault="f", key=f"k{number}") for number in range(1, 39)]
    retries = [call(100 + number, number + 0.5, key=f"k{number}") for number in range(1, 39)]
    lost = [
        call(200 + number, 100 + number, UNAVAILABLE, fault="f", key=f"lost{number}") for number in range(2)
    ]
    tally = one(*retried, *retries, *lost, key="x-id")
    assert tally.sentence == "2 of 40 UNAVAILABLE were never retried"
    assert tally.failed_for_good == [200, 201]


def test_what_is_no_retry() -> None:
    hit = call(1, 0, UNAVAILABLE, fault="f", request=b"x")
    for other in (
        call(2, 20, request=b"x"),
        call(2, 1, request=b"y"),
        call(2, 1, request=b"x", method="/s/Other"),
        call(2, 1, request=b"x", peer="ipv4:10.0.0.2:5000"),
        call(2, 0.05, request=b"x"),
    ):
        assert one(hit, other).retried == 0
    assert one(hit, call(2, 20, request=b"x"), window=30).retried == 1
    assert one(hit, call(2, 1, request=b"x", peer="ipv4:10.0.0.1:5001")).retried == 1


def test_one_call_is_the_retry_of_one_other() -> None:
    tally = one(call(1, 0, UNAVAILABLE, fault="f"), call(2, 0.01, UNAVAILABLE, fault="f"), call(3, 1))
    assert (tally.hit, tally.retried) == (2, 1)


def test_a_delay_that_the_client_survives_needs_no_retry() -> None:
    tally = one(call(1, 0, fault="slow"))
    assert tally.sentence == "1 hit, and every client got OK"
    assert not tally.not_retried


def test_a_fault_that_hit_nothing_is_reported_where_it_is_expected() -> None:
    [tally] = report_faults([call(1, 0)], names=["f"])
    assert tally.sentence == "it hit no call"
    assert report_faults([call(1, 0)]) == []


def test_junit() -> None:
    fine = one(call(1, 0, UNAVAILABLE, fault="fine"), call(2, 1))
    lost = one(call(1, 0, UNAVAILABLE, fault="lost\x00"))
    root = ET.fromstring(junit_report([fine, lost]))
    assert root.get("failures") == "1"
    [failure] = root.iter("failure")
    assert failure.get("message") == "1 of 1 UNAVAILABLE were never retried"
