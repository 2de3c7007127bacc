"""An event as a record of a few bytes, and back.

A batch is a MessagePack array of arrays, one per event, the first item its type, the
second the call's id, the third the time in nanoseconds:

    [0, id, ns, method, peer, authority, target, engine, deadline_ns, content_type, replay_of, wire]
    [1, id, ns, section, [[key, value], …]]                  metadata: 0 request, 1 initial, 2 trailing
    [2, id, ns, direction, data, compressed, encoding]       a message; direction 0 up, 1 down;
                                                             data is its size where the bytes are lost
    [3, id, ns]                                              half-closed
    [4, id, ns, code, message, details, ended_by, note, wire, kind]

Raise :data:`FORMAT` when this changes.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import msgspec

from loom.model import (
    CallEnded,
    CallStarted,
    Direction,
    EndedBy,
    Event,
    HalfClosed,
    Kind,
    MessageSeen,
    MetadataSeen,
    Section,
    Status,
)

FORMAT = 1
"""The version of the database and of the records in it."""

STARTED, METADATA, MESSAGE, HALF_CLOSED, ENDED = range(5)

Record = tuple[Any, ...]

_SECTIONS = (Section.REQUEST, Section.INITIAL, Section.TRAILING)
_SECTION_NUMBERS = {section: number for number, section in enumerate(_SECTIONS)}
_ENDED_BY = {ended_by.value: ended_by for ended_by in EndedBy}
_KINDS: dict[str | None, Kind | None] = {kind.value: kind for kind in Kind} | {None: None}


@dataclass(frozen=True, slots=True)
class MessageLost:
    """A message whose bytes were not kept: ``size`` is how many they were."""

    call_id: int
    time_ns: int
    direction: Direction
    size: int
    compressed: bool
    encoding: str


Stored = Event | MessageLost


def to_record(event: Stored, kind_of: Callable[[int], Kind | None] = lambda _: None) -> Record:
    """The record of an event; ``kind_of`` answers the declared kind of a call that ended."""
    match event:
        case MessageSeen():
            up = event.direction is Direction.REQUEST
            return (
                MESSAGE,
                event.call_id,
                event.time_ns,
                0 if up else 1,
                event.data,
                event.compressed,
                event.encoding,
            )
        case MetadataSeen():
            return (METADATA, event.call_id, event.time_ns, _SECTION_NUMBERS[event.section], event.metadata)
        case CallStarted():
            return (
                STARTED, event.call_id, event.time_ns, event.method, event.peer, event.authority,
                event.target, event.engine, event.deadline_ns, event.content_type, event.replay_of,
                event.wire,
            )  # fmt: skip
        case HalfClosed():
            return (HALF_CLOSED, event.call_id, event.time_ns)
        case CallEnded():
            status, kind = event.status, kind_of(event.call_id)
            return (
                ENDED, event.call_id, event.time_ns, int(status.code), status.message, status.details,
                event.ended_by.value, event.note, event.wire, None if kind is None else kind.value,
            )  # fmt: skip
        case MessageLost():
            up = event.direction is Direction.REQUEST
            return (
                MESSAGE,
                event.call_id,
                event.time_ns,
                0 if up else 1,
                event.size,
                event.compressed,
                event.encoding,
            )


def from_record(record: Record) -> tuple[Stored, Kind | None]:
    """The event of a record, and the call's declared kind where it is known (with the end)."""
    which, call_id, time_ns = record[:3]
    if which == MESSAGE:
        _, _, _, down, data, compressed, encoding = record
        direction = Direction.RESPONSE if down else Direction.REQUEST
        if isinstance(data, int):
            return MessageLost(call_id, time_ns, direction, data, compressed, encoding), None
        return MessageSeen(call_id, time_ns, direction, data, compressed, encoding), None
    if which == METADATA:
        pairs = tuple((key, value) for key, value in record[4])
        return MetadataSeen(call_id, time_ns, _SECTIONS[record[3]], pairs), None
    if which == STARTED:
        return CallStarted(call_id, time_ns, *record[3:]), None
    if which == HALF_CLOSED:
        return HalfClosed(call_id, time_ns), None
    if which == ENDED:
        _, _, _, code, message, details, ended_by, note, wire, kind = record
        status = Status(code, message, details)
        return CallEnded(call_id, time_ns, status, _ENDED_BY[ended_by], note, wire), _KINDS[kind]
    raise ValueError(f"there is no record of type {which!r}")


_decoder = msgspec.msgpack.Decoder(list[tuple[Any, ...]])


def unpack(batch: bytes) -> Iterator[Record]:
    """The records of a batch; :class:`msgspec.DecodeError` if it is damaged."""
    return iter(_decoder.decode(batch))
