"""The metadata and message fields of a call, for a filter's ``meta:`` and ``body:``."""

import base64
from collections.abc import Iterator

from loom.model import Call

from .field_reader import FieldReader
from .field_walker import Field


class CallDetails:
    """The :class:`loom.recording.query.Details` of one call."""

    def __init__(self, call: Call, reader: FieldReader) -> None:
        self._call = call
        self._reader = reader

    def metadata(self) -> Iterator[tuple[str, str]]:
        """Every item of the three metadata blocks; binary values as base64."""
        call = self._call
        for block in (call.request_metadata, call.initial_metadata, call.trailing_metadata):
            for key, value in block or ():
                yield key, base64.b64encode(value).decode("ascii") if isinstance(value, bytes) else value

    def fields(self, containing: str = "") -> Iterator[Field]:
        """See :meth:`.field_reader.FieldReader.fields`."""
        return self._reader.fields(self._call, containing)
