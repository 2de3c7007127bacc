"""Encode calls in small batches, as in a session."""

from collections.abc import Iterable, Iterator

import msgspec

from loom.model import Call, StoredEvent
from loom.model.projection import events_of

_BATCH_BYTES = 64 * 1024
_BATCH_CALLS = 20


def encode_calls(calls: Iterable[Call]) -> Iterator[bytes]:
    """Yield the events of the calls, a few calls at a time."""
    encoder = msgspec.msgpack.Encoder()
    events: list[StoredEvent] = []
    ids: set[int] = set()
    size = count = 0
    for call in calls:
        if call.id in ids:  # in a file: its events must not be taken for those of the other call
            yield encoder.encode([[events]])
            events, size, count = [], 0, 0
            ids.clear()
        ids.add(call.id)
        events += events_of(call)
        size += call.request_bytes + call.response_bytes
        count += 1
        if size > _BATCH_BYTES or count >= _BATCH_CALLS:
            yield encoder.encode([[events]])
            events, size, count = [], 0, 0
            ids.clear()
    if events:
        yield encoder.encode([[events]])
