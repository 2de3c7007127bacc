"""Calls: the summary that lists and the feed show, one call in full, pages of calls."""

import enum
from typing import Annotated

from msgspec import UNSET, Meta, UnsetType

from loom.model import CallState, EndedBy, Kind
from loom.model.interception import ActionKind, Point

from .base import MAX_INTEGER, Answer, Json, Pair, Parameters
from .messages import Node

CallId = Annotated[int, Meta(ge=0, le=MAX_INTEGER)]


class Flag(enum.StrEnum):
    """A mark on a call, by the name that ``is:`` in a filter takes."""

    REPLAYED = "replayed"
    EDITED = "edited"
    TRUNCATED = "truncated"
    UNOBSERVED = "unobserved"
    RESTORED = "restored"
    MODIFIED = "modified"
    HELD = "held"


class Status(Answer, gc=False):
    """The status of an ended call."""

    code: int
    """The number on the wire."""
    name: str
    """Its name, such as `NOT_FOUND`; `CODE_<n>` where the number has none."""
    message: str
    """The status message; empty if there was none."""


class Summary(Answer, gc=False):
    """A call as lists and the feed show it: no metadata, no payload."""

    id: int
    """The number of the call, from 1 upwards."""
    version: int
    """Grows with every change of the call."""
    method: str
    """The full method name: `/package.Service/Method`."""
    kind: Kind
    """The kind of streaming."""
    kind_known: bool
    """False while `kind` is inferred from the messages seen so far, true if the schema declares it."""
    state: CallState
    """While `live`, `duration_us`, `status` and `ended_by` are null."""
    started_us: int
    """Time of the first byte of the request."""
    duration_us: int | None
    """Time from start to end."""
    status: Status | None
    """The status that the call ended with."""
    ended_by: EndedBy | None
    """Who ended the call."""
    messages: Pair
    """Number of messages."""
    bytes: Pair
    """Payload bytes of all messages, as on the wire."""
    peer: str
    """The client's address, such as `ipv4:127.0.0.1:50412`."""
    authority: str
    """The `:authority` that the client sent; for a replay the one that Loom sent."""
    target: str
    """Where the call was forwarded."""
    engine: str
    """`relay` or `wire`; `replay` for a call that Loom made itself."""
    flags: tuple[Flag, ...]
    """`edited`: a replay whose messages, metadata or deadline were edited; `truncated`: recorded messages were dropped;
    `unobserved`: the wire engine could not follow the connection; `restored`: loaded from the session of an earlier
    run, or imported; `modified`: a rule, a fault or a person altered what went on; `held`: a breakpoint held it."""
    rules: tuple[str, ...]
    """The names of the rules that acted on it."""
    faults: tuple[str, ...]
    """The names of the faults that acted on it."""
    replay_of: int | None
    """The call that this one replays; 0 if that call was not imported along with it."""
    deadline_us: int | None
    """Time of the deadline."""


class CallsPage(Answer):
    """A page of the list, oldest call first."""

    calls: list[Summary]
    """The calls of the page."""
    total: int
    """Calls held in memory."""
    oldest_id: int
    """Ended calls with a smaller id are no longer in memory."""
    evicted: int
    """Calls evicted from memory so far."""
    boot: str
    """Identifies this launch of Loom."""
    seq: int
    """The position of the feed (with `boot`) up to which the page is at least current."""
    more: bool
    """Whether there are further calls beyond `limit`."""
    problems: list[str]
    """What could not be read, a line each."""


class MetadataItem(Answer):
    """One key and value of metadata."""

    key: str
    """The key, in lower case."""
    value: str
    """The value; base64 if `binary`, `••••••` if `masked`."""
    binary: bool
    """Whether the value is bytes (a key that ends in `-bin`)."""
    masked: bool
    """Whether the value is a secret that is not shown; `reveal=1` shows it."""
    decoded: str | None
    """A binary value as text, where it is printable text."""


class CallMetadata(Answer):
    """Metadata of a call. A block that has not been seen is null."""

    request: list[MetadataItem]
    """What the client sent."""
    initial: list[MetadataItem] | None
    """The response headers."""
    trailing: list[MetadataItem] | None
    """The trailers."""


class Timing(Answer):
    """When things happened in a call; null if they have not."""

    started_us: int
    """First byte of the request."""
    initial_us: int | None
    """Response headers."""
    first_request_us: int | None
    """First request message."""
    last_request_us: int | None
    """Newest request message."""
    first_response_us: int | None
    """First response message."""
    last_response_us: int | None
    """Newest response message."""
    half_closed_us: int | None
    """The client finished sending."""
    half_closed_after: int | None
    """How many messages, of both directions, had passed by then."""
    ended_us: int | None
    """The status."""
    deadline_us: int | None
    """The deadline."""
    held: list[tuple[int, int]]
    """From when to when breakpoints held items of it: in order, without overlaps."""


class StatusDetail(Answer):
    """One error detail (a `google.protobuf.Any`), decoded."""

    type: str
    """The full name of its message type."""
    json: Json
    """Its value in canonical protobuf JSON; null if it cannot be decoded."""
    error: str | None
    """Why it cannot be decoded, or not wholly."""
    wire: Node | UnsetType = UNSET
    """The fields by number, of a detail whose type is not known."""


class StatusDetails(Answer):
    """The content of `grpc-status-details-bin`."""

    type: str
    """`google.rpc.Status`."""
    code: int
    """The code in it, which should be that of the status."""
    message: str
    """The message in it."""
    details: list[StatusDetail]
    """The details, in order."""
    raw_base64: str
    """The bytes as they were sent."""
    error: str | None
    """Why the bytes cannot be decoded."""


class MethodSchema(Answer):
    """Where the descriptor of a call's method came from. All fields but `error` are null if there is none."""

    source: str | None
    """The source, such as `reflection v1`."""
    origin: str | None
    """Its address or file."""
    fetched_us: int | None
    """When it was fetched."""
    request_type: str | None
    """The full name of the request's message type."""
    response_type: str | None
    """The full name of the response's message type."""
    error: str | None
    """Why the descriptor is missing."""
    drift: bool
    """Whether messages had fields that the descriptor does not know."""
    problems: list[str]
    """Schema files that cannot be used, and why."""


class Dropped(Answer):
    """What is no longer held of a call, to stay within the memory budget."""

    messages: int
    """Messages."""
    bytes: int
    """Their payload bytes."""


class InterceptionAction(Answer):
    """What one rule or fault did to one item."""

    kind: ActionKind
    """What it is."""
    name: str
    """Its name."""
    effect: str
    """What it did, such as `set items[*].price`."""
    applied: bool
    """False if it did not: it failed, or a rule before it ended the call."""


class Interception(Answer):
    """What was done to one item of a call: what came, and how much went on in its place.

    The item that came is in `metadata` and `status`, or, for a message, at `/api/calls/{id}/originals/{number}`, where
    `number` is the position in this list.
    """

    point: Point
    """Where in the call the item came."""
    index: int
    """Of a message: its number among those that came in its direction, from 0."""
    actions: list[InterceptionAction]
    """What acted on it, in order."""
    altered: bool
    """Whether something else went on; false if it was only delayed, or masked in the record."""
    position: int | None
    """Of a message: the index in the call of the first message that went on in its place, if `count` is not 0."""
    count: int
    """How many items went on in its place."""
    came_us: int
    """When it came."""
    held_us: int
    """For how long it was held."""
    original_size: int | None
    """Of a message: the length of what came; null if that went on, too."""
    original_held: bool
    """Whether the bytes of the message that came can be shown."""
    metadata: list[MetadataItem] | None
    """The header block or the trailers that came; null if the same went on."""
    status: Status | None
    """The status that came; null if the same went on."""


class CallDetail(Summary):
    """A call in full, but for its messages."""

    metadata: CallMetadata
    """Request metadata, response headers and trailers."""
    timing: Timing
    """When things happened."""
    status_details: StatusDetails | None
    """Decoded error details; null if there were none."""
    schema: MethodSchema
    """Where the method's descriptor came from, or why there is none."""
    note: str
    """A remark of Loom about the call, such as why it could not be forwarded."""
    wire: dict[str, str | int | float]
    """Facts of the HTTP/2 stream that the engine reports."""
    dropped: Dropped
    """What is no longer held."""
    replays: list[int]
    """Ids of the calls that replay this one."""
    content_type: str
    """The request's content type; empty if the engine cannot see it."""
    interceptions: list[Interception]
    """What rules and faults did to it, in order."""
    dropped_interceptions: int
    """How many further interceptions are not listed."""


class Cleared(Answer):
    """The answer to clearing the history."""

    cleared: int
    """How many calls were removed."""


class CallsParameters(Parameters):
    """Which calls to list."""

    limit: Annotated[int, Meta(ge=1, le=10_000)] = 1000
    """At most this many calls."""
    before: CallId | None = None
    """Only calls with a smaller id."""
    after: CallId | None = None
    """Only calls with a larger id, the first `limit` of them; without a filter only those in memory."""
    q: str = ""
    """A filter."""
    memory: bool = False
    """Only calls in memory, not those that only the session has."""


class RevealParameter(Parameters):
    """Whether secrets are shown."""

    reveal: bool = False
    """Show secrets instead of masking them."""
