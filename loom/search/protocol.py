"""The messages between Loom and its search process, in MessagePack (:mod:`loom.workers.framing`).

A job goes first. If its calls are not in a session, they follow as input. Answers come back until the last one, which
is :class:`Done` or :class:`Failed`.
"""

import msgspec
from msgspec import Struct

from loom.api.calls import Summary
from loom.formats.destination import Destination
from loom.model import StoredDescriptorSet


class Origin(Struct):
    """Where a job's calls are: in the session at the path ``session``, or, if that is None, in the input that follows.

    Calls with an id of ``live_from`` or more may not have ended yet. Calls with an id up to ``cleared`` are left out.
    """

    session: str | None = None
    live_from: int | None = None
    cleared: int = 0
    total: int = 0  # the number of calls in the input


class SearchJob(Struct, tag="search", kw_only=True):
    """Find the calls that match the filter ``q`` and have ids between ``before`` and ``after``, both exclusive.

    With ``limit`` only the newest matches are answered, at the end of the search.
    """

    origin: Origin
    q: str
    before: int | None = None
    after: int | None = None
    limit: int | None = None


class ExportJob(Struct, tag="export", kw_only=True):
    """Write the calls that match a filter, or those with the given ids, in a format of :mod:`loom.formats`."""

    origin: Origin
    format: str
    q: str = ""
    ids: list[int] | None = None
    secrets: list[str] | None = None  # keys to mask; None masks nothing
    destination: Destination = Destination()
    fault_seeds: dict[int, int] = {}


class ImportJob(Struct, tag="import", kw_only=True):
    """Read the file of calls at ``path``, with at most ``memory_bytes`` of memory."""

    path: str
    memory_bytes: int


Job = SearchJob | ExportJob


class DescriptorInput(Struct, tag="descriptors"):
    """Input: a serialized FileDescriptorSet."""

    file_set: bytes
    target: str
    source: str
    origin: str
    fetched_ns: int

    def as_stored(self) -> StoredDescriptorSet:
        return StoredDescriptorSet(self.target, self.source, self.origin, self.fetched_ns, self.file_set)


class CallInput(Struct, tag="calls"):
    """Input: the events of a few calls, encoded as in a session."""

    events: bytes


class InputEnd(Struct, tag="end"):
    """The end of the input."""


Input = DescriptorInput | CallInput | InputEnd


class Progress(Struct, tag="progress"):
    """How many of the calls have been searched."""

    searched: int
    of: int


class Matches(Struct, tag="matches"):
    """Summaries (docs/reference/api.md) of matching calls."""

    calls: list[Summary]


class Chunk(Struct, tag="chunk"):
    """The next bytes of an export."""

    data: bytes


class ImportStart(Struct, tag="import start"):
    """The first answer to an :class:`ImportJob`. ``masked`` are the metadata keys that the file's session masks."""

    kind: str
    masked: list[str]


class ImportedCalls(Struct, tag="imported calls"):
    """The events of the next calls of an imported file, encoded as in a session."""

    events: bytes


class ImportEnd(Struct, tag="import end"):
    """The last answer to an :class:`ImportJob`; ``problems`` name what could not be read."""

    descriptors: list[DescriptorInput]
    problems: list[str]
    fault_seeds: dict[int, int] = {}


class Done(Struct, tag="done"):
    """The last answer of a job; ``problems`` name what could not be read."""

    searched: int
    found: int
    problems: list[str] = []


class Failed(Struct, tag="failed"):
    """The last answer of a job that failed."""

    message: str


Answer = Progress | Matches | Chunk | Done
ImportAnswer = ImportStart | ImportedCalls | ImportEnd

job_decoder = msgspec.msgpack.Decoder(Job | ImportJob)
input_decoder = msgspec.msgpack.Decoder(Input)
answer_decoder = msgspec.msgpack.Decoder(Answer | Failed)
import_answer_decoder = msgspec.msgpack.Decoder(ImportAnswer | Failed)
