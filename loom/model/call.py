"""A call as it is known so far: the fold of its events."""

import enum

import msgspec

from .message import Direction, Messages
from .metadata import Metadata
from .status import EndedBy, Status, StatusCode


class Kind(enum.StrEnum):
    """The stream type, from the schema if it is known, else from what was seen."""

    UNARY = "unary"
    SERVER = "server"
    CLIENT = "client"
    BIDI = "bidi"


class CallState(enum.StrEnum):
    LIVE = "live"
    ENDED = "ended"


class Call(msgspec.Struct, gc=False):
    """Everything recorded of one call.

    Counters and byte totals (message payloads, as on the wire) count everything that
    passed; ``messages`` may hold less, and ``dropped_messages`` / ``dropped_bytes`` say
    by how much. Times are wall-clock nanoseconds, None until they happen.
    ``version`` grows with every change.
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
    half_closed_after: int | None = None  # how many messages had passed by then
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
    version: int = 0
    restored: bool = False  # read back from the session of an earlier run

    @property
    def state(self) -> CallState:
        return CallState.LIVE if self.ended_ns is None else CallState.ENDED

    @property
    def service(self) -> str:
        """``package.Service``; the whole path where it has no second slash."""
        return self.method.lstrip("/").rpartition("/")[0] or self.method

    @property
    def method_name(self) -> str:
        return self.method.rpartition("/")[2]

    @property
    def is_error(self) -> bool:
        return self.status is not None and self.status.code != StatusCode.OK

    @property
    def kind(self) -> Kind:
        """The declared kind, or what the traffic so far looks like."""
        if self.declared_kind is not None:
            return self.declared_kind
        many_in, many_out = self.request_messages > 1, self.response_messages > 1
        if many_in:
            return Kind.BIDI if many_out else Kind.CLIENT
        return Kind.SERVER if many_out else Kind.UNARY

    @property
    def duration_ns(self) -> int | None:
        return None if self.ended_ns is None else self.ended_ns - self.started_ns

    def count(self, direction: Direction) -> int:
        return self.request_messages if direction is Direction.REQUEST else self.response_messages
