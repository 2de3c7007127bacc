"""The calls of a job: of a session, or from the job's input."""

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Protocol

from loom.decoding.stored_schema import StoredSchema
from loom.model import Call, StoredDescriptorSet
from loom.model.projection import project
from loom.sessions import SessionReader
from loom.sessions.event_codec import unpack

from .protocol import CallInput, DescriptorInput, Input, InputEnd, Origin


class CallSource(Protocol):
    """Recorded calls in the order in which they ended, and the schema that decodes them."""

    total: int  # calls; may be 0 if the input does not say
    last_id: int  # the highest id; 0 if unknown
    problems: list[str]  # what could not be read so far

    def schema(self) -> StoredSchema: ...
    def calls(self, newest: int | None = None) -> Iterator[Call]: ...
    def find(self, ids: Iterable[int]) -> Iterator[Call]: ...


class SessionCallSource:
    """The calls of a session database."""

    def __init__(self, origin: Origin) -> None:
        self._reader = SessionReader(Path(origin.session or ""), origin.live_from)
        self._cleared = origin.cleared
        totals = self._reader.totals()
        self.total, self.last_id = totals.calls, totals.last_id
        self.masked = self._reader.masked()
        self.fault_seeds = self._reader.fault_seeds()
        self.problems = self._reader.damaged

    def schema(self) -> StoredSchema:
        """The schema from the session's descriptor sets."""
        schema = StoredSchema(self._reader.descriptors())
        self.problems += schema.problems
        return schema

    def calls(self, newest: int | None = None) -> Iterator[Call]:
        """Every call, or at least the ``newest`` N."""
        return (call for call in self._reader.calls(newest) if call.id > self._cleared)

    def find(self, ids: Iterable[int]) -> Iterator[Call]:
        """The calls with these ids."""
        return iter(self._reader.find(ids))


class InputCallSource:
    """The calls of a job's input, which ``receive`` returns message by message."""

    def __init__(self, origin: Origin, receive: Callable[[], Input]) -> None:
        self.total, self.last_id = origin.total, 0
        self.problems: list[str] = []
        self._receive = receive
        self._first_batch: CallInput | None = None

    def schema(self) -> StoredSchema:
        """The schema from the input's descriptor sets. They precede the calls: call this before :meth:`calls`."""
        stored = []
        while isinstance(message := self._receive(), DescriptorInput):
            stored.append(
                StoredDescriptorSet(
                    message.target, message.source, message.origin, message.fetched_ns, message.file_set
                )
            )
        self._first_batch = message if isinstance(message, CallInput) else None
        schema = StoredSchema(stored)
        self.problems += schema.problems
        return schema

    def calls(self, newest: int | None = None) -> Iterator[Call]:
        """Every call; ``newest`` makes no difference."""
        del newest
        message: Input | None = self._first_batch
        while isinstance(message, CallInput):
            yield from project(unpack(message.events))
            message = self._receive()
        assert message is None or isinstance(message, InputEnd)  # noqa: S101 (the protocol)

    def find(self, ids: Iterable[int]) -> Iterator[Call]:
        """The calls with these ids."""
        id_set = set(ids)
        return (call for call in self.calls() if call.id in id_set)
