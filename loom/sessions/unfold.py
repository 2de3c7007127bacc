"""A call becomes events again: the reverse of the recorder's fold."""

from collections.abc import Iterator

from loom.model import (
    Call,
    CallEnded,
    CallStarted,
    Direction,
    EndedBy,
    HalfClosed,
    Message,
    MessageSeen,
    MetadataSeen,
    Section,
    Status,
    StatusCode,
)

from .event_codec import KindDeclared, Record


def unfold(call: Call, call_id: int | None = None, replay_of: int | None = None) -> Iterator[Record]:
    """The events of a call, in order; ``call_id`` and ``replay_of`` renumber it.

    Messages that are no longer held come as lost ones. Those of a gap, of which only the
    sum is known, come with that sum: their requests first, the bytes on the first of each direction.
    """
    number = call.id if call_id is None else call_id
    parent = replay_of if call_id is not None else call.replay_of
    yield CallStarted(
        number,
        call.started_ns,
        call.method,
        call.peer,
        call.authority,
        call.target,
        call.engine,
        call.deadline_ns,
        call.content_type,
        parent,
        call.wire,
    )
    yield MetadataSeen(number, call.started_ns, Section.REQUEST, call.request_metadata)
    if call.initial_metadata is not None:
        at = call.started_ns if call.initial_ns is None else call.initial_ns
        yield MetadataSeen(number, at, Section.INITIAL, call.initial_metadata)
    yield from _messages(call, number)
    if call.trailing_metadata is not None:
        yield MetadataSeen(number, call.ended_ns or call.started_ns, Section.TRAILING, call.trailing_metadata)
    if call.ended_ns is not None:
        yield KindDeclared(number, call.ended_ns, call.declared_kind)
        yield CallEnded(
            number,
            call.ended_ns,
            call.status or Status(StatusCode.UNKNOWN),
            call.ended_by or EndedBy.BACKEND,
            call.note,
        )


def _messages(call: Call, number: int) -> Iterator[Record]:
    """The messages, those of the gap, and the half-close in its place."""
    passed = 0
    gap = call.messages.gap()
    missing = list(_missing(call, number)) if gap else []
    for message in call.messages:
        if missing and message.index >= gap.stop:
            yield from missing
            passed += len(missing)
            missing = []
        if call.half_closed_ns is not None and passed == call.half_closed_after:
            yield HalfClosed(number, call.half_closed_ns)
        yield _event(message, number)
        passed += 1
    yield from missing
    passed += len(missing)
    if call.half_closed_ns is not None and (
        call.half_closed_after is None or call.half_closed_after >= passed
    ):
        yield HalfClosed(number, call.half_closed_ns)


def _event(message: Message, number: int) -> MessageSeen:
    return MessageSeen(
        number,
        message.time_ns,
        message.direction,
        message.data or b"",
        message.compressed,
        message.encoding,
        message.size if message.data is None else None,
    )


def _missing(call: Call, number: int) -> Iterator[MessageSeen]:
    for direction, count, size in (
        (Direction.REQUEST, call.request_messages, call.request_bytes),
        (Direction.RESPONSE, call.response_messages, call.response_bytes),
    ):
        held = [message for message in call.messages if message.direction is direction]
        rest = size - sum(message.size for message in held)
        at = next((m.time_ns for m in held if m.index >= call.messages.gap().stop), call.started_ns)
        for index in range(count - len(held)):
            yield MessageSeen(number, at, direction, b"", lost=0 if index else rest)
