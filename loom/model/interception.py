"""The interface between an engine and what acts on traffic: points, items, decisions, interceptors.

A call passes seven points. The two directions are independent, and items of one direction stay in order:

    start → request-metadata → request-message … → half-close
            response-metadata → response-message … → status

At each point that an interceptor has asked for, the engine hands it one item and waits with that direction until it has
a :class:`Decision`: what goes on in the item's place. The engine knows nothing of rules, faults or breakpoints; an
interceptor knows nothing of an engine.
"""

import enum
from collections.abc import Callable, Iterable, Mapping
from typing import Protocol

import msgspec

from .metadata import Metadata, MetadataItem
from .status import Status


class Point(enum.StrEnum):
    """Where in a call an item can be intercepted."""

    START = "start"
    REQUEST_METADATA = "request-metadata"
    REQUEST_MESSAGE = "request-message"
    HALF_CLOSE = "half-close"
    RESPONSE_METADATA = "response-metadata"
    RESPONSE_MESSAGE = "response-message"
    STATUS = "status"


class ActionKind(enum.StrEnum):
    """What acted on an item."""

    RULE = "rule"
    FAULT = "fault"
    BREAKPOINT = "breakpoint"
    MOCK = "mock"


class Action(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """What one rule did to one item: ``effect`` in words, as in ``set items[*].price``.

    ``applied`` is false where it did not, and ``effect`` says why: it failed, or a rule before it ended the call.
    """

    kind: ActionKind
    name: str
    effect: str
    applied: bool = True


HELD = "held"
"""The effect of a breakpoint on an item that it holds still; its decision takes the place of that."""


class CallStart(msgspec.Struct, frozen=True, gc=False):
    """The item at :attr:`Point.START`. ``timeout`` is that of the call to the target, in seconds; None: no deadline."""

    timeout: float | None = None


class HeaderBlock(msgspec.Struct, frozen=True, gc=False):
    """The item at :attr:`Point.REQUEST_METADATA` and :attr:`Point.RESPONSE_METADATA`."""

    metadata: Metadata


class MessageItem(msgspec.Struct, frozen=True, gc=False):
    """One message, without its length prefix; ``encoding`` is its compression if ``compressed``.

    ``recorded`` is what is recorded instead of it, where a part of it shall not be.
    """

    data: bytes
    compressed: bool = False
    encoding: str = ""
    recorded: bytes | None = None


class HalfClose(msgspec.Struct, frozen=True, gc=False):
    """The client's half-close. In the place of a request message: no more of them are forwarded."""


class FinalStatus(msgspec.Struct, frozen=True, gc=False):
    """The status and the trailers. ``Status.details`` is that of the trailers."""

    status: Status
    trailing: Metadata = ()


Item = CallStart | HeaderBlock | MessageItem | HalfClose | FinalStatus


class Decision(msgspec.Struct, frozen=True, gc=False):
    """What goes on in the place of an item.

    ``items`` are of the item's direction: any number of messages at the message points, with a :class:`HalfClose` after
    them to end the requests, or before the item at ``half-close`` and ``status``. At other points there is one item.
    ``end``: the call ends with this status once ``items`` are sent, and the target's call is cancelled.
    ``cancel_target``: only the target's call is cancelled, and the client waits on.
    ``actions`` are recorded; without them the item is untouched.
    """

    items: tuple[Item, ...] = ()
    end: FinalStatus | None = None
    cancel_target: bool = False
    actions: tuple[Action, ...] = ()


class CallFacts(msgspec.Struct, frozen=True, gc=False):
    """What is known of a call when it starts."""

    method: str
    metadata: Metadata = ()
    peer: str = ""
    authority: str = ""
    target: str = ""
    engine: str = "relay"
    timeout: float | None = None


Release = Callable[[Decision], None]


class CallControl(Protocol):
    """Acts on a call while none of its items is held. Thread-safe; does nothing on a call that is over."""

    @property
    def id(self) -> int:
        """The call's number; 0 until its start is recorded."""

    def end(self, final: FinalStatus, actions: tuple[Action, ...]) -> None:
        """End the call with this status, and cancel the target's call."""

    def cancel_target(self, actions: tuple[Action, ...]) -> None:
        """Cancel the target's call, and let the client wait."""

    def note(self, point: Point, index: int, actions: tuple[Action, ...]) -> None:
        """Record that the item that is held at a point is held by these, while it is.

        What is recorded of breakpoints is superseded by their decision; of others it is all that is recorded.
        """


class CallInterceptor(Protocol):
    """Intercepts the items of one call. An engine uses it from one thread at a time."""

    @property
    def points(self) -> frozenset[Point]:
        """The points at which it is asked; the items of all others pass. Constant."""

    def start(self, control: CallControl) -> None:
        """The call starts: called once, ahead of its first item."""

    def intercept(self, point: Point, index: int, item: Item, release: Release) -> Decision | None:
        """Decide at once, or return None and call ``release`` once later, on any thread.

        ``index`` counts the messages that came in this direction, from 0; it is 0 at the other points. If it raises,
        the item passes unchanged, and the call notes the error.
        """

    def close(self) -> Mapping[Point, tuple[Action, ...]]:
        """The call is over: what is still held is not needed. Called once; ``release`` then does nothing.

        Returns what held items until now, by their points, to be recorded.
        """


class Interceptor(Protocol):
    """Chooses the calls to act on. Thread-safe."""

    def may_act(self, method: str, metadata: Iterable[MetadataItem]) -> bool:
        """Whether anything may act on a call of this method with this request metadata.

        Every call pays for it: a cached lookup of the method, and where that is not enough, one of each metadata item.
        """

    def open(self, call: CallFacts) -> CallInterceptor | None:
        """An interceptor for a call that starts; None where nothing acts on it."""


class Interception(msgspec.Struct, gc=False):
    """What was done to one item of a recorded call.

    ``came_ns`` and ``time_ns`` are when the item came and when it went on. ``count`` is how many went on in its place,
    of which the first is the call's message number ``position``. Of an altered item the original is kept: ``data`` (of
    ``size`` bytes, None if they were dropped or the message is unaltered), ``metadata`` (a header block or trailers),
    ``status``. ``kept`` is which of those that went on is the item as it came, from 0; None: none is.
    """

    point: Point
    index: int
    came_ns: int
    time_ns: int
    actions: tuple[Action, ...]
    position: int = 0
    count: int = 1
    data: bytes | None = None
    size: int = 0
    compressed: bool = False
    encoding: str = ""
    metadata: Metadata | None = None
    status: Status | None = None
    altered: bool = True
    kept: int | None = None

    @property
    def held_ns(self) -> int:
        """How long the item was held."""
        return self.time_ns - self.came_ns


def held_spans(interceptions: Iterable[Interception]) -> list[tuple[int, int]]:
    """From when to when breakpoints held items, in nanoseconds: in order, without overlaps."""
    spans: list[tuple[int, int]] = []
    for start, end in sorted(
        (item.came_ns, item.time_ns)
        for item in interceptions
        if any(action.kind is ActionKind.BREAKPOINT for action in item.actions)
    ):
        if spans and start <= spans[-1][1]:
            spans[-1] = spans[-1][0], max(spans[-1][1], end)
        elif end > start:
            spans.append((start, end))
    return spans
