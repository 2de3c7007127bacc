"""Rules and faults that act on traffic: what there is, what it did, and the switches."""

from typing import Literal

from .base import Answer, Question


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
    acted: int
    """Calls that it acted on."""
    active: int
    """Calls that it acts on now."""
    overflow: int
    """Calls that it passed because too many were active."""
    failures: int
    """How often it could not be applied."""
    last_error: str
    """Why, the last time."""


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
