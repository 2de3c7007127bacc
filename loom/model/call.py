"""A call, from its first event on: the projection of its events."""

import enum

import msgspec

from .interception import ActionKind, Interception, held_spans
from .message import Direction, Messages
from .metadata import Metadata
from .status import EndedBy, Status, StatusCode


class Kind(enum.StrEnum):
    """The stream type of a method."""

    UNARY = "unary"
    SERVER = "server"
    CLIENT = "client"
    BIDI = "bidi"


class CallState(enum.StrEnum):
    LIVE = "live"
    ENDED = "ended"


class Call(msgspec.Struct, gc=False):
    """Everything recorded of one call.

    The counts and totals of messages (payload bytes, as on the wire) include messages whose bytes were dropped;
    ``dropped_messages`` and ``dropped_bytes`` are the count and total of those. ``messages``, the metadata and
    ``status`` are what went on; ``interceptions`` have what came instead, where something acted on it. Times are
    wall-clock nanoseconds, None until they happen. ``version`` grows with every change.
    """

    id: int
    method: str
    started_ns: int
    peer: str = ""
    authority: str = ""
    target: str = ""
    engine: str = "relay"
    content_type: str = ""
    deadline_ns: int | None = None
    replay_of: int | None = None
    declared_kind: Kind | None = None

    request_metadata: Metadata = ()
    initial_metadata: Metadata | None = None
    trailing_metadata: Metadata | None = None
    initial_ns: int | None = None
    first_request_ns: int | None = None
    first_response_ns: int | None = None
    last_request_ns: int | None = None
    last_response_ns: int | None = None
    half_closed_ns: int | None = None
    half_closed_after: int | None = None  # the number of messages ahead of it
    ended_ns: int | None = None

    request_messages: int = 0
    response_messages: int = 0
    request_bytes: int = 0
    response_bytes: int = 0

    status: Status | None = None
    ended_by: EndedBy | None = None
    note: str = ""
    wire: dict[str, str | int | float] = msgspec.field(default_factory=dict)

    messages: Messages = msgspec.field(default_factory=Messages)
    dropped_messages: int = 0
    dropped_bytes: int = 0
    interceptions: list[Interception] = msgspec.field(default_factory=list)
    dropped_interceptions: int = 0  # past the limit
    original_bytes: int = 0  # payload of the interceptions
    acted: tuple[tuple[ActionKind, str], ...] = ()  # what acted on it, by name, in the order of first actions
    modified: bool = False  # something went on that differs from what came
    version: int = 0
    restored: bool = False  # read from the session of a previous run

    @property
    def state(self) -> CallState:
        return CallState.LIVE if self.ended_ns is None else CallState.ENDED

    @property
    def service(self) -> str:
        """``package.Service``; the whole path if it has no second slash."""
        return self.method.lstrip("/").rpartition("/")[0] or self.method

    @property
    def method_name(self) -> str:
        return self.method.rpartition("/")[2]

    @property
    def is_error(self) -> bool:
        return self.status is not None and self.status.code != StatusCode.OK

    @property
    def kind(self) -> Kind:
        """The declared kind, else the one that the traffic so far suggests."""
        if self.declared_kind is not None:
            return self.declared_kind
        requests_stream, responses_stream = self.request_messages > 1, self.response_messages > 1
        if requests_stream:
            return Kind.BIDI if responses_stream else Kind.CLIENT
        return Kind.SERVER if responses_stream else Kind.UNARY

    @property
    def duration_ns(self) -> int | None:
        # The system's clock may have been set back meanwhile.
        return None if self.ended_ns is None else max(self.ended_ns - self.started_ns, 0)

    @property
    def held_ns(self) -> int:
        """For how long breakpoints held it."""
        if not any(kind is ActionKind.BREAKPOINT for kind, _ in self.acted):
            return 0
        return sum(end - start for start, end in held_spans(self.interceptions))

    @property
    def active_ns(self) -> int:
        """The duration without the time for which breakpoints held it; 0 before the end."""
        return max((self.duration_ns or 0) - self.held_ns, 0) if self.acted else self.duration_ns or 0

    def count(self, direction: Direction) -> int:
        return self.request_messages if direction is Direction.REQUEST else self.response_messages
