"""Heavy reading of recorded calls (search, export) in a process of its own, so that traffic does not feel it.

* :mod:`~loom.search.protocol`: what can be asked, and what comes back.
* :mod:`~loom.search.call_source`: the calls: of a session, or sent along from memory.
* :mod:`~loom.search.text_prefilter`: where a text that is looked for may be.
* :mod:`~loom.search.fields`: a message as paths and texts.
* :mod:`~loom.search.field_reader`: the fields of recorded calls, with their stored schema.
* :mod:`~loom.search.details`: what ``meta:`` and ``body:`` of a filter look at.
* :mod:`~loom.search.jobs`: the jobs themselves.
* :mod:`~loom.search.__main__`: the process.
* :mod:`~loom.search.client`: starts the process, and stops it when nobody listens any more.
"""

from .client import Reading, ReadingError, ReadingUnavailableError
from .protocol import Answer, Chunk, Done, Export, Found, Job, Origin, Progress, Search

__all__ = [
    "Answer",
    "Chunk",
    "Done",
    "Export",
    "Found",
    "Job",
    "Origin",
    "Progress",
    "Reading",
    "ReadingError",
    "ReadingUnavailableError",
    "Search",
]
