"""Synthetic events of calls, for tests of recording and storage."""

import random
from collections.abc import Iterator

from loom.model import (
    Call,
    CallEnded,
    CallStarted,
    Direction,
    EndedBy,
    Event,
    HalfClosed,
    Intercepted,
    MessageSeen,
    MetadataSeen,
    Section,
    Status,
    StatusCode,
)
from loom.model.interception import Action, ActionKind, Point
from loom.recording.history import History
from loom.recording.recorder import Recorder

START_NS = 1_763_923_200_000_000_000
UP, DOWN = Direction.REQUEST, Direction.RESPONSE


def began(call_id: int, method: str = "/acme.shop.v1.Shop/GetOrder") -> list[Event]:
    at = START_NS + call_id * 1_000_000
    started = CallStarted(
        call_id,
        at,
        method,
        "ipv4:127.0.0.1:50412",
        "localhost:9999",
        "localhost:50051",
        deadline_ns=at + 5_000_000_000,
        content_type="application/grpc",
        wire={"stream": call_id * 2 + 1},
    )
    metadata = (
        ("x-tenant", "42"),
        ("x-tenant", "é"),
        ("authorization", "Bearer s3cret"),
        ("trace-bin", b"\x00\xff"),
    )
    return [started, MetadataSeen(call_id, at, Section.REQUEST, metadata)]


def altered(call_id: int) -> list[Event]:
    """A call of which a header block, a message and the status were altered, and a message was dropped."""
    start, metadata = began(call_id)
    at = start.time_ns
    edit = Action(ActionKind.RULE, "empty cart", "set items[0].price")
    drop = Action(ActionKind.FAULT, "flaky", "drop")
    came = (("x-old", "1"), ("authorization", "Bearer 0ld"), ("trace-bin", b"\x00"))
    return [
        start,
        Intercepted(call_id, at, Point.REQUEST_METADATA, 0, at - 5, (edit,), metadata=came),
        metadata,
        message(call_id, UP, b"request", 10),
        Intercepted(call_id, at + 60_000, Point.RESPONSE_MESSAGE, 0, at + 30_000, (edit,), data=b"came"),
        message(call_id, DOWN, b"went", 60),
        Intercepted(
            call_id, at + 70_000, Point.RESPONSE_MESSAGE, 1, at + 70_000, (drop, edit), count=0, data=b"lost"
        ),
        Intercepted(
            call_id,
            at + 80_000,
            Point.STATUS,
            0,
            at + 80_000,
            (edit,),
            metadata=(),
            status=Status(StatusCode.OK),
        ),
        *ended(call_id, Status(StatusCode.NOT_FOUND, "gone")),
    ]


def message(call_id: int, direction: Direction, data: bytes, after_us: int = 100) -> MessageSeen:
    return MessageSeen(call_id, START_NS + call_id * 1_000_000 + after_us * 1000, direction, data)


def ended(call_id: int, status: Status | None = None, by: EndedBy = EndedBy.BACKEND) -> list[Event]:
    at = START_NS + call_id * 1_000_000 + 900_000
    return [
        MetadataSeen(call_id, at, Section.TRAILING, (("served-by", "a"),)),
        CallEnded(call_id, at, status or Status(StatusCode.OK), by),
    ]


def unary(call_id: int, request: bytes = b"\x0a\x04o-17", response: bytes = b"\x0a\x05Alice") -> list[Event]:
    at = START_NS + call_id * 1_000_000
    return [
        *began(call_id),
        message(call_id, UP, request),
        HalfClosed(call_id, at + 200_000),
        MetadataSeen(call_id, at + 300_000, Section.INITIAL, ()),
        message(call_id, DOWN, response, 400),
        *ended(call_id),
    ]


def many(first: int, last: int) -> Iterator[Event]:
    for call_id in range(first, last + 1):
        yield from unary(call_id)


def recorded(*events: Event) -> list[Call]:
    """Return the calls that the recorder makes of events, to compare with those from disk."""
    history = History()
    recorder = Recorder(history)
    for event in events:
        recorder.emit(event)
    return list(history)


def dense(size: int) -> bytes:
    """Return incompressible bytes."""
    return random.Random(size).randbytes(size)
