"""Encodes events as a few bytes each, and decodes them.

A batch is a MessagePack array of groups, compressed with zstd; a group is an array of parts that were emitted together,
a part an array of events of one call, and an event an array: the number of its type, then its fields as
:mod:`loom.model.events` declares them. The second item is the call's id, the third the time in nanoseconds:

    [0, id, ns, method, peer, authority, target, engine, deadline_ns, content_type, replay_of, wire]
    [1, id, ns, section, [[key, value], …]]                  metadata: "request", "initial" or "trailing"
    [2, id, ns, direction, data, compressed, encoding, lost] a message; lost is its size where its bytes were dropped
    [3, id, ns]                                              half-closed
    [4, id, ns, status, ended_by, note, wire]                status is {code, message, details}
    [5, id, ns, kind]                                        the kind that the schema declares, ahead of the end
    [6, id, ns, point, index, came_ns, actions, altered, count, data, compressed, encoding, metadata, status, lost,
     kept]                                                   what came of an item that a rule acted on, ahead of what
                                                             went; actions is [[kind, name, effect, applied], …]

Format 5 has no events of type 6, and is otherwise the same: it is read, and becomes 6 when it is written to.

A large message is stored once per batch: where ``data`` is an array of one item, that item is the bytes, and where
``data`` is an integer, the bytes are those of the last such array of that size.

msgspec encodes a whole group in one call: nothing is done per event in Python, so that writing costs little of the
interpreter's time, which the traffic needs. A compressed batch begins with zstd's magic number, which no array
begins with: the process that searches calls is sent batches that are not compressed.

Raise :data:`FORMAT` when this changes.
"""

from typing import Any

import msgspec
import zstandard

from loom.model import (
    CallEnded,
    CallStarted,
    Direction,
    HalfClosed,
    Intercepted,
    KindDeclared,
    MessageSeen,
    MetadataSeen,
    Section,
    Status,
    StoredEvent,
)
from loom.model.interception import Action, Point

FORMAT = 6
"""The version of the database and of the events in it."""

OLDEST_FORMAT = 5
"""The oldest version that is read, and raised to :data:`FORMAT` when it is written to."""


class _Metadata(msgspec.Struct, frozen=True, gc=False, array_like=True, tag=1):
    """:class:`MetadataSeen` as msgspec decodes it, which has no union of text and bytes."""

    call_id: int
    time_ns: int
    section: Section
    metadata: tuple[tuple[str, Any], ...]


class _Intercepted(msgspec.Struct, frozen=True, gc=False, array_like=True, tag=6):
    """:class:`Intercepted`, with metadata as in :class:`_Metadata`."""

    call_id: int
    time_ns: int
    point: Point
    index: int
    came_ns: int
    actions: tuple[Action, ...]
    altered: bool = True
    count: int = 1
    data: bytes | None = None
    compressed: bool = False
    encoding: str = ""
    metadata: tuple[tuple[str, Any], ...] | None = None
    status: Status | None = None
    lost: int | None = None
    kept: int | None = None


class _Message(msgspec.Struct, frozen=True, gc=False, array_like=True, tag=2):
    """:class:`MessageSeen` with bytes, a large message's bytes, or the size of one that came before."""

    call_id: int
    time_ns: int
    direction: Direction
    data: bytes | tuple[bytes] | int
    compressed: bool = False
    encoding: str = ""
    lost: int | None = None


_decoder = msgspec.msgpack.Decoder(
    list[
        list[list[CallStarted | _Metadata | _Message | HalfClosed | CallEnded | KindDeclared | _Intercepted]]
    ]
)


MAX_BATCH_BYTES = 4 * 1024 * 1024 * 1024
"""The largest batch that is decompressed: a batch larger than one message is far smaller."""


def _content_size(frame: bytes) -> int:
    """The size that a zstd frame claims to have decompressed; -1 if it does not say, or its header is damaged."""
    try:
        return zstandard.frame_content_size(frame)
    except zstandard.ZstdError:
        return -1


def unpack(batch: bytes, max_bytes: int = MAX_BATCH_BYTES) -> list[StoredEvent]:
    """The events of a batch, compressed or not.

    Raises :class:`msgspec.DecodeError` if it has anything else in it, or decompresses to more than ``max_bytes``.
    """
    compressed = batch[:4] == zstandard.FRAME_HEADER
    if compressed and _content_size(batch) > max_bytes:
        raise msgspec.DecodeError(f"it decompresses to more than {max_bytes} bytes")
    try:
        if compressed:
            batch = zstandard.ZstdDecompressor().decompress(batch)
        groups = _decoder.decode(batch)
        events: list[StoredEvent] = []
        large_messages: dict[int, bytes] = {}  # by size
        for group in groups:
            for part in group:
                for event in part:
                    if type(event) is _Message:
                        events.append(_message(event, large_messages))
                    elif type(event) is _Metadata:
                        events.append(_metadata(event))
                    elif type(event) is _Intercepted:
                        events.append(_intercepted(event))
                    else:
                        events.append(event)  # type: ignore[arg-type]  # mypy does not narrow the union here
    except (LookupError, TypeError, ValueError, zstandard.ZstdError) as error:
        raise msgspec.DecodeError(f"it contains something else than events: {error}") from error
    return events


def _intercepted(event: _Intercepted) -> Intercepted:
    _check_metadata(event.metadata or ())
    return Intercepted(*msgspec.structs.astuple(event))


def _check_metadata(metadata: tuple[tuple[str, Any], ...]) -> None:
    for _, value in metadata:
        if type(value) is not str and type(value) is not bytes:
            raise TypeError("a value of metadata is neither text nor bytes")


def _metadata(event: _Metadata) -> MetadataSeen:
    _check_metadata(event.metadata)
    return MetadataSeen(event.call_id, event.time_ns, event.section, event.metadata)


def _message(event: _Message, large_messages: dict[int, bytes]) -> MessageSeen:
    data = event.data
    if isinstance(data, tuple):
        [data] = data
        large_messages[len(data)] = data
    elif isinstance(data, int):
        data = large_messages[data]
    return MessageSeen(
        event.call_id, event.time_ns, event.direction, data, event.compressed, event.encoding, event.lost
    )
