"""The types of lines. They define the format: docs/reference/format.schema.json is generated from them."""

from typing import Annotated, Any, Literal

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType

VERSION = 1

Count = Annotated[int, Meta(ge=0)]
Kind = Literal["unary", "server", "client", "bidi"]
Timestamp = Annotated[
    str,
    Meta(
        description="RFC 3339 in UTC, with nanoseconds",
        pattern=r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?Z$",
        examples=["2026-01-31T12:00:00.123456789Z"],
    ),
]
Offset = Annotated[int, Meta(description="nanoseconds after the call's `started`; may be negative")]
Base64 = Annotated[bytes, Meta(description="base64, RFC 4648 section 4")]


Seed = Annotated[int, Meta(ge=-(2**63), le=2**63 - 1)]
Seeds = dict[Annotated[int, Meta(ge=0, le=2**63 - 1)], Seed]
"""Seeds of rules and faults, by the id of the first call that each is of."""


class Header(Struct, tag="header", tag_field="type"):
    """The first line of a file, and of each part that a later run of Loom appends."""

    format: Literal["loom-ndjson"]
    version: Annotated[int, Meta(ge=1, description="raised when older readers would misread the file")]
    generator: str = ""
    secrets: Literal["masked", "revealed"] = "masked"
    fault_seed: Annotated[
        Seed | UnsetType, Meta(description="which calls a percent of a rule or a fault selects; in the log")
    ] = UNSET
    fault_seeds: Annotated[
        Seeds | UnsetType,
        Meta(description="the same in an export: by the id of the first call of each run"),
    ] = UNSET


class Descriptors(Struct, tag="descriptors", tag_field="type"):
    """A google.protobuf.FileDescriptorSet, so that the calls decode without their backend."""

    file_set: Base64
    target: str = ""
    source: str = ""
    origin: str = ""
    fetched: Timestamp | None = None


class Item(Struct, omit_defaults=True):
    """One item of metadata: `value` for text, `base64` for a `-bin` key, or neither and `masked`."""

    key: str
    value: str | None = None
    base64: Base64 | None = None
    masked: bool = False


class Message(Struct, kw_only=True):
    """One message as it was on the wire, without its length prefix; compressed if `compressed`."""

    index: Count
    direction: Literal["request", "response"]
    offset_ns: Offset
    size: Count
    data: Base64 | None
    compressed: bool = False
    encoding: str = ""
    json: Annotated[
        Any, Meta(description="the message decoded, canonical protobuf JSON; for people, and not read back")
    ] = UNSET


class Status(Struct):
    """The status that the call ended with; `details` is grpc-status-details-bin."""

    code: int
    name: str = ""
    message: str = ""
    details: Base64 | None = None


class Action(Struct, omit_defaults=True):
    """What one rule did to an item."""

    kind: Literal["rule", "fault", "breakpoint", "mock"]
    name: str
    effect: str = ""
    applied: Annotated[bool, Meta(description="false: it failed, or a rule before it ended the call")] = True


class Interception(Struct, kw_only=True, omit_defaults=True):
    """An item that something acted on: what came. What went on in its place is in the fields of the call."""

    point: Literal[
        "start",
        "request-metadata",
        "request-message",
        "half-close",
        "response-metadata",
        "response-message",
        "status",
    ]
    index: Annotated[Count, Meta(description="of a message, in its direction, as it came")] = 0
    came_ns: Offset
    went_ns: Offset
    actions: list[Action] = []
    position: Annotated[Count, Meta(description="the index in the call of the first message that went")] = 0
    count: Annotated[Count, Meta(description="how many items went on in its place")] = 1
    altered: bool = True
    data: Base64 | None = None
    size: Count = 0
    compressed: bool = False
    encoding: str = ""
    metadata: list[Item] | None = None
    status: Status | None = None
    kept: Annotated[
        Count | None, Meta(description="which of those that went is the item as it came; null: none is")
    ] = None


class Dropped(Struct):
    """Messages whose bytes Loom had dropped: they are null or missing here."""

    messages: Count = 0
    bytes: Count = 0


class Call(Struct, kw_only=True, tag="call", tag_field="type"):
    """One call. Pairs are [client to backend, backend to client]. What has not happened is null."""

    id: Count
    method: Annotated[str, Meta(examples=["/acme.shop.v1.Shop/GetOrder"])]
    kind: Annotated[Kind | None, Meta(description="null if no schema declared it")] = None
    started: Timestamp
    duration_ns: Annotated[int | None, Meta(description="null: the call had not ended")] = None
    deadline_ns: Offset | None = None
    status: Status | None = None
    ended_by: Literal["backend", "client", "deadline", "loom"] | None = None
    note: str = ""
    peer: str = ""
    authority: str = ""
    target: str = ""
    engine: str = "relay"
    content_type: str = ""
    replay_of: int | None = None
    message_counts: tuple[Count, Count]
    message_bytes: tuple[Count, Count]
    request_metadata: list[Item]
    initial_metadata: list[Item] | None = None
    initial_ns: Offset | None = None
    trailing_metadata: list[Item] | None = None
    first_request_ns: Offset | None = None
    last_request_ns: Offset | None = None
    first_response_ns: Offset | None = None
    last_response_ns: Offset | None = None
    half_closed_ns: Offset | None = None
    half_closed_after: Annotated[int | None, Meta(description="how many messages had passed by then")] = None
    messages: list[Message]
    dropped: Dropped
    interceptions: Annotated[
        list[Interception] | UnsetType, Meta(description="only where something acted on the call")
    ] = UNSET
    dropped_interceptions: Annotated[
        Count | UnsetType, Meta(description="further ones, which Loom did not keep")
    ] = UNSET
    wire: dict[str, str | int | float] = {}


Line = Header | Descriptors | Call


def json_schema() -> dict[str, Any]:
    """The JSON Schema (2020-12) of one line."""
    schema = msgspec.json.schema(Line)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": f"A line of Loom's NDJSON, version {VERSION}",
        **schema,
    }
