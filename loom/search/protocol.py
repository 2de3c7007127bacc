"""What can be asked of the reading process, and what comes back (see :mod:`loom.workers.framing`)."""

import msgspec
from msgspec import Struct

from loom.api.calls import Summary
from loom.grpcurl.endpoint import Destination


class Origin(Struct):
    """Where the calls are. Without a ``session`` (a path) they follow as batches of records.

    ``live_from``: calls of this id and up may still run. Calls up to ``cleared`` are left out.
    """

    session: str | None = None
    live_from: int | None = None
    cleared: int = 0
    total: int = 0  # how many calls follow, where they do


class Search(Struct, tag="search", kw_only=True):
    """Summaries of the calls that match a filter; of ids within ``before`` and ``after``, both exclusive."""

    origin: Origin
    q: str
    before: int | None = None
    after: int | None = None
    limit: int | None = None  # only so many, the newest; they come at the end, then


class Export(Struct, tag="export", kw_only=True):
    """The calls that match a filter, or these ids, as a file of a format (:mod:`loom.formats`)."""

    origin: Origin
    format: str
    q: str = ""
    ids: list[int] | None = None
    secrets: list[str] | None = None  # keys to mask; None masks nothing
    destination: Destination = Destination()


Job = Search | Export


class Descriptors(Struct, tag="descriptors"):
    """Sent along with calls from memory: a serialized FileDescriptorSet."""

    file_set: bytes
    target: str
    source: str
    origin: str
    fetched_ns: int


class Batch(Struct, tag="batch"):
    """Sent along: records of calls, as a session has them."""

    events: bytes


class End(Struct, tag="end"):
    """Nothing more is sent."""


Sent = Descriptors | Batch | End


class Progress(Struct, tag="progress"):
    searched: int
    of: int


class Found(Struct, tag="found"):
    """Summaries (docs/api.md) of calls that match."""

    calls: list[Summary]


class Chunk(Struct, tag="chunk"):
    """The next bytes of an export."""

    data: bytes


class Done(Struct, tag="done"):
    """The last answer; ``problems`` are lines about what could not be read."""

    searched: int
    found: int
    problems: list[str] = []


class Failed(Struct, tag="failed"):
    """The last answer, if the job could not be done."""

    message: str


Answer = Progress | Found | Chunk | Done
AnyAnswer = Answer | Failed

job_decoder = msgspec.msgpack.Decoder(Job)
sent_decoder = msgspec.msgpack.Decoder(Sent)
answer_decoder = msgspec.msgpack.Decoder(AnyAnswer)
