"""Heavy reading of recorded calls (search, export) in a process of its own, so that traffic does not feel it.

* :mod:`~loom.actions.reading.jobs`: what can be asked, and what comes back.
* :mod:`~loom.actions.reading.source`: the calls: of a session, or sent along from memory.
* :mod:`~loom.actions.reading.schema`: descriptors that came with them.
* :mod:`~loom.actions.reading.needle`: where a text that is looked for may be.
* :mod:`~loom.actions.reading.fields`: a message as paths and texts.
* :mod:`~loom.actions.reading.details`: what ``meta:`` and ``body:`` of a filter look at.
* :mod:`~loom.actions.reading.work`: the jobs themselves.
* :mod:`~loom.actions.reading.__main__`: the process.
* :mod:`~loom.actions.reading.client`: starts the process, and stops it when nobody listens any more.
"""

from .client import Reading, ReadingError
from .jobs import Answer, Chunk, Done, Export, Found, Job, Origin, Progress, Search

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
    "Search",
]
