"""Which of the calls that match a rule it acts on: deterministic, from the seed, the rule's name and the call's key."""

import hashlib
import threading
from dataclasses import dataclass, field

from loom.model.interception import CallFacts

from .amounts import Range

_PARTS = 2**64


@dataclass(frozen=True, slots=True)
class Selection:
    """Which matching calls are selected, by at most one of ``percent``, ``every`` and ``pattern``.

    ``times`` then limits them, counted from 1. ``key`` is a metadata key: calls with the same value of it share one
    fate; "" draws for each call by its ordinal. ``duration`` is in seconds after the rule was loaded; ``max_active``
    is the number of calls that it acts on at once.
    """

    percent: float | None = None
    every: int | None = None
    pattern: str = ""
    times: Range | None = None
    key: str = ""
    duration: float | None = None
    max_active: int | None = None

    @property
    def is_always(self) -> bool:
        """Whether every call that matches is selected."""
        return self == Selection()


@dataclass(slots=True)
class RuleState:
    """The counters of one rule. Thread-safe where :func:`select` and :func:`release` change it.

    Of the calls that ``matched``, ``drawn`` are those that percent, every or pattern leave, which ``times`` counts;
    ``selected`` those that the rule was to act on, and ``acted`` those on which it did something.
    """

    started: float = 0.0
    matched: int = 0
    drawn: int = 0
    selected: int = 0
    acted: int = 0
    active: int = 0
    overflow: int = 0
    failures: int = 0
    last_error: str = ""
    enabled: bool = True
    lock: threading.Lock = field(default_factory=threading.Lock, repr=False)


def fraction(seed: int, *parts: str) -> float:
    """A number from 0 up to 1, the same for the same arguments."""
    text = "\0".join([str(seed), *parts])
    digest = hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return int.from_bytes(digest, "big") / _PARTS


def select(
    selection: Selection, state: RuleState, name: str, seed: int, facts: CallFacts, now: float
) -> int | None:
    """Count a matching call; return its ordinal from 1 if the rule acts on it, else None.

    ``now`` is in seconds, on the clock of ``state.started``. Each ordinal must be released (:func:`release`).
    """
    with state.lock:
        if not state.enabled or is_expired(selection, state, now):
            return None
        state.matched += 1
        ordinal = state.matched
        if not _draws(selection, name, seed, facts, ordinal):
            return None
        state.drawn += 1
        if selection.times is not None and state.drawn not in selection.times:
            return None
        if selection.max_active is not None and state.active >= selection.max_active:
            state.overflow += 1
            return None
        state.active += 1
        state.selected += 1
        return ordinal


def release(state: RuleState) -> None:
    """End one action on a call, which counts for ``max_active``."""
    with state.lock:
        state.active -= 1


def is_expired(selection: Selection, state: RuleState, now: float) -> bool:
    """Whether the rule has turned itself off."""
    return selection.duration is not None and now - state.started >= selection.duration


def _draws(selection: Selection, name: str, seed: int, facts: CallFacts, ordinal: int) -> bool:
    if selection.every is not None:
        return ordinal % selection.every == 0
    if selection.pattern:
        return selection.pattern[(ordinal - 1) % len(selection.pattern)] == "F"
    if selection.percent is None:
        return True
    key = str(ordinal)
    if selection.key:
        values = [value for item, value in facts.metadata if item == selection.key]
        if values:
            key = repr(values[0])
    return fraction(seed, name, key) * 100 < selection.percent
