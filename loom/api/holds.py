"""Holds: the items that breakpoints hold, and what a person decides on each."""

import enum
from collections.abc import Mapping
from typing import Annotated

from msgspec import UNSET, Meta, UnsetType, field

from loom.model.interception import Point

from .base import Answer, Json, Question
from .calls import MetadataItem, Status
from .messages import MessageView
from .replay import MetadataEdit


class HoldAction(enum.StrEnum):
    """What to do with a held item."""

    SEND = "send"
    EDIT = "edit"
    DROP = "drop"
    DUPLICATE = "duplicate"
    INSERT_BEFORE = "insert-before"
    INSERT_AFTER = "insert-after"
    ANSWER = "answer"
    CANCEL = "cancel"


class Continuation(enum.StrEnum):
    """How the call of an item goes on."""

    STAY = "stay"  # breakpoints hold as before
    STEP = "step"  # the next item is held, at whatever point
    RUN = "run"  # nothing of this call is held any more


class Hold(Answer):
    """One held item."""

    id: int
    """The number of the hold."""
    call_id: int
    """The call; 0 if it is not recorded yet."""
    method: str
    """The call's full method name."""
    peer: str
    """The client's address."""
    point: Point
    """Where in the call the item is held."""
    index: int
    """Of a message: its number among those that came in its direction, from 0."""
    names: list[str]
    """The breakpoints, or rules, that hold it; those of the item before it after a step."""
    came_us: int
    """Since when it is held."""
    deadline_us: int | None
    """The deadline of the call, which cannot be stopped."""
    release_us: int | None
    """When Loom sends it automatically, unedited; null for never."""
    release_reason: str
    """Why then."""
    size: int
    """Length in bytes."""
    edited: bool
    """Whether an edit of it was saved."""
    over: bool
    """The call is over: its client has left, or the target has ended it. The item can no longer be sent; it stays, with
    its edit, until it is dropped or makes room."""


class Holds(Answer):
    """Everything that is held."""

    seq: int
    """Grows with every change: of two answers or events, the one with the larger number is the newer."""
    holds: list[Hold]
    """The held items, oldest first."""
    bytes: int
    """Their sizes together."""
    max_holds: int
    """At most this many items are held; further ones pass."""
    max_bytes: int
    """At most this many bytes are held."""
    watched: bool
    """Whether somebody looks. If nobody does for five seconds, everything is sent."""
    passed_unwatched: int
    """Calls and items that passed since nobody looked."""
    passed_limit: int
    """Items that passed since too many, or too large ones, were held."""
    passed_deadline: int
    """Items that passed since the deadline of their call was too near."""


class HoldDetail(Hold, kw_only=True):
    """A held item with its content: what a saved edit has made of it."""

    message: MessageView | None = None
    """The message; null at other points."""
    metadata: list[MetadataItem] | None = None
    """The header block, or the trailers; null at other points."""
    status: Status | None = None
    """The status; null at other points."""
    deadline_ms: float | None = None
    """At the start: the deadline of the target's call; null for none."""
    added: int = 0
    """How many further items a rule has added, which go on with it."""


class FieldEdit(Question):
    """A field of a message to set or to delete."""

    path: str
    """Its path: numbers (`1.3`) need no schema, names (`items[0].price`) do."""
    value: Json = None
    """The value to set: JSON; without a schema a number, a text, or `{"base64": "…"}`."""
    delete: bool = False
    """Whether to delete it instead."""


class StatusEdit(Question):
    """A status."""

    code: str | int
    """The code, by its name or number."""
    message: str = ""
    """The status message."""
    details: list[Json] = field(default_factory=list)
    """Error details, each with its `@type`."""


class HoldDecision(Question):
    """What to do with a held item. If it does not fit, the item stays held."""

    action: HoldAction = HoldAction.SEND
    """`send` it, with an edit or as it is; save the `edit`, and hold on; `drop` it; `duplicate` it; `insert-before` or
    `insert-after` it another message; `answer` the call with a status; `cancel` the call."""
    json: Json | UnsetType = UNSET
    """The whole message, edited, in canonical protobuf JSON; of an insertion the message to insert. What is not edited
    keeps its bytes."""
    fields: list[FieldEdit] = field(default_factory=list)
    """Single fields to edit, in order, after `json`."""
    metadata: list[MetadataEdit] | None = None
    """The whole header block, or the trailers. A masked value stands for what came."""
    status: StatusEdit | None = None
    """The status, at that point or to answer with."""
    deadline_ms: Annotated[float, Meta(ge=0)] | None = None
    """At the start: the deadline of the target's call; 0 is none."""
    then: Continuation = Continuation.STAY
    """`stay`: breakpoints hold as before; `step`: the next item of this call is held, at whatever point; `run`: this
    call is held no more."""


HOLD_EVENTS: Mapping[str, type] = {"holds": Holds}
"""What the data of each event of the stream of holds is."""
