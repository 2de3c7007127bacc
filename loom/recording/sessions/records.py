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


def _message(event: MessageSeen) -> Record:
    down = 1 if event.direction is Direction.RESPONSE else 0
    return (MESSAGE, event.call_id, event.time_ns, down, event.data, event.compressed, event.encoding)


def _lost(event: MessageLost) -> Record:
    down = 1 if event.direction is Direction.RESPONSE else 0
    return (MESSAGE, event.call_id, event.time_ns, down, event.size, event.compressed, event.encoding)


def _metadata(event: MetadataSeen) -> Record:
    return (METADATA, event.call_id, event.time_ns, _SECTION_NUMBERS[event.section], event.metadata)


def _started(event: CallStarted) -> Record:
    return (
        STARTED, event.call_id, event.time_ns, event.method, event.peer, event.authority, event.target,
        event.engine, event.deadline_ns, event.content_type, event.replay_of, event.wire,
    )  # fmt: skip


def _half_closed(event: HalfClosed) -> Record:
    return (HALF_CLOSED, event.call_id, event.time_ns)


def _ended(event: CallEnded, kind: Kind | None = None) -> Record:
    status = event.status
    return (
        ENDED, event.call_id, event.time_ns, int(status.code), status.message, status.details,
        event.ended_by.value, event.note, event.wire, None if kind is None else kind.value,
    )  # fmt: skip


# By type rather than by `match`: this runs for every event of the traffic.
_PACK: dict[type, Callable[[Any], Record]] = {
    MessageSeen: _message,
    MetadataSeen: _metadata,
    CallStarted: _started,
    HalfClosed: _half_closed,
    CallEnded: _ended,
    MessageLost: _lost,
}


def to_record(event: Stored, kind: Kind | None = None) -> Record:
    """The record of an event; ``kind`` is the declared kind of a call that ended."""
    return _ended(event, kind) if type(event) is CallEnded else _PACK[type(event)](event)


def _unpack_message(record: Record) -> Stored:
    _, call_id, time_ns, down, data, compressed, encoding = record
    direction = Direction.RESPONSE if down else Direction.REQUEST
    if isinstance(data, int):
        return MessageLost(call_id, time_ns, direction, data, compressed, encoding)
    return MessageSeen(call_id, time_ns, direction, data, compressed, encoding)


def _unpack_metadata(record: Record) -> Stored:
    _, call_id, time_ns, section, pairs = record
    return MetadataSeen(call_id, time_ns, _SECTIONS[section], tuple([(key, value) for key, value in pairs]))


def _unpack_ended(record: Record) -> Stored:
    _, call_id, time_ns, code, message, details, ended_by, note, wire, _ = record
    return CallEnded(call_id, time_ns, Status(code, message, details), _ENDED_BY[ended_by], note, wire)


_UNPACK: tuple[Callable[[Record], Stored], ...] = (
    lambda record: CallStarted(*record[1:]),
    _unpack_metadata,
    _unpack_message,
    lambda record: HalfClosed(record[1], record[2]),
    _unpack_ended,
)


def from_record(record: Record) -> Stored:
    """The event of a record."""
    return _UNPACK[record[0]](record)


def kind_in(record: Record) -> Kind | None:
    """The call's declared kind, where the record knows it (that of its end)."""
    return _KINDS[record[-1]] if record[0] == ENDED else None


_decoder = msgspec.msgpack.Decoder(list[tuple[Any, ...]])


def unpack(batch: bytes) -> Iterator[Record]:
    """The records of a batch; :class:`msgspec.DecodeError` if it is damaged."""
    return iter(_decoder.decode(batch))
