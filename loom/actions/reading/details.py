"""What ``meta:`` and ``body:`` of a filter look at, read from a recorded call."""

import base64
from collections.abc import Iterator

from google.protobuf.message import DecodeError

from loom.actions.messages import plain
from loom.codec import CompressionError
from loom.model import Call

from .fields import Field, fields, unknown
from .schema import StoredSchema


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

    def fields(self) -> Iterator[Field]:
        """Every field of every held message, decompressed; of one without a schema what can be told."""
        method = self._call.method
        for message in self._call.messages:
            if message.data is None:
                continue
            data = message.data
            try:
                data = plain(message)
                kind = self._schema.message_class(method, message.direction)
                if kind is None:
                    yield from unknown(data)
                    continue
                found = kind.FromString(data)
            except (CompressionError, DecodeError):
                yield from unknown(data)
                continue
            yield from fields(found, self._schema.message_type)
