"""The filter language: ``method:Get* -status:OK duration:>250ms`` (docs/filter.md).

* :mod:`~loom.recording.query.error`: what is wrong with a filter, and in which column.
* :mod:`~loom.recording.query.scanner`: text becomes comma lists of terms and values.
* :mod:`~loom.recording.query.values`: durations, sizes, comparisons, patterns.
* :mod:`~loom.recording.query.terms`: what each term asks of a call.
* :mod:`~loom.recording.query.query`: the whole filter, as one question to a call.

The page has the same language in TypeScript; ``tests/fixtures/filters.json`` is run by both.
"""

from .error import FilterError
from .query import Query, parse
from .terms import TERMS, Details

__all__ = ["TERMS", "Details", "FilterError", "Query", "parse"]
