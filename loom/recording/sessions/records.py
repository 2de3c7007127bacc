"""An event as a record of a few bytes, and back.

A batch is a MessagePack array of parts, compressed with zstd; a part is an array of events of one call, and an event
an array: a number for its type, then its fields as :mod:`loom.model.events` declares them. The second item is the
call's id, the third the time in nanoseconds:

    [0, id, ns, method, peer, authority, target, engine, deadline_ns, content_type, replay_of, wire]
    [1, id, ns, section, [[key, value], …]]                  metadata: "request", "initial" or "trailing"
    [2, id, ns, direction, data, compressed, encoding, lost] a message; lost is its size where the bytes are
    [3, id, ns]                                              half-closed
    [4, id, ns, status, ended_by, note, wire]                status is {code, message, details}
    [5, id, ns, kind]                                        the kind that the schema declares, ahead of the end

msgspec packs a whole part in one call: nothing is done per event in Python, which is what keeps writing cheap
for the traffic that shares the interpreter. A compressed batch begins with zstd's magic number, which no array
does: the process that reads recorded calls is sent batches that are not compressed.

Raise :data:`FORMAT` when this changes.
"""

from collections.abc import Callable
from typing import Any

import msgspec
import zstandard

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

FORMAT = 4
"""The version of the database and of the records in it."""


class KindDeclared(msgspec.Struct, frozen=True, gc=False, array_like=True, tag=5):
    """The kind of a call's method, known to the schema by the time when the call ended."""

    call_id: int
    time_ns: int
    kind: Kind | None


Record = Event | KindDeclared

_SECTIONS = {section.value: section for section in Section}
_DIRECTIONS = {direction.value: direction for direction in Direction}
_ENDED_BY = {ended_by.value: ended_by for ended_by in EndedBy}


def _metadata(call_id: int, time_ns: int, section: str, pairs: list[list[Any]]) -> MetadataSeen:
    return MetadataSeen(call_id, time_ns, _SECTIONS[section], tuple([(key, value) for key, value in pairs]))


def _message(call_id: int, time_ns: int, direction: str, *fields: Any) -> MessageSeen:
    return MessageSeen(call_id, time_ns, _DIRECTIONS[direction], *fields)


def _ended(call_id: int, time_ns: int, status: dict[str, Any], ended_by: str, *fields: Any) -> CallEnded:
    return CallEnded(call_id, time_ns, Status(**status), _ENDED_BY[ended_by], *fields)


def _kind(call_id: int, time_ns: int, kind: str | None) -> KindDeclared:
    return KindDeclared(call_id, time_ns, None if kind is None else Kind(kind))


# In the order of the types' numbers. msgspec's own decoder takes no "text or bytes", which metadata is.
_MAKE: tuple[Callable[..., Record], ...] = (CallStarted, _metadata, _message, HalfClosed, _ended, _kind)

_decoder = msgspec.msgpack.Decoder(list[list[tuple[Any, ...]]])


def unpack(batch: bytes) -> list[Record]:
    """The events of a batch, compressed or not; :class:`msgspec.DecodeError` if it is damaged."""
    try:
        if batch[:4] == zstandard.FRAME_HEADER:
            batch = zstandard.ZstdDecompressor().decompress(batch)
        return [_MAKE[which](*fields) for part in _decoder.decode(batch) for which, *fields in part]
    except (LookupError, TypeError, ValueError, zstandard.ZstdError) as error:
        raise msgspec.DecodeError(f"it holds what is no event: {error}") from error
