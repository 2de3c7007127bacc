"""The calls that a job works on: of a session, or sent along from memory."""

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Protocol

from loom.decoding.stored_schema import StoredSchema
from loom.model import Call, StoredDescriptorSet
from loom.model.projection import project
from loom.sessions import SessionReader
from loom.sessions.event_codec import unpack

from .protocol import Batch, Descriptors, End, Origin, Sent


class Source(Protocol):
    """Calls, each when its end is read, and what decodes them."""

    total: int
    last_id: int  # 0 where it is not known
    problems: list[str]

    def schema(self) -> StoredSchema: ...
    def calls(self, newest: int | None = None) -> Iterator[Call]: ...
    def find(self, ids: Iterable[int]) -> Iterator[Call]: ...


class SessionCallSource:
    """The calls of a session's file."""

    def __init__(self, origin: Origin) -> None:
        self._reader = SessionReader(Path(origin.session or ""), origin.live_from)
        self._cleared = origin.cleared
        totals = self._reader.totals()
        self.total, self.last_id = totals.calls, totals.last_id
        self.masked = self._reader.masked()
        self.problems = self._reader.damaged

    def schema(self) -> StoredSchema:
        schema = StoredSchema(self._reader.descriptors())
        self.problems += schema.problems
        return schema

    def calls(self, newest: int | None = None) -> Iterator[Call]:
        """Every call, or the ``newest`` so many at least."""
        return (call for call in self._reader.calls(newest) if call.id > self._cleared)

    def find(self, ids: Iterable[int]) -> Iterator[Call]:
        return iter(self._reader.find(ids))


class StreamedCallSource:
    """Calls that follow the job; ``receive`` answers what was sent, one after the other."""

    def __init__(self, origin: Origin, receive: Callable[[], Sent]) -> None:
        self.total, self.last_id = origin.total, 0
        self.problems: list[str] = []
        self._receive = receive
        self._first: Batch | None = None

    def schema(self) -> StoredSchema:
        """Descriptors come before any batch: call this first."""
        stored = []
        while isinstance(sent := self._receive(), Descriptors):
            stored.append(
                StoredDescriptorSet(sent.target, sent.source, sent.origin, sent.fetched_ns, sent.file_set)
            )
        self._first = sent if isinstance(sent, Batch) else None
        schema = StoredSchema(stored)
        self.problems += schema.problems
        return schema

    def calls(self, newest: int | None = None) -> Iterator[Call]:
        del newest
        sent: Sent | None = self._first
        while isinstance(sent, Batch):
            yield from project(unpack(sent.events))
            sent = self._receive()
        assert sent is None or isinstance(sent, End)  # noqa: S101 (the protocol)

    def find(self, ids: Iterable[int]) -> Iterator[Call]:
        wanted = set(ids)
        return (call for call in self.calls() if call.id in wanted)
