"""Write Loom's NDJSON: lossless, with decoded messages and the descriptor sets to decode them again."""

from collections.abc import Iterable, Iterator, Mapping
from functools import partial
from typing import Any

import msgspec

from loom.decoding.stored_schema import StoredSchema
from loom.model import Call, Message, Secrets
from loom.recording.ndjson import descriptors_line, header_line, to_line

from .destination import Destination


def write_ndjson(
    calls: Iterable[Call],
    schema: StoredSchema,
    secrets: Secrets | None,
    destination: Destination,
    fault_seeds: Mapping[int, int],
) -> Iterator[bytes]:
    """Yield the header, and the calls, each descriptor set before the first call that needs it."""
    del destination
    yield header_line(revealed=secrets is None, fault_seeds=fault_seeds)
    written: set[bytes] = set()
    for call in calls:
        stored = schema.descriptors(call.method)
        if stored is not None and stored.file_set not in written:
            written.add(stored.file_set)
            yield descriptors_line(
                stored.file_set,
                target=stored.target,
                source=stored.source,
                origin=stored.origin,
                fetched_ns=stored.fetched_ns,
            )
        yield to_line(call, secrets, partial(_json, call, schema))


def _json(call: Call, schema: StoredSchema, message: Message) -> Any:
    value = schema.decode(call, message).json
    return msgspec.UNSET if value is None else value
