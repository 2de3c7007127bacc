"""Loom's own format of calls, one JSON object a line: docs/format.md.

* :mod:`~loom.recording.ndjson.lines`: what a line may hold, as types; the JSON Schema comes from them.
* :mod:`~loom.recording.ndjson.writing`: a call becomes a line, its secrets masked.
* :mod:`~loom.recording.ndjson.reading`: lines become calls; a damaged one says where.
"""

from .lines import VERSION, json_schema
from .reading import FormatError, Problem, read_lines
from .writing import descriptors_line, header_line, to_line

__all__ = [
    "VERSION",
    "FormatError",
    "Problem",
    "descriptors_line",
    "header_line",
    "json_schema",
    "read_lines",
    "to_line",
]
