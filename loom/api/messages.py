"""Messages of a call: rows of a page, one message in every view, samples over time."""

from typing import Annotated, Literal

from msgspec import UNSET, Meta, Raw, UnsetType, field

from loom.model import Direction

from .base import MAX_INTEGER, Answer, Json, Parameters

NodeKind = Literal["message", "list", "map", "scalar", "enum", "bytes", "any", "unknown"]
_MAX_BYTES = 64 * 1024 * 1024


class Node(Answer, kw_only=True, gc=False):
    """A value in the tree of a message."""

    key: str
    """The field's name, the index in a list, the key in a map; in the wire view the field's number."""
    number: int | None = None
    """The field's number."""
    kind: NodeKind
    """What the value is; `unknown` for a field that no descriptor describes."""
    type: str
    """The type's name; in the wire view the wire type and the best guess (`len: message`)."""
    value: Json = None
    """The value of a leaf: 64-bit integers as text, bytes in base64, enum values by name, well-known types such as
    Timestamp in their canonical JSON."""
    children: list["Node"] = field(default_factory=list)
    """The fields, items or entries in it."""
    note: str = ""
    """What is doubtful about it, such as `unknown field`."""
    more: int = 0
    """Children that were left out of a very large node."""
    enum_number: int | UnsetType = UNSET
    """The number of an enum value."""
    oneof: str | UnsetType = UNSET
    """The oneof that the field belongs to."""


class MessageRow(Answer):
    """A message in one line."""

    index: int
    """Its position in the call, from 0, both directions counted together."""
    direction: Direction
    """Which way it went."""
    time_us: int
    """When it passed."""
    size: int
    """Length in bytes, as on the wire."""
    compressed: bool
    """Whether it was compressed."""
    encoding: str
    """The compression (`grpc-encoding`); empty if it is not known."""
    dropped: bool
    """Whether its bytes are no longer held."""
    type: str | None
    """The full name of its message type; null without a schema."""
    preview: str
    """Its content in one line of at most 200 characters."""
    error: str | None
    """Why it cannot be decoded; its bytes can be shown all the same."""


class MessagesPage(Answer):
    """Rows in the order in which the messages passed."""

    total: int
    """Messages of the call so far."""
    gap: tuple[int, int] | None
    """Indices from (included) and to (excluded) of messages that were dropped to stay within the memory budget."""
    half_closed_after: int | None
    """How many messages had passed when the client finished sending."""
    messages: list[MessageRow]
    """The rows."""


class MessageView(MessageRow):
    """A message in every view."""

    json: Json
    """The message in canonical protobuf JSON, or as it is if it was JSON. Null if there is none, or it was cut. An Any
    of an unknown type is `{"@type": url, "@value": base64}`."""
    json_text: str | None
    """The same as text, in which no number loses digits."""
    json_cut: bool
    """Whether `json_text` is only the beginning."""
    tree: Node | Raw | None
    """The typed view."""
    wire: Node | Raw | None
    """The view without a schema: fields by number."""
    hex: str
    """The bytes, decompressed, in hexadecimal; at most the parameter `bytes` of them."""
    data_base64: str
    """The same in base64."""
    truncated: int
    """How many bytes were left out of `hex` and `data_base64`."""
    source: str | None
    """Where the descriptor came from; null without one."""
    schema_error: str | None
    """Why the descriptor is missing."""
    drift: bool
    """Whether the message has fields that the descriptor does not know."""
    protocol: str
    """`gRPC`, `gRPC-Web` or `Connect`."""
    payload: str
    """`proto`, `json`, or what else the content type names."""


class StreamSamples(Answer):
    """Messages at evenly spaced indices of a stream, to draw it over time."""

    total: int
    """Messages of the call so far."""
    samples: list[tuple[int, int, Literal[0, 1], int]]
    """Index, time in microseconds, direction (0 request, 1 response), size in bytes."""


class MessagesParameters(Parameters, rename={"start": "from"}):
    """Which messages to list."""

    start: Annotated[int, Meta(ge=0, le=MAX_INTEGER)] = 0
    """The first index."""
    limit: Annotated[int, Meta(ge=1, le=1000)] = 100
    """At most this many rows."""


class SamplesParameters(Parameters):
    """How many samples to take."""

    points: Annotated[int, Meta(ge=2, le=5000)] = 600
    """At most this many."""


class MessageParameters(Parameters):
    """How much of a message to show."""

    bytes: Annotated[int, Meta(ge=0, le=_MAX_BYTES)] = 65536
    """At most this many bytes in `hex` and `data_base64`."""
    text: Annotated[int, Meta(ge=0, le=_MAX_BYTES)] | None = None
    """Show `json_text` without white space and with at most this many characters."""
    raw: bool = False
    """Answer with the payload itself (`application/octet-stream`), as it was on the wire."""
