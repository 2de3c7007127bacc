"""Find matches among the calls in memory before the search process has started."""

import asyncio
import time
from collections.abc import AsyncIterator

from loom.api.calls import Summary
from loom.decoding.stored_schema import StoredSchema
from loom.recording.history import History
from loom.recording.query import Query
from loom.search.matching import CallMatcher

_SECONDS = 0.25  # about as long as the search process takes to start
_SLICE_SECONDS = 0.002
_MAX_CALL_BYTES = 128 * 1024


async def find_recent_matches(
    history: History, query: Query, schema: StoredSchema, before: int | None, after: int | None
) -> AsyncIterator[list[Summary]]:
    """Yield matching calls in memory with ids between ``before`` and ``after``, the newest first, in batches.

    It is a head start, not the answer: it ends after a quarter of a second, and leaves out calls of many bytes. It
    decodes on the event loop, in slices of two milliseconds, between which traffic is forwarded.
    """
    matcher = CallMatcher(query, schema)
    now = time.monotonic()
    end, slice_end = now + _SECONDS, now + _SLICE_SECONDS
    matches: list[Summary] = []
    for call in reversed(list(history)):
        if after is not None and call.id <= after:
            break
        if before is not None and call.id >= before:
            continue
        if call.request_bytes + call.response_bytes <= _MAX_CALL_BYTES:
            summary = matcher.match(call)
            if summary is not None:
                matches.append(summary)
        now = time.monotonic()
        if now >= end:
            break
        if now >= slice_end:
            if matches:
                yield matches
                matches = []
            await asyncio.sleep(0)
            slice_end = time.monotonic() + _SLICE_SECONDS
    if matches:
        yield matches
