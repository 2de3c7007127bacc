"""Calls that something acts on: whatever the order of events, each side gets what was decided, or the call's end."""

import asyncio
import contextlib
import threading
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from typing import Any

import grpc
import grpc.aio
import pytest

from loom.model import (
    Address,
    CallEnded,
    Direction,
    EndedBy,
    HalfClosed,
    Intercepted,
    MessageSeen,
    MetadataSeen,
    Section,
    Status,
    StatusCode,
)
from loom.model.interception import (
    HELD,
    Action,
    ActionKind,
    CallControl,
    CallFacts,
    CallStart,
    Decision,
    FinalStatus,
    HalfClose,
    HeaderBlock,
    Item,
    MessageItem,
    Point,
    Release,
)
from tests.support.mirror import SERVICE, Mirror, running_mirror
from tests.support.sinks import ListSink

from .conftest import running_relay

ACTION = Action(ActionKind.RULE, "r", "acts")
DONE = (ACTION,)
Decide = Callable[[Point, int, Item], Decision | None]


class HeldItem:
    """An item that the test decides on."""

    def __init__(self, item: Item, release: Release) -> None:
        self.item = item
        self._release = release

    def send(self, *items: Item, **fields: Any) -> None:
        self._release(Decision(items, actions=DONE, **fields))


class Script:
    """An interceptor that decides as the test says, or holds an item until the test decides on it.

    What ``decide`` answers None for is held. The test waits for what it needs, so that nothing depends on time.
    """

    def __init__(self, points: Iterable[Point], decide: Decide = lambda *_: None) -> None:
        self.points = frozenset(points)
        self.decide = decide
        self.items: list[tuple[Point, int, Item]] = []
        self.closed = threading.Event()
        self.control: CallControl | None = None
        self.facts: CallFacts | None = None
        self._loop = asyncio.get_running_loop()
        self._held: dict[Point, asyncio.Queue[HeldItem]] = {point: asyncio.Queue() for point in Point}

    def may_act(self, method: str, _metadata: object) -> bool:
        return method.startswith(f"/{SERVICE}/")

    def open(self, call: CallFacts) -> "Script":
        self.facts = call
        return self

    def start(self, control: CallControl) -> None:
        self.control = control

    def intercept(self, point: Point, index: int, item: Item, release: Release) -> Decision | None:
        self.items.append((point, index, item))
        decision = self.decide(point, index, item)
        if decision is None:
            self._loop.call_soon_threadsafe(self._held[point].put_nowait, HeldItem(item, release))
        return decision

    def close(self) -> dict[Point, tuple[Action, ...]]:
        self.closed.set()
        return {}

    async def next_hold(self, point: Point) -> HeldItem:
        async with asyncio.timeout(20):
            return await self._held[point].get()


class Bench:
    """A mirror behind a relay with a script."""

    def __init__(self, mirror: Mirror, sink: ListSink, channel: grpc.aio.Channel) -> None:
        self.mirror = mirror
        self.sink = sink
        self.channel = channel

    def call(self, method: str, **options: Any) -> Any:
        return self.channel.stream_stream(f"/{SERVICE}/{method}")(**options)

    async def end(self) -> CallEnded:
        async with asyncio.timeout(20):
            return (await self.sink.ended())[0]

    def messages(self, direction: Direction) -> list[bytes]:
        return [event.data for event in self.sink.of(MessageSeen) if event.direction is direction]


@asynccontextmanager
async def bench(script: Script) -> AsyncIterator[Bench]:
    sink = ListSink()
    async with (
        running_mirror() as mirror,
        running_relay(Address("127.0.0.1", mirror.port), sink, interceptor=script) as (engine, _),
        grpc.aio.insecure_channel(f"127.0.0.1:{engine.port}") as channel,
    ):
        yield Bench(mirror, sink, channel)


def passing(_point: Point, _index: int, item: Item) -> Decision:
    return Decision((item,))


ABORT = FinalStatus(Status(StatusCode.ABORTED, "no"), (("x-why", "rule"),))


async def chat(call: Any, *messages: bytes, half_close: bool = True) -> list[bytes]:
    """Send messages, half-close, and read every answer, until the call ends with whatever status."""
    answers = []
    with contextlib.suppress(grpc.aio.AioRpcError, asyncio.InvalidStateError):
        for message in messages:
            await call.write(message)
        if half_close:
            await call.done_writing()
        while (answer := await call.read()) is not grpc.aio.EOF:
            answers.append(answer)
    return answers


async def test_every_point_is_passed_and_nothing_is_altered() -> None:
    script = Script(Point, passing)
    async with bench(script) as it:
        call = it.call("Chat", metadata=(("x-a", "1"),), timeout=20)
        assert await chat(call, b"one", b"two") == [b"one", b"two"]
        assert await call.code() is grpc.StatusCode.OK
        end = await it.end()
    assert (end.status.code, end.ended_by, end.note) == (StatusCode.OK, EndedBy.BACKEND, "")
    points = [(point, index) for point, index, _ in script.items]
    requests = [item for item in points if item[0] in REQUEST_POINTS]
    assert requests == [
        (Point.START, 0),
        (Point.REQUEST_METADATA, 0),
        (Point.REQUEST_MESSAGE, 0),
        (Point.REQUEST_MESSAGE, 1),
        (Point.HALF_CLOSE, 0),
    ]
    assert [item for item in points if item not in requests] == [
        (Point.RESPONSE_METADATA, 0),
        (Point.RESPONSE_MESSAGE, 0),
        (Point.RESPONSE_MESSAGE, 1),
        (Point.STATUS, 0),
    ]
    assert script.closed.is_set()
    assert it.sink.of(Intercepted) == []
    assert script.facts is not None
    assert ("x-a", "1") in script.facts.metadata


REQUEST_POINTS = {Point.START, Point.REQUEST_METADATA, Point.REQUEST_MESSAGE, Point.HALF_CLOSE}


async def test_the_third_message_of_a_stream_is_held_and_edited() -> None:
    script = Script({Point.REQUEST_MESSAGE}, lambda _, index, item: None if index == 2 else Decision((item,)))
    async with bench(script) as it:
        call = it.call("Chat")
        for message in (b"one", b"two", b"three"):
            await call.write(message)
        hold = await script.next_hold(Point.REQUEST_MESSAGE)
        assert hold.item == MessageItem(b"three")
        assert [await call.read(), await call.read()] == [b"one", b"two"]
        assert (await it.mirror.call(0)).messages == [b"one", b"two"]
        hold.send(MessageItem(b"3"))
        assert await call.read() == b"3"
        assert await chat(call, b"four") == [b"four"]
        end = await it.end()
    assert end.status.code == StatusCode.OK
    assert it.mirror.received[0].messages == [b"one", b"two", b"3", b"four"]
    assert it.messages(Direction.REQUEST) == [b"one", b"two", b"3", b"four"]
    [event] = it.sink.of(Intercepted)
    assert (event.point, event.index, event.data, event.count, event.altered) == (
        Point.REQUEST_MESSAGE, 2, b"three", 1, True,
    )  # fmt: skip
    assert event.time_ns > event.came_ns
    assert event.actions == DONE


@pytest.mark.parametrize(
    ("answer", "kept"),
    [([], None), ([b"a", b"b"], None), ([b"x"] * 50, None), ([b"a", b"one"], 1), ([b"one"] * 3, 0)],
)
async def test_any_number_of_messages_goes_on(answer: list[bytes], kept: int | None) -> None:
    items = tuple(map(MessageItem, answer))
    script = Script({Point.RESPONSE_MESSAGE}, lambda *_: Decision(items, actions=DONE))
    async with bench(script) as it:
        call = it.call("Chat")
        assert await chat(call, b"one") == answer
        assert await call.code() is grpc.StatusCode.OK
        await it.end()
    [event] = it.sink.of(Intercepted)
    assert (event.count, event.kept, event.data) == (len(answer), kept, b"one" if kept is None else None)
    assert it.messages(Direction.RESPONSE) == answer


async def test_metadata_of_both_sides_and_the_trailers_are_changed() -> None:
    def decide(point: Point, _: int, item: Item) -> Decision:
        if isinstance(item, HeaderBlock):
            return Decision((HeaderBlock((*item.metadata, (f"x-{point}", "new"))),), actions=DONE)
        assert isinstance(item, FinalStatus)
        return Decision(
            (FinalStatus(Status(StatusCode.NOT_FOUND, "gone"), (("x-status", "new"),)),), actions=DONE
        )

    script = Script({Point.REQUEST_METADATA, Point.RESPONSE_METADATA, Point.STATUS}, decide)
    async with bench(script) as it:
        call = it.call("Chat")
        assert await chat(call, b"one") == [b"one"]
        assert await call.code() is grpc.StatusCode.NOT_FOUND
        assert await call.details() == "gone"
        assert dict(await call.initial_metadata())["x-response-metadata"] == "new"
        assert dict(await call.trailing_metadata()) == {"x-status": "new"}
        end = await it.end()
    assert ("x-request-metadata", "new") in it.mirror.received[0].metadata
    assert (end.status.code, end.ended_by) == (StatusCode.NOT_FOUND, EndedBy.LOOM)
    request, initial, status = it.sink.of(Intercepted)
    assert request.metadata is not None
    assert ("x-request-metadata", "new") not in request.metadata
    assert initial.point is Point.RESPONSE_METADATA
    assert status.status == Status(StatusCode.OK)
    assert status.metadata == (("mirrored", "1"),)
    last = [event for event in it.sink.of(MetadataSeen) if event.section is Section.REQUEST][-1]
    assert ("x-request-metadata", "new") in last.metadata


@pytest.mark.parametrize("point", list(Point))
async def test_a_call_is_ended_at_any_point(point: Point) -> None:
    script = Script({point}, lambda *_: Decision(end=ABORT, actions=DONE))
    async with bench(script) as it:
        call = it.call("Chat")
        # A grpcio call loses the status when a write fails: nothing is written that the end could overtake.
        if point not in {Point.START, Point.REQUEST_METADATA}:
            await call.write(b"one")
        if point in {Point.HALF_CLOSE, Point.STATUS}:
            await call.done_writing()
        answers = await chat(call, half_close=False)
        assert await call.code() is grpc.StatusCode.ABORTED
        assert await call.details() == "no"
        assert dict(await call.trailing_metadata()) == {"x-why": "rule"}
        end = await it.end()
        if point in {Point.START, Point.REQUEST_METADATA}:
            assert it.mirror.received == []
        if point is not Point.HALF_CLOSE:  # the directions are independent: there, the answer may be earlier
            assert answers == ([b"one"] if point is Point.STATUS else [])
    assert (end.ended_by, end.note) == (EndedBy.LOOM, "rule 'r': acts")
    assert script.closed.is_set()


async def test_a_call_ends_behind_the_message_that_goes_on() -> None:
    script = Script({Point.RESPONSE_MESSAGE}, lambda _, __, item: Decision((item,), end=ABORT, actions=DONE))
    async with bench(script) as it:
        call = it.call("Chat")
        await call.write(b"one")
        assert await call.read() == b"one"
        assert await call.code() is grpc.StatusCode.ABORTED
        await (await it.mirror.call(0)).ended.wait()


@pytest.mark.parametrize(
    "point", [Point.START, Point.REQUEST_MESSAGE, Point.HALF_CLOSE, Point.RESPONSE_MESSAGE, Point.STATUS]
)
async def test_the_client_cancels_while_an_item_is_held(point: Point) -> None:
    script = Script({point}, passing)
    async with bench(script) as it:
        # The first call of a connection that is cancelled before its message was read looks like a refused one.
        assert await chat(it.call("Chat"), b"before") == [b"before"]
        await it.end()
        script.closed.clear()
        script.decide = lambda *_: None
        call = it.call("Chat")
        await call.write(b"one")
        await call.done_writing()
        hold = await script.next_hold(point)
        call.cancel()
        async with asyncio.timeout(20):
            end = (await it.sink.ended(2))[-1]
        assert (end.status.code, end.ended_by) == (StatusCode.CANCELLED, EndedBy.CLIENT)
        async with asyncio.timeout(20):
            for received in it.mirror.received:
                await received.ended.wait()
        hold.send(hold.item)  # too late: it does nothing
        assert script.closed.is_set()
        assert await chat_through(it, script) == [b"after"]


async def chat_through(it: Bench, script: Script) -> list[bytes]:
    """A further call through the same relay, which still works."""
    script.decide = passing
    return await chat(it.call("Chat"), b"after")


@pytest.mark.parametrize("point", [Point.START, Point.REQUEST_MESSAGE, Point.RESPONSE_MESSAGE])
async def test_the_deadline_passes_while_an_item_is_held(point: Point) -> None:
    script = Script({point})
    async with bench(script) as it:
        call = it.call("Chat", timeout=1)
        await call.write(b"one")
        hold = await script.next_hold(point)
        assert await call.code() is grpc.StatusCode.DEADLINE_EXCEEDED
        end = await it.end()
        hold.send(hold.item)
    assert (end.status.code, end.ended_by) == (StatusCode.DEADLINE_EXCEEDED, EndedBy.DEADLINE)


async def test_a_half_close_does_not_overtake_a_message_that_is_held() -> None:
    script = Script({Point.REQUEST_MESSAGE})
    async with bench(script) as it:
        call = it.call("Gather")
        await call.write(b"one")
        await call.done_writing()
        hold = await script.next_hold(Point.REQUEST_MESSAGE)
        assert it.sink.of(HalfClosed) == []
        hold.send(MessageItem(b"1"))
        assert [answer async for answer in call] == [b"1"]


async def test_both_directions_are_held_and_released_on_their_own() -> None:
    script = Script({Point.REQUEST_MESSAGE, Point.RESPONSE_MESSAGE})
    async with bench(script) as it:
        call = it.call("Chat")
        await call.write(b"one")
        first = await script.next_hold(Point.REQUEST_MESSAGE)
        first.send(first.item)
        answer = await script.next_hold(Point.RESPONSE_MESSAGE)
        await call.write(b"two")
        second = await script.next_hold(Point.REQUEST_MESSAGE)
        second.send(MessageItem(b"2"))  # goes on although the answer to the first is held
        await it.mirror.call(0)
        answer.send(MessageItem(b"1"))
        assert await call.read() == b"1"
        other = await script.next_hold(Point.RESPONSE_MESSAGE)
        other.send(other.item)
        assert await call.read() == b"2"
        await call.done_writing()
        assert await call.code() is grpc.StatusCode.OK


async def test_the_request_that_is_held_keeps_the_sender_from_sending_more() -> None:
    script = Script({Point.REQUEST_MESSAGE})
    async with bench(script) as it:
        call = it.call("Gather")
        holds = []
        for number in range(3):
            await call.write(bytes([number]))
        await call.done_writing()
        for number in range(3):
            holds.append(await script.next_hold(Point.REQUEST_MESSAGE))
            assert len(script.items) == number + 1  # the next is not even read
            holds[-1].send(holds[-1].item)
        assert [answer async for answer in call] == [b"\0\1\2"]


async def test_the_target_dies_while_an_item_is_held() -> None:
    script = Script({Point.REQUEST_MESSAGE}, lambda _, index, item: Decision((item,)) if not index else None)
    sink = ListSink()
    async with contextlib.AsyncExitStack() as target:
        mirror = await target.enter_async_context(running_mirror())
        async with (
            running_relay(Address("127.0.0.1", mirror.port), sink, interceptor=script) as (engine, _),
            grpc.aio.insecure_channel(f"127.0.0.1:{engine.port}") as channel,
        ):
            it = Bench(mirror, sink, channel)
            call = it.call("Chat")
            await call.write(b"one")
            assert await call.read() == b"one"
            await call.write(b"two")
            hold = await script.next_hold(Point.REQUEST_MESSAGE)
            await target.aclose()
            assert await call.code() in {grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED}
            await it.end()
            hold.send(hold.item)
            assert script.closed.is_set()


async def test_an_interceptor_that_raises_lets_the_item_pass_and_the_call_notes_it() -> None:
    def fail(_point: Point, _index: int, _item: Item) -> Decision:
        raise ValueError("a bug")

    script = Script(Point, fail)
    async with bench(script) as it:
        call = it.call("Chat")
        assert await chat(call, b"one") == [b"one"]
        assert await call.code() is grpc.StatusCode.OK
        end = await it.end()
    assert "not intercepted at start: ValueError: a bug" in end.note
    assert "not intercepted at response-message: ValueError: a bug" in end.note


async def test_an_interceptor_that_raises_at_the_start_leaves_the_call_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    script = Script(Point)
    monkeypatch.setattr(script, "open", lambda _: 1 / 0)
    async with bench(script) as it:
        assert await chat(it.call("Chat"), b"one") == [b"one"]


async def test_a_half_close_that_is_withheld_and_one_that_comes_early() -> None:
    script = Script({Point.HALF_CLOSE}, lambda *_: Decision(actions=DONE))
    async with bench(script) as it:
        call = it.call("Gather", timeout=1)
        await call.write(b"one")
        await call.done_writing()
        assert await call.code() is grpc.StatusCode.DEADLINE_EXCEEDED
        await it.end()
        assert it.sink.of(HalfClosed) == []
    early = Script({Point.REQUEST_MESSAGE}, lambda _, __, item: Decision((item, HalfClose()), actions=DONE))
    async with bench(early) as it:
        call = it.call("Gather")
        await call.write(b"one")
        assert [answer async for answer in call] == [b"one"]
        await it.end()
    assert it.mirror.received[0].messages == [b"one"]


async def test_what_comes_behind_an_early_half_close_is_recorded_as_not_sent() -> None:
    second_came = threading.Event()

    def decide(_point: Point, index: int, item: Item) -> Decision:
        if index == 1:
            second_came.set()
        return Decision((item,)) if index else Decision((item, HalfClose()), actions=DONE)

    async with bench(Script({Point.REQUEST_MESSAGE}, decide)) as it:
        call = it.call("Chat", metadata=(("mirror-hang", "1"),))
        await call.write(b"one")
        await call.write(b"two")
        await asyncio.to_thread(second_came.wait, 20)
        call.cancel()
        await it.end()
    first, second = it.sink.of(Intercepted)
    assert (first.count, first.kept, first.data, first.altered) == (1, 0, None, True)
    assert (second.count, second.data, second.altered, second.actions) == (0, b"two", True, DONE)
    assert it.messages(Direction.REQUEST) == [b"one"]


async def test_only_the_targets_call_is_cancelled_and_the_client_waits() -> None:
    script = Script(
        {Point.RESPONSE_MESSAGE}, lambda _, __, item: Decision((item,), cancel_target=True, actions=DONE)
    )
    async with bench(script) as it:
        call = it.call("Chat", timeout=2)
        await call.write(b"one")
        assert await call.read() == b"one"
        async with asyncio.timeout(20):
            await it.mirror.received[0].ended.wait()
        assert await call.code() is grpc.StatusCode.DEADLINE_EXCEEDED
        end = await it.end()
    assert end.ended_by is EndedBy.DEADLINE


async def test_a_deadline_for_the_target_alone() -> None:
    script = Script({Point.START}, lambda *_: Decision((CallStart(0.5),), actions=DONE))
    async with bench(script) as it:
        call = it.call("Chat", metadata=(("mirror-hang", "1"),), timeout=60)
        await call.done_writing()
        assert await call.code() is grpc.StatusCode.DEADLINE_EXCEEDED
    remaining = it.mirror.received[0].remaining
    assert remaining is not None
    assert remaining <= 0.5
    script = Script({Point.START}, lambda *_: Decision((CallStart(None),), actions=DONE))
    async with bench(script) as it:
        assert await chat(it.call("Chat", timeout=20), b"x") == [b"x"]
    assert it.mirror.received[0].remaining is None


async def test_the_control_ends_a_call_at_any_time() -> None:
    script = Script({Point.REQUEST_MESSAGE})
    async with bench(script) as it:
        call = it.call("Chat")
        await call.write(b"one")
        await script.next_hold(Point.REQUEST_MESSAGE)
        assert script.control is not None
        script.control.end(ABORT, DONE)
        assert await call.code() is grpc.StatusCode.ABORTED
        end = await it.end()
        script.control.end(ABORT, DONE)  # on a call that is over it does nothing
    assert end.note == "rule 'r': acts"
    assert len(it.sink.of(CallEnded)) == 1


async def test_what_is_redacted_is_not_recorded_and_goes_on() -> None:
    script = Script(
        {Point.REQUEST_MESSAGE}, lambda *_: Decision((MessageItem(b"one", recorded=b"***"),), actions=DONE)
    )
    async with bench(script) as it:
        assert await chat(it.call("Chat"), b"one") == [b"one"]
        await it.end()
    assert it.messages(Direction.REQUEST) == [b"***"]
    assert all(event.data != b"one" for event in it.sink.of(Intercepted))


async def test_what_is_redacted_is_not_recorded_as_the_original_of_an_edit_either() -> None:
    script = Script(
        {Point.REQUEST_MESSAGE}, lambda *_: Decision((MessageItem(b"two", recorded=b"***"),), actions=DONE)
    )
    async with bench(script) as it:
        assert await chat(it.call("Chat"), b"one") == [b"two"]
        await it.end()
    assert it.messages(Direction.REQUEST) == [b"***"]
    [event] = it.sink.of(Intercepted)
    assert (event.data, event.lost, event.altered) == (None, len(b"one"), True)


async def test_trailers_only_stays_trailers_only() -> None:
    script = Script(Point, passing)
    async with bench(script) as it:
        call = it.call("Nowhere")
        await call.done_writing()
        await call.code()
        await it.end()
        assert Point.RESPONSE_METADATA not in [point for point, _, _ in script.items]


async def test_two_hundred_calls_at_once_are_held_and_released() -> None:
    script = Script({Point.REQUEST_MESSAGE})
    async with bench(script) as it:
        calls = [asyncio.ensure_future(chat(it.call("Chat"), b"%d" % number)) for number in range(200)]
        for _ in calls:
            hold = await script.next_hold(Point.REQUEST_MESSAGE)
            hold.send(hold.item)
        assert await asyncio.gather(*calls) == [[b"%d" % number] for number in range(200)]


class EarlyDecision(Script):
    """Decides on an item while it still notes that it holds it."""

    def intercept(self, point: Point, index: int, item: Item, release: Release) -> Decision | None:
        assert self.control is not None
        release(Decision((item,), actions=DONE))
        self.control.note(point, index, (Action(ActionKind.BREAKPOINT, "b", HELD),))
        return None


async def test_an_item_that_is_decided_on_is_not_noted_as_held() -> None:
    async with bench(EarlyDecision({Point.REQUEST_MESSAGE})) as it:
        assert await chat(it.call("Chat"), b"one", b"two") == [b"one", b"two"]
        await it.end()
        recorded = [(event.index, event.actions) for event in it.sink.of(Intercepted)]
        assert recorded == [(0, DONE), (1, DONE)]
