"""One held item."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from loom.model.interception import (
    Action,
    ActionKind,
    CallControl,
    CallFacts,
    Decision,
    FinalStatus,
    HeaderBlock,
    Item,
    MessageItem,
    Point,
    Release,
)
from loom.model.memory import metadata_cost

from .breakpoints import Breakpoint


class HoldingCall(Protocol):
    """What a hold knows of its call. ``control`` is None until the call starts."""

    @property
    def facts(self) -> CallFacts: ...
    @property
    def control(self) -> CallControl | None: ...


@dataclass(frozen=True, slots=True)
class Expiry:
    """When an item is sent automatically: after ``seconds`` (None: never), and why, in words."""

    seconds: float | None = None
    reason: str = ""


@dataclass(slots=True, eq=False)
class Hold:
    """One held item.

    ``items`` go on in its place if it is not edited: the item itself and what rules have added, of which ``subject`` is
    the position of the one to edit. ``actions`` are those of the rules. ``names`` are of the breakpoints or rules that
    hold it. ``edit`` is a saved edit of the subject. ``over``: its call is over, so that it can no longer go on. Times
    are wall-clock nanoseconds; the ``deadline_ns`` is that of the call, at ``release_ns`` it is sent automatically.
    """

    id: int
    call: HoldingCall
    point: Point
    index: int
    items: tuple[Item, ...]
    subject: int
    actions: tuple[Action, ...]
    names: tuple[str, ...]
    breakpoints: tuple[Breakpoint, ...]
    came_ns: int
    deadline_ns: int | None
    release_ns: int | None
    release_reason: str
    size: int
    release: Release
    edit: Item | None = None
    over: bool = False
    cancel_timer: Callable[[], None] = lambda: None

    @property
    def item(self) -> Item:
        """The item as a saved edit has it, or as it came."""
        return self.items[self.subject] if self.edit is None else self.edit

    def decision(self, items: tuple[Item, ...], effect: str, end: FinalStatus | None = None) -> Decision:
        """A decision on it, which is recorded for each breakpoint with its effect in words."""
        actions = (Action(ActionKind.BREAKPOINT, name, effect) for name in self.names)
        return Decision(items, end, actions=(*self.actions, *actions))


def size_of(item: Item) -> int:
    """The bytes that an item counts as."""
    if isinstance(item, MessageItem):
        return len(item.data)
    if isinstance(item, HeaderBlock):
        return metadata_cost(item.metadata)
    if isinstance(item, FinalStatus):
        return metadata_cost(item.trailing) + len(item.status.message)
    return 0


def subject_of(items: tuple[Item, ...]) -> int:
    """The position of the item to edit: the first message, or else the last item."""
    for position, item in enumerate(items):
        if isinstance(item, MessageItem):
            return position
    return len(items) - 1
