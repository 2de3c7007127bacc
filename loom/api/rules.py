"""Rules and faults that act on traffic: what there is, what it did, the switches, and those that clients add."""

from typing import Annotated, Literal

from msgspec import UNSET, Meta, UnsetType

from loom.model.interception import Point

from .base import Answer, Json, Parameters, Question
from .calls import Status
from .replay import Change


class RuleState(Answer):
    """One rule or fault."""

    name: str
    """Its name."""
    kind: Literal["rule", "fault"]
    """What it is."""
    match: str
    """The filter of the calls that it acts on."""
    description: str
    """What it does, in a sentence."""
    enabled: bool
    """Whether it is switched on."""
    expired: bool
    """Whether it has turned itself off."""
    matched: int
    """Calls that matched."""
    selected: int
    """Those of them that it was to act on, by its percent, times, and so on."""
    acted: int
    """Those of them on which it did something: an edit may find nothing to change, or fail."""
    active: int
    """Calls that it acts on now."""
    overflow: int
    """Calls that it passed because too many were active."""
    failures: int
    """How often it could not be applied."""
    last_error: str
    """Why, the last time."""
    source: Literal["file", "flag", "api"]
    """What it comes from: a file of rules, the flag `--fault`, or this API, by which alone it can be changed."""
    path: str
    """Of a file: its path; otherwise empty."""
    line: int
    """Of a file: the line at which the rule begins; 0 where that is not known."""
    expires_in_s: float | None
    """Seconds until it turns itself off; null without a `for`, 0 once it has."""


class Rules(Answer):
    """Everything that acts on traffic."""

    enabled: bool
    """The switch of all of them."""
    acting: int
    """How many may act on calls now."""
    seed: int
    """What decides which calls a percent selects."""
    problem: str
    """Why the files of rules as they are now cannot be used; the rules from before are in force."""
    warnings: list[str]
    """Rules that never take effect, and why."""
    rules: list[RuleState]
    """The rules, in the order in which they act."""


class RulesSwitch(Question):
    """Switches all rules, or one."""

    enabled: bool
    """Whether they shall act on calls that start from now on."""
    name: str = ""
    """The rule; empty for all."""


class RuleEntry(Question):
    """A rule or a fault to add, as a table of a file of rules: one of the two."""

    rule: Json | UnsetType = UNSET
    """The keys of a `[[rule]]`."""
    fault: Json | UnsetType = UNSET
    """The keys of a `[[fault]]`."""


class RuleReplacement(RuleEntry, kw_only=True):
    """A rule or a fault that takes the place of one that was added."""

    name: str
    """The name of the one that is replaced; the new one may have another."""


class RuleNameParameter(Parameters):
    """Which rule or fault."""

    name: str = ""
    """Its name; empty for all that were added."""


class RuleText(Answer):
    """Rules and faults as the text of a file."""

    json: str
    """In JSON."""
    toml: str
    """In TOML; empty where a value is null, which TOML does not have."""


class RuleTrial(RuleEntry, kw_only=True):
    """A rule or a fault to try on the calls in memory."""

    limit: Annotated[int, Meta(ge=0, le=10_000)] = 1000
    """At most this number of calls, the newest; 0 only checks the rule."""
    shown: Annotated[int, Meta(ge=0, le=100)] = 10
    """How many of the calls that it was to act on are answered, the newest."""


class TriedItem(Answer):
    """What a rule would have done at one point of a call."""

    point: Point
    """Where in the call."""
    index: int
    """Of a message: its number among those of its direction, from 0."""
    effects: list[str]
    """What it would have done, in words."""
    count: int
    """How many items would have gone on in the place of the one that came."""
    changes: list[Change]
    """How the first of them differs from what came; at most 100 differences."""
    ends_with: Status | None
    """The status with which the call would have ended here."""
    delay_us: int
    """For how long the item would have been delayed."""
    never: bool
    """Whether nothing would have gone on until the call's deadline."""


class TriedCall(Answer):
    """A recorded call that a rule was to act on."""

    id: int
    """The call."""
    method: str
    """Its method."""
    items: list[TriedItem]
    """What would have been done to it, at most 100 items; empty if it matches and nothing would have changed."""
    more: int
    """How many items there are beyond those."""


class RuleTrialResult(Answer):
    """What a rule would have done. Nothing was sent."""

    description: str
    """What the rule does, in a sentence."""
    tried: int
    """Calls that it was tried on."""
    matched: int
    """Calls that it matches."""
    acted: int
    """Calls on which it would have done something; a rule may choose some of those that match, and change nothing."""
    failures: int
    """How often it could not be applied."""
    last_error: str
    """Why, the last time."""
    skipped: int
    """Calls that were not tried: too large, or the time was over."""
    calls: list[TriedCall]
    """The newest of those that it was to act on, newest first."""
