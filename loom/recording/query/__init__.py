"""The filter language: ``method:Get* -status:OK duration:>250ms`` (docs/reference/filter.md).

* :mod:`~loom.recording.query.error`: the syntax error of a filter, with its column.
* :mod:`~loom.recording.query.scanner`: splits a filter into comma lists of terms and values.
* :mod:`~loom.recording.query.values`: parses values: durations, sizes, comparisons, patterns.
* :mod:`~loom.recording.query.terms`: the terms, and the predicate of each.
* :mod:`~loom.recording.query.query`: parses a whole filter to one predicate.

The page has the same language in TypeScript; both are tested with ``tests/fixtures/filters.json``.
"""

from .error import FilterError
from .query import Query, parse
from .terms import TERMS, Details

__all__ = ["TERMS", "Details", "FilterError", "Query", "parse"]
