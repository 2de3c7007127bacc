"""What ``meta:`` and ``body:`` of a filter look at, read from a recorded call."""

import base64
from collections.abc import Iterator

from loom.codec import CompressionError
from loom.decoding.messages import plain
from loom.decoding.stored_schema import StoredSchema
from loom.model import Call

from .fields import Field


class CallDetails:
    """The :class:`loom.recording.query.Details` of one call."""

    def __init__(self, call: Call, schema: StoredSchema) -> None:
        self._call = call
        self._schema = schema

    def metadata(self) -> Iterator[tuple[str, str]]:
        """Every item of the three blocks; binary values as base64."""
        call = self._call
        for block in (call.request_metadata, call.initial_metadata, call.trailing_metadata):
            for key, value in block or ():
                yield key, base64.b64encode(value).decode("ascii") if isinstance(value, bytes) else value

    def fields(self, holding: str = "") -> Iterator[Field]:
        """Every field of every held message, decompressed; of one without a schema what can be told.

        Fields that cannot hold a text that is looked for may be left out: see :mod:`.needle`.
        """
        schema, method = self._schema, self._call.method
        needle = schema.needle(holding)
        every, only = schema.walk(), None if needle is None else schema.walk(needle)
        for message in self._call.messages:
            data = message.data
            if data is None:
                continue
            try:
                data = plain(message)
                kind = schema.message_class(method, message.direction)
            except CompressionError:
                kind = None
            walk = every
            if only is not None and not only.is_among(data):
                if not only.is_worth(kind):
                    continue
                walk = only
            yield from walk.leaves(data, kind)
