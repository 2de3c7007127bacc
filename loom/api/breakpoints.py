"""Breakpoints: which items of which calls are held for a person, and how many were."""

import enum
from typing import Annotated

from msgspec import Meta, field

from loom.model.interception import Point

from .base import Answer, Parameters, Question

_DAY = 86_400.0


class ReleasePolicy(enum.StrEnum):
    """When Loom sends a held item automatically, unedited."""

    DEADLINE = "deadline"  # shortly before the call's deadline
    NEVER = "never"
    AFTER = "after"  # after a time of its own


class Breakpoint(Answer):
    """One breakpoint."""

    name: str
    """Its name."""
    match: str
    """The filter of the calls whose items it holds."""
    points: list[Point]
    """Where in a call it holds items."""
    release: ReleasePolicy
    """When Loom sends an item automatically: `deadline`: shortly before the call's deadline, at 250 ms or 5 % of it,
    whichever is more; `after`: after `release_after_ms`; `never`."""
    release_after_ms: float
    """For `after`: how long an item is held."""
    enabled: bool
    """Whether it is switched on."""
    calls: int
    """Calls that it matched."""
    hits: int
    """Items that it held."""


class Breakpoints(Answer):
    """All breakpoints, and what is held."""

    breakpoints: list[Breakpoint]
    """The breakpoints, in the order in which they were set."""
    watched: bool
    """Whether somebody looks. While nobody does, breakpoints let everything pass."""
    holding: int
    """Items that are held now, without those whose call is over."""
    passed_unwatched: int
    """Calls and items that passed since nobody looked."""
    passed_limit: int
    """Items that passed since too many, or too large ones, were held."""
    passed_deadline: int
    """Items that passed since the deadline of their call was too near."""


class BreakpointRequest(Question):
    """A breakpoint to set, for calls that start from now on. It takes the place of one of the same name."""

    match: str = ""
    """A filter of what is known when a call starts: method, service, authority, peer, metadata, target; empty for
    every call."""
    points: Annotated[list[Point], Meta(min_length=1)] = field(
        default_factory=lambda: [Point.REQUEST_MESSAGE, Point.RESPONSE_MESSAGE]
    )
    """Where to hold items; both directions' messages by default."""
    name: str = ""
    """A name; empty for one that Loom chooses."""
    release: ReleasePolicy = ReleasePolicy.DEADLINE
    """When Loom sends an item automatically."""
    release_after_ms: Annotated[float, Meta(ge=0, le=_DAY * 1000)] = 0
    """For `after`: how long an item is held."""


class BreakpointsSwitch(Question):
    """Switches all breakpoints, or one. What one that is switched off holds is sent."""

    enabled: bool
    """Whether they shall hold items."""
    name: str = ""
    """The breakpoint; empty for all."""


class BreakpointParameters(Parameters):
    """Which breakpoint."""

    name: str = ""
    """Its name; empty for all."""
