"""The interface between engines and everything else: six kinds of event, and the sink that they are emitted to.

An engine allocates a call's id from :class:`CallIds` and emits, for each call, one
:class:`CallStarted`, then any number of :class:`MetadataSeen` and :class:`MessageSeen`,
at most one :class:`HalfClosed`, then exactly one :class:`CallEnded`. These are of what went on. Where something acted
on an item, an :class:`Intercepted` comes first, with what came. Emitting never waits and never raises.

Times are wall-clock nanoseconds since the epoch, read by the engine once per event.

The classes are msgspec's because every call makes eight of them in the path of the wire engine, and a
frozen dataclass takes ten times as long to make. Their numbers (``tag``) and the order of their fields are also
how sessions keep them (:mod:`loom.sessions.event_codec`): adding, moving or renumbering changes that format.
"""

import enum
import itertools
from collections.abc import Sequence
from typing import Protocol

import msgspec

from .call import Kind
from .interception import Action, Point
from .message import Direction
from .metadata import Metadata
from .status import EndedBy, Status


class Section(enum.StrEnum):
    """Which block of metadata an event carries."""

    REQUEST = "request"
    INITIAL = "initial"
    TRAILING = "trailing"


class CallStarted(msgspec.Struct, frozen=True, gc=False, array_like=True, tag=0):
    """The request's headers arrived. ``deadline_ns`` is absolute; None means no deadline.

    ``wire`` carries HTTP/2 details that only the wire engine has (connection and stream ids, …): flat,
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
    content_type: str = ""  # "" where the engine does not expose it
    replay_of: int | None = None
    wire: dict[str, str | int | float] = msgspec.field(default_factory=dict)


class MetadataSeen(msgspec.Struct, frozen=True, gc=False, array_like=True, tag=1):
    """One block of metadata was forwarded."""

    call_id: int
    time_ns: int
    section: Section
    metadata: Metadata


class MessageSeen(msgspec.Struct, frozen=True, gc=False, array_like=True, tag=2):
    """One message was forwarded. ``data`` is the payload as on the wire, without its length prefix.

    ``lost`` is the payload's size in bytes where it was too large to keep and ``data`` is empty.
    """

    call_id: int
    time_ns: int
    direction: Direction
    data: bytes
    compressed: bool = False
    encoding: str = ""
    lost: int | None = None


class HalfClosed(msgspec.Struct, frozen=True, gc=False, array_like=True, tag=3):
    """The client half-closed its side of the stream."""

    call_id: int
    time_ns: int


class CallEnded(msgspec.Struct, frozen=True, gc=False, array_like=True, tag=4):
    """The call ended. ``status`` is what the client received, or would have received.

    ``note`` explains in a sentence what the status does not (why the target was not
    reached, the code of an RST_STREAM); ``wire`` adds to the values of :class:`CallStarted`.
    """

    call_id: int
    time_ns: int
    status: Status
    ended_by: EndedBy = EndedBy.BACKEND
    note: str = ""
    wire: dict[str, str | int | float] = msgspec.field(default_factory=dict)


class Intercepted(msgspec.Struct, frozen=True, gc=False, array_like=True, tag=6):
    """Something acted on an item: see :class:`loom.model.interception.Interception` for the fields.

    It comes ahead of the events of what went on in the item's place.
    """

    call_id: int
    time_ns: int
    point: Point
    index: int
    came_ns: int
    actions: tuple[Action, ...]
    altered: bool = True
    count: int = 1
    data: bytes | None = None
    compressed: bool = False
    encoding: str = ""
    metadata: Metadata | None = None
    status: Status | None = None
    lost: int | None = None
    kept: int | None = None


Event = CallStarted | MetadataSeen | MessageSeen | HalfClosed | CallEnded | Intercepted


class KindDeclared(msgspec.Struct, frozen=True, gc=False, array_like=True, tag=5):
    """The kind that the schema declares for a call's method; None if it had none when the call ended.

    Engines do not emit it: it is only in what is stored, ahead of the end of a call that was imported.
    """

    call_id: int
    time_ns: int
    kind: Kind | None


StoredEvent = Event | KindDeclared


class Sink(Protocol):
    """Where events go. ``emit`` appends and returns: it never waits and never raises.

    Calls start in the order of their ids. An engine allocates ids in the order in which it emits calls, but buffers
    them: any other source of calls flushes the engine first, then allocates an id and emits its
    :class:`CallStarted` in the same step of the event loop.
    """

    def emit(self, *events: Event) -> None:
        """Append events of one call, at least one, in their order."""

    def emit_all(self, calls: Sequence[Sequence[Event]]) -> None:
        """Append events of several calls in one batch, so that a cost per batch is paid once."""


class CallIds:
    """A counter of call ids: 1, 2, 3 … within one history or session."""

    def __init__(self, first: int = 1) -> None:
        self.first = first
        """The first of them."""
        self._counter = itertools.count(first)

    def allocate(self) -> int:
        """Return the next id; see :class:`Sink` for the order in which calls are emitted."""
        return next(self._counter)
