"""Apply a filter to recorded calls. Every place that filters calls in Python does it here."""

from collections.abc import Iterable, Iterator

from loom.api.calls import Summary
from loom.api.summary import summarise
from loom.decoding.stored_schema import StoredSchema
from loom.model import Call
from loom.recording.query import Query, parse

from .call_source import CallSource
from .details import CallDetails
from .field_reader import FieldReader


class CallMatcher:
    """Tells which calls match a filter.

    ``schema`` decodes messages for ``body:``; without one, their fields are known by number only.
    """

    def __init__(self, query: Query, schema: StoredSchema | None = None) -> None:
        self._query = query
        self._reader = FieldReader(schema or StoredSchema(()))

    def match(self, call: Call) -> Summary | None:
        """The summary of a call that matches, or None. Bodies are decoded only if the summary cannot decide."""
        summary = summarise(call)
        matches = self._query.answer(summary)
        if matches is None:
            matches = self._query.answer(summary, CallDetails(call, self._reader))
        return summary if matches else None

    def select(self, calls: Iterable[Call]) -> Iterator[Call]:
        """Those of the calls that match."""
        return (call for call in calls if self.match(call) is not None)


def select_calls(
    source: CallSource, schema: StoredSchema, q: str, ids: Iterable[int] | None = None
) -> Iterator[Call]:
    """The calls with the given ids, or else those that match the filter ``q``."""
    return source.find(ids) if ids is not None else CallMatcher(parse(q), schema).select(source.calls())
