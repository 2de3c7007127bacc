"""What differs between calls and messages."""

from typing import Any

import pytest
from google.rpc import error_details_pb2, status_pb2

from loom.api.replay import Change, ChangeKind
from loom.decoding.call_decoder import decode_call
from loom.model import MASK, Address, Call, EndedBy, Messages, Status
from loom.replay.diff import diff_calls, diff_values
from loom.replay.ignore_paths import IgnorePaths
from loom.replay.plan import Edits, plan_replay
from tests.replay.test_runner import replayer
from tests.support.bench import Bench, running_bench
from tests.support.mirror import make, running_mirror, thing

CHANGED, ADDED, REMOVED = ChangeKind.CHANGED, ChangeKind.ADDED, ChangeKind.REMOVED


def changes(left: Any, right: Any, *ignore: str) -> list[tuple[str, ChangeKind]]:
    return [(item.path, item.kind) for item in diff_values(left, right, "response 0", IgnorePaths(ignore))]


@pytest.mark.parametrize(
    ("left", "right", "expected"),
    [
        ({}, {}, []),
        ({"a": 1}, {"a": 1.0}, []),
        ({"a": 1}, {"a": True}, [("a", CHANGED)]),
        ({"a": [1]}, {"a": [True]}, [("a[0]", CHANGED)]),
        ({"a": "1"}, {"a": 1}, [("a", CHANGED)]),
        ({"a": 1}, {"b": 1}, [("a", REMOVED), ("b", ADDED)]),
        ({"a": None}, {}, [("a", REMOVED)]),
        (
            {"a": {"b": [1, {"c": 2}]}},
            {"a": {"b": [1, {"c": 3}, 4]}},
            [("a.b[1].c", CHANGED), ("a.b[2]", ADDED)],
        ),
        ([1, 2], [1], [("[1]", REMOVED)]),
        ({"a.b": 1, "": 2, "c[0]": 3}, {}, [('["a.b"]', REMOVED), ('[""]', REMOVED), ('["c[0]"]', REMOVED)]),
        ({"a": {}}, {"a": []}, [("a", CHANGED)]),
        ("text", "other", [("", CHANGED)]),
    ],
)
def test_values_differ_by_structure(left: Any, right: Any, expected: list[tuple[str, ChangeKind]]) -> None:
    assert changes(left, right) == expected


async def difference(bench: Bench, left: Call, right: Call, *ignore: str) -> list[Change]:
    return diff_calls(
        left, right, await decode_call(bench.schema, left), await decode_call(bench.schema, right),
        ignore=IgnorePaths(ignore),
    )  # fmt: skip


async def test_a_call_and_its_replay_are_equal(bench: Bench) -> None:
    call = await bench.call("Chat", [thing(text="a"), b"\xa2\x06\x01x", b"\xff"], metadata=[("x-a", "1")])
    replay = await bench.recorded(await replayer(bench).start(plan_replay(call, Edits())))
    assert await difference(bench, call, replay) == []


async def test_every_part_of_a_call_is_compared(bench: Bench) -> None:
    left = await bench.call(
        "Gather", [thing(text="a"), thing(big=1)], metadata=[("x-a", "1"), ("authorization", "s3cret")]
    )
    right = await bench.call(
        "Gather", [thing(text="b")], metadata=[("x-a", "2"), ("authorization", "other"), ("mirror-code", "5")]
    )
    differences = await difference(bench, left, right)
    assert [(item.where, item.path, item.kind) for item in differences] == [
        ("request 0", "text", CHANGED),
        ("request 1", "", REMOVED),
        ("response 0", "text", CHANGED),
        ("response 0", "big", REMOVED),
        ("metadata request", "x-a", CHANGED),
        ("metadata request", "authorization", CHANGED),
        ("metadata request", "mirror-code", ADDED),
        ("trailing metadata", "mirrored", CHANGED),
        ("status", "code", CHANGED),
        ("status", "message", CHANGED),
    ]
    assert differences[1].left == {"big": "1"}
    assert (differences[5].left, differences[5].right) == (MASK, MASK)
    assert "s3cret" not in str(differences)
    places = (
        "request:",
        "response",
        "response:text",
        "response:big",
        "metadata:",
        "trailing:",
        "status:message",
    )
    assert [item.where for item in await difference(bench, left, right, *places)] == ["status"]


async def test_status_details_are_compared_by_what_they_say(bench: Bench) -> None:
    def failed(call: Call, reason: str, type_url: str = "type.googleapis.com/google.rpc.ErrorInfo") -> Call:
        info = error_details_pb2.ErrorInfo(reason=reason, domain="d")
        status = status_pb2.Status(code=9, message="m")
        status.details.add(type_url=type_url, value=info.SerializeToString())
        details = status.SerializeToString()
        call.status = Status(9, "m", details)
        call.trailing_metadata = (("grpc-status-details-bin", details),)
        return call

    left, right = await bench.call("Say", [b""]), await bench.call("Say", [b""])
    (change,) = await difference(bench, failed(left, "A"), failed(right, "B"))
    assert (change.where, change.path, change.left, change.right) == (
        "status",
        "details[0].value.reason",
        "A",
        "B",
    )
    assert await difference(bench, left, right, "status:details.value.reason") == []
    (change,) = await difference(bench, failed(left, "A", "x/no.Such"), failed(right, "B", "x/no.Such"))
    assert change.where == "status"


@pytest.mark.parametrize("block", ["initial_metadata", "trailing_metadata"])
async def test_what_was_masked_in_an_answer_is_not_compared_but_may_not_be_lost(
    bench: Bench, block: str
) -> None:
    left, right = await bench.call("Say", [b""]), await bench.call("Say", [b""])
    setattr(left, block, (("set-cookie", MASK), ("x-a", "1")))
    setattr(right, block, (("set-cookie", "fresh"), ("x-a", "1")))
    assert await difference(bench, left, right) == []
    setattr(right, block, (("x-a", "2"),))
    differences = await difference(bench, left, right)
    assert [(item.path, item.kind) for item in differences] == [("set-cookie", REMOVED), ("x-a", CHANGED)]


@pytest.mark.parametrize("ended_by", [EndedBy.DEADLINE, EndedBy.CLIENT])
async def test_of_calls_that_the_backend_did_not_end_what_is_chance_is_not_compared(
    bench: Bench, ended_by: EndedBy
) -> None:
    left = await bench.call("Chat", [thing(text="a"), thing(text="b")])
    right = await bench.call("Chat", [thing(text="a"), thing(text="b")])
    left.status, right.status = (
        Status(4, "Deadline Exceeded"),
        Status(4, "Stream removed (Deadline Exceeded)"),
    )
    left.initial_metadata = (("x-a", "1"),)
    right.initial_metadata = None
    kept = list(right.messages)[:-1]
    right.messages = Messages()
    for item in kept:
        right.messages.append(item)
    assert len(await difference(bench, left, right)) == 3
    left.ended_by = ended_by
    assert len(await difference(bench, left, right)) == 3
    right.ended_by = ended_by
    assert await difference(bench, left, right) == []
    right.status = Status(1, "")
    assert [item.path for item in await difference(bench, left, right)] == ["code"]


async def test_messages_that_are_not_protobuf_are_compared_by_their_bytes(bench: Bench) -> None:
    left, right = await bench.call("Say", [b'{"a":1}']), await bench.call("Say", [b'{"a":2}'])
    left.content_type = right.content_type = "application/grpc+json"
    differences = await difference(bench, left, right)
    assert [item.where for item in differences] == ["request 0", "response 0"]
    assert plan_replay(left, Edits()).notes == ("sent as application/grpc, not as application/grpc+json",)


@pytest.mark.parametrize(("left", "right"), [(b"\xff", b"\xfe"), (b"\xff", "\ufffd".encode())])
async def test_strings_that_are_not_utf_8_are_compared_by_their_bytes(
    bench: Bench, left: bytes, right: bytes
) -> None:
    def spoiled(text: bytes) -> bytes:
        return thing(text="a" * len(text)).replace(b"a" * len(text), text)

    calls = [await bench.call("Gather", [spoiled(text)]) for text in (left, right)]
    request, response = await difference(bench, calls[0], calls[1])
    assert (request.where, request.path, response.where) == ("request 0", "", "response 0")
    assert left.hex() in request.left
    assert right.hex() in request.right
    assert await difference(bench, calls[0], await bench.call("Gather", [spoiled(left)])) == []


async def test_unknown_fields_and_undecodable_bytes_count(bench: Bench) -> None:
    plain = await bench.call("Gather", [thing(text="a")])
    newer = await bench.call("Gather", [thing(text="a") + b"\xa2\x06\x01x"])
    (sent, back) = await difference(bench, plain, newer)
    assert (sent.left, sent.right) == ("0 bytes", "4 bytes: a2060178 (fields outside the schema differ)")
    reordered = await bench.call("Gather", [b"\xa2\x06\x01x" + thing(text="a")])
    assert await difference(bench, newer, reordered) == []
    assert back.where == "response 0"
    broken = await bench.call("Gather", [b"\xff"])
    assert [item.kind for item in await difference(bench, plain, broken)] == [CHANGED, CHANGED]


def struct_value(**kind: Any) -> bytes:
    value = make("google.protobuf.Value", **kind)
    free = make("google.protobuf.Struct")
    free.fields["v"].CopyFrom(value)
    return thing(free=free)


def in_any(message: Any) -> bytes:
    name = message.DESCRIPTOR.full_name
    packed = make("google.protobuf.Any", type_url=f"type.googleapis.com/{name}")
    packed.value = message.SerializeToString()
    return thing(any=packed)


NAN = struct_value(number_value=float("nan"))
INFINITY = make("google.protobuf.Value", number_value=float("inf"))


@pytest.mark.parametrize(
    ("left", "right", "path", "shows"),
    [
        (NAN, struct_value(string_value="NaN"), "free.v", '"NaN", 9 bytes: 11000000000000f87f'),
        (struct_value(), struct_value(null_value=0), "free.v", "0 bytes"),
        (
            in_any(INFINITY),
            in_any(make("google.protobuf.Value", string_value="Infinity")),
            "any.value",
            '"Infinity", 9 bytes: 11000000000000f07f',
        ),
        (
            thing(text="a") + NAN,
            thing(text="b") + struct_value(string_value="NaN"),
            "free.v",
            '"NaN", 9 bytes: 11000000000000f87f',
        ),
    ],
    ids=["a number and a string", "no value and null", "in an Any", "beside another difference"],
)
async def test_a_difference_that_json_cannot_show_counts(
    bench: Bench, left: bytes, right: bytes, path: str, shows: str
) -> None:
    calls = [await bench.call("Gather", [data]) for data in (left, right)]
    differences = await difference(bench, calls[0], calls[1])
    request, response = (item for item in differences if item.path != "text")
    assert (request.where, request.path, response.where) == ("request 0", path, "response 0")
    assert "values that JSON does not represent exactly differ" in request.right
    assert request.left == shows
    assert [item.path for item in await difference(bench, calls[0], calls[1], path)] == ["text", "text"][
        : len(differences) - 2
    ]


@pytest.mark.parametrize(
    ("left", "right"),
    [
        (thing(text="a", flag=True), thing(flag=True) + thing(text="a")),
        (thing(text="a"), thing(text="b") + thing(text="a")),
        (thing(flag=True), thing(flag=True)[:-1] + b"\x81\x00"),
        (thing(numbers=[1, 2]), thing(numbers=[1]) + thing(numbers=[2])),
        (
            thing(named={"a": make("Part", count=1)}) + thing(named={"b": make("Part", count=2)}),
            thing(named={"b": make("Part", count=2)}) + thing(named={"a": make("Part", count=1)}),
        ),
        (
            struct_value(number_value=float("nan")) + thing(text="a"),
            thing(text="a") + struct_value(number_value=float("nan")),
        ),
    ],
    ids=["field order", "the last value wins", "a long varint", "a split list", "map order", "NaN moved"],
)
async def test_encodings_of_the_same_content_are_equal(bench: Bench, left: bytes, right: bytes) -> None:
    calls = [await bench.call("Gather", [data]) for data in (left, right)]
    assert left != right
    assert await difference(bench, calls[0], calls[1]) == []


async def test_another_backend_that_answers_otherwise_is_found_out() -> None:
    def louder(data: bytes) -> bytes:
        message = make("Thing")
        message.ParseFromString(data)
        message.text = message.text.upper()
        return bytes(message.SerializeToString())

    async with (
        running_mirror() as mirror,
        running_mirror(alter=louder) as other,
        running_bench(mirror) as bench,
    ):
        call = await bench.call("Say", [thing(text="quiet", big=3)])
        edits = Edits(target=Address.parse(other.address))
        replay = await bench.recorded(await replayer(bench).start(plan_replay(call, edits)))
        (change,) = await difference(bench, call, replay)
        assert (change.where, change.path, change.left, change.right) == (
            "response 0",
            "text",
            "quiet",
            "QUIET",
        )
        assert await difference(bench, call, replay, "text") == []
