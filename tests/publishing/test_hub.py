import json
from typing import Any

import pytest

from loom.api.summary import summarise
from loom.model import Call
from loom.model.interception import Action, ActionKind, Interception, Point
from loom.publishing import FeedPosition, Hub, Subscriber
from tests.support.narrowing import required


def call(call_id: int) -> Call:
    return Call(call_id, "/a.B/C", call_id * 1000, version=1)


async def drain(subscriber: Subscriber) -> list[tuple[str, Any]]:
    subscriber.close()
    updates = []
    while (update := await subscriber.next()) is not None:
        updates.append((update.event, json.loads(update.data)))
    return updates


async def test_one_event_carries_the_newest_state_of_all_that_changed() -> None:
    hub, subscriber = Hub("b", summarise), Subscriber()
    hub.subscribe(subscriber)
    one = call(1)
    hub.changed([one])
    one.version = 2
    hub.changed([one])
    hub.changed([call(2)])
    hub.tick()
    hub.tick()
    [(event, calls)] = await drain(subscriber)
    assert event == "calls"
    assert [(summary["id"], summary["version"]) for summary in calls] == [(1, 2), (2, 1)]


async def test_a_slow_reader_gets_the_number_of_calls_it_missed() -> None:
    hub, slow, quick = Hub("b", summarise), Subscriber(limit=2000), Subscriber()
    hub.subscribe(slow)
    hub.subscribe(quick)
    for call_id in range(1, 101):
        hub.changed([call(call_id)])
        hub.tick()
        assert slow.bytes <= 2000
    updates = await drain(slow)
    assert updates[0][0] == "gap"
    received = sum(len(data) for event, data in updates if event == "calls")
    assert updates[0][1]["missed"] + received == 100
    assert len(await drain(quick)) == 100


async def test_a_burst_is_spread_over_ticks_newest_first() -> None:
    hub, subscriber = Hub("b", summarise, batch_size=3), Subscriber()
    hub.subscribe(subscriber)
    for call_id in range(1, 6):
        hub.changed([call(call_id)])
    hub.tick()
    hub.tick()
    batches = [[summary["id"] for summary in data] for _, data in await drain(subscriber)]
    assert batches == [[3, 4, 5], [1, 2]]


async def test_a_backlog_without_end_becomes_a_gap_with_a_number() -> None:
    hub, subscriber = Hub("b", summarise, batch_size=3, max_backlog=5), Subscriber()
    hub.subscribe(subscriber)
    for call_id in range(1, 13):
        hub.changed([call(call_id)])
    hub.tick()
    updates = await drain(subscriber)
    assert ("gap", {"missed": 9}) in updates
    assert hub.skipped == 9


def test_a_subscriber_that_comes_back_gets_the_changes_since() -> None:
    hub = Hub("b", summarise)
    calls = {number: call(number) for number in range(1, 5)}
    for number in (1, 2, 3):
        hub.changed([calls[number]])
        hub.tick()
    last = hub.position
    assert hub.changes_since(last, calls.get) == []
    hub.changed([calls[1]])
    hub.tick()
    hub.changed([calls[4]])
    hub.tick()
    assert [changed.id for changed in required(hub.changes_since(last, calls.get))] == [1, 4]
    del calls[4]
    assert [changed.id for changed in required(hub.changes_since(last, calls.get))] == [1]


def test_a_position_of_another_boot_or_too_old_cannot_be_resumed_from() -> None:
    hub = Hub("b", summarise, max_changes=2)
    assert hub.changes_since(FeedPosition("other", 0), lambda _: None) is None
    assert hub.changes_since(FeedPosition("b", 5), lambda _: None) is None
    for number in range(1, 10):
        hub.changed([call(number)])
        hub.tick()
    assert hub.changes_since(FeedPosition("b", 1), lambda _: None) is None
    assert hub.changes_since(hub.position, lambda _: None) == []


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("b:7", FeedPosition("b", 7)),
        ("", None),
        (None, None),
        ("b:", None),
        ("b:x", None),
        ("7", None),
        ("b:" + "9" * 5000, None),
    ],
)
def test_positions_read_back(text: str | None, expected: FeedPosition | None) -> None:
    assert FeedPosition.parse(text) == expected


async def test_closing_the_hub_ends_every_reader() -> None:
    hub, subscriber = Hub("b", summarise), Subscriber()
    hub.subscribe(subscriber)
    hub.close()
    assert await subscriber.next() is None
    assert hub.subscribers == 0


def test_what_breakpoints_held_is_left_out_of_the_percentiles() -> None:
    hub = Hub("b", summarise)
    stop = Action(ActionKind.BREAKPOINT, "b", "sent")
    held = Call(1, "/a.B/C", 0, ended_ns=9_000_000, acted=((ActionKind.BREAKPOINT, "b"),))
    held.interceptions = [
        Interception(Point.REQUEST_MESSAGE, 0, 1_000_000, 8_000_000, (stop,), altered=False)
    ]
    hub.ended([held])
    second = hub.rates.roll(0, 0)
    assert (second.p50_us, second.p95_us) == (2_000, 2_000)
