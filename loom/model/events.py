"""The seam between engines and everything else: five kinds of event, and the sink they go to.

An engine numbers its calls through :class:`CallIds` and emits, for each call, one
:class:`CallStarted`, then any number of :class:`MetadataSeen` and :class:`MessageSeen`,
at most one :class:`HalfClosed`, then exactly one :class:`CallEnded`. Emitting never waits and never raises.

Times are wall-clock nanoseconds since the epoch, taken once per event by the engine.

The classes are msgspec's because every call makes eight of them in the path of the wire engine, and a
frozen dataclass takes ten times as long to make. Their numbers (``tag``) and the order of their fields are also
how sessions keep them (:mod:`loom.sessions.event_codec`): adding, moving or renumbering changes that format.
"""

import enum
import itertools
from collections.abc import Callable, Sequence
from typing import Protocol

import msgspec

from .call import Kind
from .message import Direction
from .metadata import Metadata
from .status import EndedBy, Status


class Section(enum.StrEnum):
    """Which block of metadata was seen."""

    REQUEST = "request"
    INITIAL = "initial"
    TRAILING = "trailing"


class CallStarted(msgspec.Struct, frozen=True, gc=False, array_like=True, tag=0):
    """The request's headers are there. ``deadline_ns`` is absolute; None means no deadline.

    ``wire`` holds what only the wire engine knows (connection and stream ids, …): flat,
    JSON-ready values; empty for the relay.
    """

    call_id: int
    time_ns: int
    method: str  # "/package.Service/Method", as on the wire
    peer: str = ""  # "ipv4:127.0.0.1:50412"
    authority: str = ""
    target: str = ""
    engine: str = "relay"
    deadline_ns: int | None = None
    content_type: str = ""  # "" where the engine cannot see it
    replay_of: int | None = None
    wire: dict[str, str | int | float] = msgspec.field(default_factory=dict)


class MetadataSeen(msgspec.Struct, frozen=True, gc=False, array_like=True, tag=1):
    """One block of metadata passed."""

    call_id: int
    time_ns: int
    section: Section
    metadata: Metadata


class MessageSeen(msgspec.Struct, frozen=True, gc=False, array_like=True, tag=2):
    """One message passed whole. ``data`` is the payload as on the wire, without its prefix.

    ``lost`` is the payload's size where it was too large to be kept and ``data`` is empty.
    """

    call_id: int
    time_ns: int
    direction: Direction
    data: bytes
    compressed: bool = False
    encoding: str = ""
    lost: int | None = None


class HalfClosed(msgspec.Struct, frozen=True, gc=False, array_like=True, tag=3):
    """The client has said that it sends no more messages."""

    call_id: int
    time_ns: int


class CallEnded(msgspec.Struct, frozen=True, gc=False, array_like=True, tag=4):
    """The call is over. ``status`` is what the client was told, or would have been.

    ``note`` says in a sentence what the status alone does not (why the target was not
    reached, which RST code came); ``wire`` adds to the started event's.
    """

    call_id: int
    time_ns: int
    status: Status
    ended_by: EndedBy = EndedBy.BACKEND
    note: str = ""
    wire: dict[str, str | int | float] = msgspec.field(default_factory=dict)


Event = CallStarted | MetadataSeen | MessageSeen | HalfClosed | CallEnded


class KindDeclared(msgspec.Struct, frozen=True, gc=False, array_like=True, tag=5):
    """The kind that the schema declares for a call's method; None if it had none when the call ended.

    Engines do not emit it: it is only in what is stored, ahead of the end of a call that was imported.
    """

    call_id: int
    time_ns: int
    kind: Kind | None


StoredEvent = Event | KindDeclared


class Sink(Protocol):
    """Where events go. ``emit`` appends and returns: it never waits and never raises."""

    def emit(self, *events: Event) -> None:
        """Take in events of one call, at least one, in their order."""

    def emit_all(self, calls: Sequence[Sequence[Event]]) -> None:
        """The same for several calls that have come together: what costs something each time costs it once."""


class CallIds:
    """Hands out call ids: 1, 2, 3 … within one history or session.

    Calls are emitted in the order of their ids. Who emits a call at once takes its id; who emits it a moment later
    reserves one, and sets ``settle`` to what emits all that is still to come.
    """

    def __init__(self, first: int = 1) -> None:
        self._next = itertools.count(first)
        self.settle: Callable[[], None] = lambda: None

    def take(self) -> int:
        """An id for a call that starts now."""
        self.settle()
        return next(self._next)

    def reserve(self) -> int:
        """An id for a call that ``settle`` would emit."""
        return next(self._next)
