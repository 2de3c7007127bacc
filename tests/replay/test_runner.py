"""Replays on real traffic: as recorded byte for byte, edited, in time, in turns, refused."""

import asyncio
import gzip
import itertools
from collections.abc import AsyncIterator
from typing import Any

import grpc
import pytest

from loom.api.replay import MetadataEdit, ReplayTiming
from loom.decoding.call_decoder import decode_call
from loom.model import MASK, Address, Call, Direction, EndedBy, Message, Status, StatusCode
from loom.replay.plan import Edits, ReplayError, parse_metadata, plan_replay
from loom.replay.runner import ReplayRunner
from tests.support.bench import Bench, running_bench
from tests.support.h2peer import H2Stream, h2_backend
from tests.support.mirror import SERVICE, make, running_mirror, thing
from tests.support.raw_calls import stream_stream


def replayer(bench: Bench, own: tuple[Address, ...] = ()) -> ReplayRunner:
    return ReplayRunner(
        bench.target, bench.recorder, bench.allocate_id,
        lambda work, name: asyncio.get_running_loop().create_task(work, name=name), lambda: own,
    )  # fmt: skip


async def again(bench: Bench, call: Call, edits: Edits = Edits(), **options: Any) -> Call:  # noqa: B008 (frozen)
    """Replay a call and wait for its end."""
    decoding = await decode_call(bench.schema, call, Direction.REQUEST)
    plan = plan_replay(call, edits, decoding, **options)
    return await bench.recorded(await replayer(bench).start(plan))


def payloads(call: Call, direction: Direction) -> list[bytes | None]:
    return [item.data for item in call.messages if item.direction is direction]


UP, DOWN = Direction.REQUEST, Direction.RESPONSE


@pytest.mark.parametrize("method", ["Say", "Gather", "Spread", "Chat"])
async def test_every_stream_type_goes_out_byte_for_byte(bench: Bench, method: str) -> None:
    many = method in {"Gather", "Chat"}
    odd = (
        b"\xa2\x06\x01x" + thing(text="é" * 3) + b"\x08\x80\x00"
    )  # unknown first, then a varint of needless length
    messages = [odd, b"", thing(flag=True)] if many else [odd]
    metadata = (
        ("x-tenant", "42"),
        ("trace-bin", b"\x00\xff"),
        ("x-tenant", "again"),
        ("authorization", "s3cret"),
    )
    call = await bench.call(method, messages, metadata=metadata)
    replay = await again(bench, call)
    first, second = bench.mirror.received
    assert second.messages == first.messages == messages
    own = {"x-tenant", "trace-bin", "authorization"}
    assert [item for item in second.metadata if item[0] in own] == [
        item for item in first.metadata if item[0] in own
    ]
    assert replay.replay_of == call.id
    assert bench.history.replays_of(call.id) == [replay.id]
    assert replay.engine == "replay"
    assert payloads(replay, UP) == payloads(call, UP)
    assert payloads(replay, DOWN) == payloads(call, DOWN)
    assert replay.trailing_metadata == call.trailing_metadata
    assert replay.status == call.status == Status(StatusCode.OK)
    assert replay.ended_by is EndedBy.BACKEND


async def test_a_status_and_its_code_come_back(bench: Bench) -> None:
    call = await bench.call("Say", [b""], metadata=[("mirror-code", "9")])
    replay = await again(bench, call)
    assert replay.status == call.status == Status(StatusCode.FAILED_PRECONDITION, "as asked")


async def test_the_user_agents_token_is_the_clients(bench: Bench) -> None:
    await again(bench, await bench.call("Say", [b""]))
    first, second = (dict(item.metadata)["user-agent"] for item in bench.mirror.received)
    assert second == first


async def test_the_deadline_is_as_long_as_it_was_or_as_asked(bench: Bench) -> None:
    call = await bench.call("Say", [b""], timeout=50)
    for edits in (Edits(), Edits(deadline=20), Edits(deadline=0)):
        await again(bench, call, edits)
    recorded, shorter, none = (item.remaining for item in bench.mirror.received[1:])
    assert recorded is not None
    assert 40 < recorded <= 51
    assert shorter is not None
    assert 10 < shorter <= 21
    assert none is None


async def test_an_edited_message_is_encoded_and_an_untouched_one_keeps_its_bytes(bench: Bench) -> None:
    odd = b"\x18\x05" + thing(text="first")  # fields out of order
    call = await bench.call("Gather", [odd, thing(text="second")])
    await again(
        bench, call, Edits(messages=[{"text": "first", "big": "5"}, {"text": "edited"}, {"flag": True}])
    )
    assert bench.mirror.received[1].messages == [odd, thing(text="edited"), thing(flag=True)]


async def test_an_untouched_message_with_a_string_that_is_not_utf_8_keeps_its_bytes(bench: Bench) -> None:
    spoiled = thing(text="BAD", big=7).replace(b"BAD", b"x\xff!")
    call = await bench.call("Gather", [spoiled, thing(text="b")])
    shown = {"text": "x\ufffd!", "big": "7"}
    replay = await again(bench, call, Edits(messages=[shown, {"text": "edited"}]))
    assert payloads(replay, UP) == [spoiled, thing(text="edited")]
    replay = await again(bench, call, Edits(messages=[shown | {"big": "8"}, {"text": "b"}]))
    assert payloads(replay, UP) == [thing(text="BAD", big=8).replace(b"BAD", b"x\xff!"), thing(text="b")]


async def test_messages_keep_their_bytes_when_others_are_left_out_added_or_moved(bench: Bench) -> None:
    odd = [thing(text=name) + b"\xa2\x06\x03new" for name in ("a", "b", "c")]
    call = await bench.call("Gather", odd)
    shown = [{"text": name} for name in ("a", "b", "c")]
    replay = await again(bench, call, Edits(messages=shown[1:]))
    assert payloads(replay, UP) == odd[1:]
    replay = await again(bench, call, Edits(messages=[{"text": "first"}, *shown]))
    assert payloads(replay, UP) == [thing(text="first"), *odd]
    replay = await again(bench, call, Edits(messages=[shown[2], shown[0], shown[1]]))
    assert payloads(replay, UP) == [odd[2], odd[0], odd[1]]
    replay = await again(bench, call, Edits(messages=[shown[0], {"text": "B"}, shown[2]]))
    assert payloads(replay, UP) == [odd[0], odd[1].replace(b"b", b"B"), odd[2]]


async def test_an_edit_keeps_fields_that_the_schema_does_not_know(bench: Bench) -> None:
    unknown = b"\xa2\x06\x03new"
    inner = thing(text="inner") + unknown
    part = make("Part", name="p").SerializeToString() + unknown
    outer = (
        thing(text="outer")
        + b"\xb2\x01"
        + bytes([len(inner)])
        + inner
        + b"\x52"
        + bytes([len(part)])
        + part
        + unknown
    )
    call = await bench.call("Say", [outer])
    value = {"text": "changed", "inner": {"text": "inner too"}, "parts": [{"name": "q"}]}
    await again(bench, call, Edits(messages=[value]))
    sent = bench.mirror.received[1].messages[0]
    assert sent.count(unknown) == 3
    known = make("Thing")
    known.ParseFromString(sent)
    assert known.text == "changed"
    assert known.inner.text == "inner too"


@pytest.mark.parametrize(
    ("value", "field"),
    [({"parts": [{}, {"count": "many"}]}, "parts"), ({"mood": "MOOD_LOUD"}, "mood"), ({"txet": "a"}, "")],
)  # fmt: skip
async def test_a_message_that_does_not_fit_names_its_field(bench: Bench, value: Any, field: str) -> None:
    call = await bench.call("Gather", [b"", b""])
    with pytest.raises(ReplayError) as caught:
        await again(bench, call, Edits(messages=[{}, value]))
    assert caught.value.message_index == 1
    assert field in caught.value.field
    assert str(caught.value)


async def test_edited_messages_without_a_schema_are_refused(bench: Bench) -> None:
    call = await bench.call("Say", [b""])
    with pytest.raises(ReplayError, match="--proto"):
        plan_replay(call, Edits(messages=[{}]))


async def test_edited_metadata_takes_the_place_of_the_recorded(bench: Bench) -> None:
    call = await bench.call(
        "Say", [b""], metadata=[("authorization", "one"), ("authorization", "two"), ("gone", "x")]
    )
    items = [
        MetadataEdit("authorization", MASK),
        MetadataEdit("b-bin", "AP8"),
        MetadataEdit("authorization", MASK),
    ]
    await again(bench, call, Edits(metadata=parse_metadata(items, call.request_metadata)))
    sent = [
        item for item in bench.mirror.received[1].metadata if item[0] in {"authorization", "b-bin", "gone"}
    ]
    assert sent == [("authorization", "one"), ("b-bin", b"\x00\xff"), ("authorization", "two")]


@pytest.mark.parametrize(
    ("item", "field"),
    [
        (MetadataEdit("Upper", ""), "metadata[0].key"),
        (MetadataEdit("grpc-timeout", "1S"), "metadata[0].key"),
        (MetadataEdit(":path", "/"), "metadata[0].key"),
        (MetadataEdit("x", "é"), "metadata[0].value"),
        (MetadataEdit("x-bin", "!"), "metadata[0].value"),
        (MetadataEdit("x", MASK), "metadata[0].value"),
    ],
)
def test_metadata_that_gRPC_does_not_allow_is_named(item: MetadataEdit, field: str) -> None:  # noqa: N802
    with pytest.raises(ReplayError) as caught:
        parse_metadata([item], ())
    assert caught.value.field == field


async def test_another_target_receives_the_call(bench: Bench) -> None:
    call = await bench.call("Chat", [thing(text="a"), thing(text="b")])
    async with running_mirror() as other:
        replay = await again(bench, call, Edits(target=Address("127.0.0.1", other.port)))
        assert other.received[0].messages == bench.mirror.received[0].messages
    assert replay.target == other.address
    assert len(bench.mirror.received) == 1


async def test_a_target_that_is_not_there_is_told_as_the_relay_tells_it(bench: Bench) -> None:
    async with running_mirror() as gone:
        port = gone.port
    replay = await again(
        bench, await bench.call("Say", [b""]), Edits(target=Address("127.0.0.1", port), deadline=10)
    )
    assert replay.status is not None
    assert replay.status.code == StatusCode.UNAVAILABLE
    assert replay.ended_by is EndedBy.LOOM
    assert f"127.0.0.1:{port}" in replay.note


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "::1", "0.0.0.0", "127.1", "::ffff:127.0.0.1"])
async def test_looms_own_addresses_are_refused_however_they_are_spelled(bench: Bench, host: str) -> None:
    call = await bench.call("Say", [b""])
    plan = plan_replay(call, Edits(target=Address(host, bench.listen.port)))
    for own in ("localhost", "0.0.0.0", "::"):
        with pytest.raises(ReplayError, match="Loom's own address"):
            await replayer(bench, (Address(own, bench.listen.port),)).start(plan)
    assert len(bench.mirror.received) == 1


async def test_another_port_of_the_same_machine_is_no_own_address(bench: Bench) -> None:
    call = await bench.call("Say", [b""])
    own = (Address("localhost", bench.listen.port),)
    await bench.recorded(await replayer(bench, own).start(plan_replay(call, Edits())))
    assert len(bench.mirror.received) == 2


async def test_a_truncated_call_is_refused_as_recorded_but_not_with_messages_of_ones_own(
    bench: Bench,
) -> None:
    call = await bench.call("Gather", [thing(text="a"), thing(text="b")])
    held = call.messages.get(1)
    assert held is not None
    held.data = None
    with pytest.raises(ReplayError, match="1 of the call's 2 request messages are no longer held"):
        plan_replay(call, Edits())
    await again(bench, call, Edits(messages=[{"text": "mine"}]))
    assert bench.mirror.received[1].messages == [thing(text="mine")]


async def test_a_compressed_message_goes_out_compressed_and_says_the_same(bench: Bench) -> None:
    text = thing(text="z" * 5000)
    call = await bench.call("Say", [text])
    call.messages._items[0] = Message(
        0, UP, call.started_ns, 40, gzip.compress(text), compressed=True, encoding="gzip"
    )
    plan = plan_replay(call, Edits())
    assert plan.encoding == "gzip"
    assert plan.messages[0].data == text
    await bench.recorded(await replayer(bench).start(plan))
    assert bench.mirror.received[1].messages == [text]


async def test_an_encoding_that_loom_does_not_write_is_said(bench: Bench) -> None:
    call = await bench.call("Say", [b""])
    call.messages._items[0] = Message(0, UP, call.started_ns, 1, b"?", compressed=True, encoding="snappy")
    with pytest.raises(ReplayError, match="cannot be decompressed"):
        plan_replay(call, Edits())


async def test_recorded_timing_waits_and_fast_does_not(bench: Bench) -> None:
    call = await bench.call("Gather", [thing(text="a"), thing(text="b")])
    second = call.messages.get(1)
    assert second is not None
    second.time_ns = call.started_ns + 400_000_000
    call.half_closed_ns = call.started_ns + 500_000_000
    replay = await again(bench, call, Edits(timing=ReplayTiming.RECORDED))
    times = [item.time_ns - replay.started_ns for item in replay.messages if item.direction is UP]
    assert times[1] >= 400_000_000 > times[0]
    assert replay.half_closed_ns is not None
    assert replay.half_closed_ns - replay.started_ns >= 500_000_000
    fast = await again(bench, call)
    assert payloads(fast, UP) == payloads(replay, UP)


async def test_in_turns_a_message_waits_for_the_responses_before_it(bench: Bench) -> None:
    stream: Any = stream_stream(bench.channel, f"/{SERVICE}/Chat")()
    for number in range(4):  # ping-pong: each answer is awaited
        await stream.write(thing(text=str(number)))
        await stream.read()
    await stream.done_writing()
    assert await stream.read() is grpc.aio.EOF
    call = await bench.recorded(1)
    replay = await again(bench, call, Edits(timing=ReplayTiming.TURNS))
    assert [item.direction for item in replay.messages] == list(itertools.chain(*[(UP, DOWN)] * 4))


async def test_a_call_that_its_client_cancelled_is_cancelled_again(bench: Bench) -> None:

    async def requests() -> AsyncIterator[bytes]:
        yield thing(text="a")
        await asyncio.Event().wait()

    stream: Any = stream_stream(bench.channel, f"/{SERVICE}/Chat")(requests())
    await stream.read()
    stream.cancel()
    call = await bench.recorded(1)
    assert call.ended_by is EndedBy.CLIENT
    replay = await again(bench, call, cancel_slack=600.0)  # the response decides, however late it comes
    assert replay.ended_by is EndedBy.CLIENT
    assert replay.half_closed_ns is None
    assert payloads(replay, DOWN) == [thing(text="a")]
    await bench.mirror.received[1].ended.wait()


async def test_a_replay_that_is_stopped_is_recorded_as_ended(bench: Bench) -> None:
    call = await bench.call("Gather", [thing(text="a")])
    call.half_closed_ns = None
    call.ended_by = EndedBy.CLIENT
    call.ended_ns = call.started_ns + 10**12
    tasks: list[asyncio.Task[Any]] = []

    def spawn(work: Any, name: str) -> asyncio.Task[Any]:
        tasks.append(asyncio.get_running_loop().create_task(work, name=name))
        return tasks[-1]

    call_id = await ReplayRunner(bench.target, bench.recorder, bench.allocate_id, spawn).start(
        plan_replay(call, Edits())
    )
    await bench.mirror.call(1)
    tasks[0].cancel()
    replay = await bench.recorded(call_id)
    assert replay.ended_by is EndedBy.LOOM
    assert replay.note.startswith("Loom was stopped")


async def test_tls_goes_along_to_another_target() -> None:
    async with running_mirror() as mirror, running_bench(mirror, authority="shop.example") as bench:
        replay = await again(bench, await bench.call("Say", [b""]))
        assert replay.authority == "shop.example"


async def test_the_authority_of_the_client_is_sent_again(bench: Bench) -> None:
    call = await bench.call("Say", [b""])
    assert call.authority == f"127.0.0.1:{bench.engine.port}"
    assert (await again(bench, call)).authority == call.target  # a client that only named Loom
    call.authority = "shop.example"

    async def answer(stream: H2Stream) -> None:
        await stream.until("end")
        stream.send_headers(
            [(":status", "200"), ("content-type", "application/grpc"), ("grpc-status", "0")], end=True
        )

    async with h2_backend(answer) as backend:
        replay = await again(bench, call, Edits(target=Address("127.0.0.1", backend.port)))
        assert backend.streams[-1].header(":authority") == [replay.authority] == ["shop.example"]
    # A replay's own authority is Loom's choice, not the client's.
    assert (await again(bench, replay)).authority == str(bench.target.address)
