"""Sending a call again, comparing calls, and the command that sends one."""

import enum
from typing import Annotated

from msgspec import Meta, field

from .base import MAX_INTEGER, Answer, Json, Parameters, Question

MessageIndex = Annotated[int, Meta(ge=0, le=MAX_INTEGER)]


class ReplayTiming(enum.StrEnum):
    """When the messages of a replay are sent."""

    FAST = "fast"  # back to back
    RECORDED = "recorded"  # as long after the call's start as they were recorded
    TURNS = "turns"  # each once as many responses have come as had come before it


class ReplaySource(enum.StrEnum):
    """Which of the two is sent again where rules or faults had altered a call on its way."""

    WENT = "went"  # what went on to the target
    CAME = "came"  # what came from the client


class MetadataEdit(Question):
    """One key and value to send."""

    key: str
    """The key, in lower case."""
    value: str
    """The value; base64 for a key that ends in `-bin`. A masked value stands for the recorded one."""
    binary: bool = False
    """Has no effect: the key decides. Accepted so that recorded items can be sent back as they are."""


class ReplayRequest(Question):
    """What differs from the recorded call. What is left out stays as recorded."""

    target: str | None = None
    """Where to send the call: `host:port`."""
    metadata: list[MetadataEdit] | None = None
    """The whole request metadata."""
    messages: list[Json] | None = None
    """The request messages in canonical protobuf JSON."""
    deadline_ms: float | None = None
    """The deadline in milliseconds after the start; 0 is none."""
    timing: ReplayTiming = ReplayTiming.FAST
    """`fast`: back to back; `recorded`: as long after the start as they were recorded; `turns`: each once as many
    responses have come as had come before it."""
    source: ReplaySource | None = None
    """Of a call that rules or faults had altered: `went`, what went on to the target, or `came`, what the client had
    sent. Null is `went`, or `came` if it is sent through the rules."""
    through_rules: bool = False
    """Let the rules, faults and breakpoints in force act on it. Without, it is sent untouched."""


class ReplayStarted(Answer):
    """The replay has begun."""

    id: int
    """The new call."""


class ChangeKind(enum.StrEnum):
    """How two values differ."""

    CHANGED = "changed"
    ADDED = "added"
    REMOVED = "removed"


class Change(Answer):
    """One difference."""

    where: str
    """The place: `request 0`, `response 2`, `status`, `trailing metadata`, …"""
    path: str
    """The field in it (`items[2].price`); empty for all of it."""
    kind: ChangeKind
    """`added` is only on the right, `removed` only on the left."""
    left: Json = None
    """The value on the left; null if there is none."""
    right: Json = None
    """The value on the right; null if there is none."""


class Diff(Answer):
    """What differs between two calls, or between two messages."""

    equal: bool
    """Whether nothing differs."""
    changes: list[Change]
    """The first 10,000 differences."""
    more: int
    """How many differences there are beyond those."""


class GrpcurlCommand(Answer):
    """A shell command that sends the call again."""

    command: str
    """The command; empty if grpcurl cannot send the call."""
    notes: tuple[str, ...] = ()
    """Why it cannot, or what the command does otherwise than the call did."""


class DiffParameters(Parameters):
    """What to compare."""

    message: MessageIndex | None = None
    """Compare only the message of this index."""
    other_message: MessageIndex | None = None
    """Its index in the other call; the same if it is left out."""
    ignore: list[str] = field(default_factory=list)
    """Paths to leave out, separated by commas."""
    reveal: bool = False
    """Show secrets instead of masking them."""


class GrpcurlParameters(Parameters):
    """What the command is for."""

    reveal: bool = False
    """Show secrets instead of masking them."""
    via: str = ""
    """`loom` addresses Loom instead of the target."""
    protoset: str = ""
    """Have the command read the schema from this file."""
