"""Loom's own format of calls, one JSON object per line (docs/reference/format.md).

* :mod:`~loom.recording.ndjson.lines`: the types of lines; the JSON Schema is generated from them.
* :mod:`~loom.recording.ndjson.writer`: calls to lines, with secrets masked.
* :mod:`~loom.recording.ndjson.reader`: lines to calls; damaged lines are reported and skipped.
"""

from .lines import VERSION, json_schema
from .reader import FormatError, Problem, read_lines
from .writer import descriptors_line, header_line, to_line

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
