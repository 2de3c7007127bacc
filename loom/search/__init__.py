"""Search, export and import calls in a child process, so that forwarded traffic is not slowed down.

* :mod:`~loom.search.protocol`: jobs, the input that follows them, and answers.
* :mod:`~loom.search.client`: starts the child process and runs a job in it.
* :mod:`~loom.search.resumption`: continues the answers of a job when its process is replaced.
* :mod:`~loom.search.__main__`: the child process.
* :mod:`~loom.search.jobs`: search and export.
* :mod:`~loom.search.file_client`: starts a child process that reads a file of calls.
* :mod:`~loom.search.file_reader`: the child process's side: under a memory limit.
* :mod:`~loom.search.batches`: encodes calls in small batches.
* :mod:`~loom.search.call_source`: the calls of a job, from a session or from its input.
* :mod:`~loom.search.matching`: applies a filter to recorded calls.
* :mod:`~loom.search.details`: the metadata and message fields of a call, for a filter.
* :mod:`~loom.search.field_reader`: reads message fields with a stored schema.
* :mod:`~loom.search.field_walker`: the fields of a message as paths and texts.
* :mod:`~loom.search.text_prefilter`: which fields may contain a text that the message's bytes do not.
"""

from .client import SearchClient, SearchError, SearchUnavailableError
from .protocol import Answer, Chunk, Done, ExportJob, Job, Matches, Origin, Progress, SearchJob

__all__ = [
    "Answer",
    "Chunk",
    "Done",
    "ExportJob",
    "Job",
    "Matches",
    "Origin",
    "Progress",
    "SearchClient",
    "SearchError",
    "SearchJob",
    "SearchUnavailableError",
]
