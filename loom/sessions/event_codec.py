"""An event as a record of a few bytes, and back.

A batch is a MessagePack array of groups, compressed with zstd; a group is an array of parts that came together, a part
an array of events of one call, and an event an array: a number for its type, then its fields as
:mod:`loom.model.events` declares them. The second item is the call's id, the third the time in nanoseconds:

    [0, id, ns, method, peer, authority, target, engine, deadline_ns, content_type, replay_of, wire]
    [1, id, ns, section, [[key, value], …]]                  metadata: "request", "initial" or "trailing"
    [2, id, ns, direction, data, compressed, encoding, lost] a message; lost is its size where the bytes are
    [3, id, ns]                                              half-closed
    [4, id, ns, status, ended_by, note, wire]                status is {code, message, details}
    [5, id, ns, kind]                                        the kind that the schema declares, ahead of the end

Large messages are there once in a batch: ``data`` in an array of its own is also that of those after it where ``data``
is the number of its bytes, up to the next such array of that size.

msgspec packs a whole group in one call: nothing is done per event in Python, which is what keeps writing cheap
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
    HalfClosed,
    Kind,
    KindDeclared,
    MessageSeen,
    MetadataSeen,
    Section,
    Status,
    StoredEvent,
)

FORMAT = 5
"""The version of the database and of the records in it."""


_SECTIONS = {section.value: section for section in Section}
_DIRECTIONS = {direction.value: direction for direction in Direction}
_ENDED_BY = {ended_by.value: ended_by for ended_by in EndedBy}


def _metadata(call_id: int, time_ns: int, section: str, pairs: list[list[Any]]) -> MetadataSeen:
    return MetadataSeen(call_id, time_ns, _SECTIONS[section], tuple([(key, value) for key, value in pairs]))


class _Messages:
    """Makes those of one batch, of which some have the bytes of another."""

    def __init__(self) -> None:
        self._by_size: dict[int, bytes] = {}

    def make(
        self, call_id: int, time_ns: int, direction: str, data: bytes | list[bytes] | int, *fields: Any
    ) -> MessageSeen:
        if isinstance(data, int):
            data = self._by_size[data]
        elif isinstance(data, list):
            [data] = data
            self._by_size[len(data)] = data
        return MessageSeen(call_id, time_ns, _DIRECTIONS[direction], data, *fields)


def _ended(call_id: int, time_ns: int, status: dict[str, Any], ended_by: str, *fields: Any) -> CallEnded:
    return CallEnded(call_id, time_ns, Status(**status), _ENDED_BY[ended_by], *fields)


def _kind(call_id: int, time_ns: int, kind: str | None) -> KindDeclared:
    return KindDeclared(call_id, time_ns, None if kind is None else Kind(kind))


# msgspec's own decoder takes no "text or bytes", which metadata is.
_decoder = msgspec.msgpack.Decoder(list[list[list[tuple[Any, ...]]]])


def unpack(batch: bytes) -> list[StoredEvent]:
    """The events of a batch, compressed or not; :class:`msgspec.DecodeError` if it is damaged."""
    try:
        if batch[:4] == zstandard.FRAME_HEADER:
            batch = zstandard.ZstdDecompressor().decompress(batch)
        make: tuple[Callable[..., StoredEvent], ...]  # in the order of the types' numbers
        make = (CallStarted, _metadata, _Messages().make, HalfClosed, _ended, _kind)
        return [
            make[which](*fields)
            for group in _decoder.decode(batch)
            for part in group
            for which, *fields in part
        ]
    except (LookupError, TypeError, ValueError, zstandard.ZstdError) as error:
        raise msgspec.DecodeError(f"it holds what is no event: {error}") from error
