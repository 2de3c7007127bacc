"""Which calls of a recording are sent again, and in which order."""

import itertools
from collections.abc import Iterator

import pytest

from loom.api.replay import ReplaySource, ReplayTiming
from loom.model import MASK, Call, Direction, EndedBy, Messages, Status, StatusCode
from loom.model.interception import Action, ActionKind, Interception, Point
from loom.model.projection import INTERRUPTED
from loom.replay.batch import (
    BatchOptions,
    Outcome,
    ReplayBatch,
    by_start_time,
    is_replayable,
    masked_request_keys,
    masked_response_keys,
)
from tests.support.bench import Bench
from tests.support.mirror import thing


def call(number: int, started_ns: int, **fields: object) -> Call:
    made = Call(
        number, "/a.B/C", started_ns, ended_ns=started_ns + 1, status=Status(0), ended_by=EndedBy.BACKEND
    )
    for name, value in fields.items():
        setattr(made, name, value)
    return made


@pytest.mark.parametrize("ended", list(itertools.permutations(range(4))))
def test_calls_go_out_in_the_order_in_which_they_began(ended: tuple[int, ...]) -> None:
    calls = [call(number, 100 + number // 2) for number in range(4)]  # two pairs began at one moment
    starts = sorted((item.started_ns, item.id) for item in calls)
    assert [item.id for item in by_start_time((calls[number] for number in ended), starts)] == [0, 1, 2, 3]


def test_a_call_waits_in_memory_only_for_earlier_ones() -> None:
    calls = [call(1, 1), call(2, 2), call(4, 4), call(3, 3)]
    taken: list[int] = []

    def source() -> Iterator[Call]:
        for item in calls:
            taken.append(item.id)
            yield item

    ordered = by_start_time(source(), [(number, number) for number in range(1, 5)])
    assert next(ordered).id == 1
    assert taken == [1]
    assert [item.id for item in ordered] == [2, 3, 4]


def test_a_call_that_is_not_among_the_starts_is_sent_all_the_same() -> None:
    assert [item.id for item in by_start_time([call(1, 1), call(9, 9)], [(1, 1)])] == [1, 9]


@pytest.mark.parametrize(
    ("fields", "replays", "sent"),
    [
        ({}, False, True),
        ({"ended_ns": None}, False, False),
        ({"note": INTERRUPTED}, False, False),
        ({"replay_of": 3}, False, False),
        ({"replay_of": 3}, True, True),
        ({"method": "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo"}, False, False),
        ({"method": "/grpc.health.v1.Health/Check"}, False, True),
    ],
)
def test_what_is_sent_again(fields: dict[str, object], replays: bool, sent: bool) -> None:
    assert is_replayable(call(1, 1, **fields), replays=replays) is sent


def test_masked_keys() -> None:
    masked = call(1, 1, request_metadata=(("authorization", MASK), ("x-a", "1")))
    assert masked_request_keys([masked, call(2, 2)]) == {"authorization"}
    assert masked_response_keys(masked) == set()
    answer = call(1, 1, initial_metadata=(("a", MASK), ("b", "1")), trailing_metadata=(("c", MASK),))
    assert masked_response_keys(answer) == {"a", "c"}


async def test_a_call_that_loom_ended_before_it_saw_a_message_is_skipped(bench: Bench) -> None:
    lost = call(1, 1, method="/mirror.v1.Mirror/Say", ended_by=EndedBy.LOOM, status=Status(14, "not reached"))
    rerun = ReplayBatch(bench.target, bench.schema, BatchOptions())
    [result] = [item async for item in rerun.results([lost])]
    assert (result.outcome, result.reason) == (
        Outcome.SKIPPED,
        "Loom ended it before it received a request message",
    )
    assert bench.mirror.received == []
    lost.half_closed_ns = 2
    [result] = [item async for item in rerun.results([lost])]
    assert result.outcome is Outcome.DIFFERENT


async def test_what_a_cancelled_replay_had_not_sent_yet_is_no_difference(bench: Bench) -> None:
    cancelled = await bench.call("Gather", [thing(text="a"), thing(text="b")])
    cancelled.ended_by, cancelled.status = EndedBy.CLIENT, Status(1, "the client cancelled")
    cancelled.ended_ns, cancelled.half_closed_ns = cancelled.started_ns + 300_000_000, None
    cancelled.trailing_metadata = None
    list(cancelled.messages)[1].time_ns = cancelled.started_ns + 10_000_000_000
    rerun = ReplayBatch(bench.target, bench.schema, BatchOptions(timing=ReplayTiming.RECORDED))
    [result] = [item async for item in rerun.results([cancelled])]
    assert result.replay is not None
    assert result.replay.request_messages == 1
    assert (result.outcome, result.changes) == (Outcome.SAME, ())


async def test_a_backend_that_answers_before_it_has_read_all_requests_is_no_difference(bench: Bench) -> None:
    early = await bench.call("Gather", [thing(text="a"), thing(text="b")])
    requests = [item for item in early.messages if item.direction is Direction.REQUEST]
    requests[1].time_ns = early.started_ns + 10_000_000_000
    early.method = "/no.such.Service/Method"
    early.messages, early.response_messages = Messages(), 0
    for message in requests:
        early.messages.append(message)
    early.initial_metadata = early.trailing_metadata = None
    early.status = Status(StatusCode.UNIMPLEMENTED, "Method not found!")
    batch = ReplayBatch(bench.target, bench.schema, BatchOptions(timing=ReplayTiming.RECORDED))
    [result] = [item async for item in batch.results([early])]
    assert result.replay is not None
    assert result.replay.ended_by is EndedBy.BACKEND
    assert result.replay.request_messages < early.request_messages
    assert (result.outcome, result.changes) == (Outcome.SAME, ())

    early.status = Status(StatusCode.NOT_FOUND, "Method not found!")  # the answers are compared
    [result] = [item async for item in batch.results([early])]
    assert [(change.where, change.path) for change in result.changes] == [("status", "code")]


EDIT = (Action(ActionKind.RULE, "edit", "set text"),)


@pytest.mark.parametrize("source", list(ReplaySource))
async def test_the_answer_is_compared_with_what_the_target_had_answered(
    bench: Bench, source: ReplaySource
) -> None:
    altered = await bench.call("Say", [thing(text=source)])
    request, response = list(altered.messages)
    response.data = thing(text="for the client")
    altered.modified = True
    came = {"went": thing(text="from the client"), "came": thing(text="came")}[source]
    if source is ReplaySource.CAME:
        request.data = thing(text="for the target")
    altered.interceptions = [
        Interception(Point.REQUEST_MESSAGE, 0, 1, 1, EDIT, 0, data=came, size=len(came)),
        Interception(Point.RESPONSE_MESSAGE, 0, 1, 1, EDIT, 1, data=thing(text=source), size=1),
    ]
    batch = ReplayBatch(bench.target, bench.schema, BatchOptions(source=source))
    [result] = [item async for item in batch.results([altered])]
    assert (result.outcome, result.changes) == (Outcome.SAME, ())
    assert bench.mirror.received[-1].messages == [thing(text=source)]


async def test_a_call_that_a_fault_ended_has_no_answer_to_compare_with(bench: Bench) -> None:
    ended = await bench.call("Say", [thing(text="a")])
    ended.modified, ended.ended_by = True, EndedBy.LOOM
    batch = ReplayBatch(bench.target, bench.schema, BatchOptions())
    [result] = [item async for item in batch.results([ended])]
    assert result.outcome is Outcome.SKIPPED
    assert "no answer to compare" in result.reason
