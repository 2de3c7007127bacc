"""Which matching calls a rule acts on: always the same ones for the same seed."""

import pytest

from loom.interception.amounts import Range
from loom.interception.selection import RuleState, Selection, fraction, release, select
from loom.model.interception import CallFacts


def choices(selection: Selection, count: int, seed: int = 1, key: str = "") -> str:
    """A letter per call: ``F`` where the rule acts, ``.`` where it does not."""
    state = RuleState()
    facts = [CallFacts("/s/m", (("x-id", key or str(number)),)) for number in range(count)]
    chosen = []
    for call in facts:
        ordinal = select(selection, state, "rule", seed, call, 0.0)
        chosen.append("." if ordinal is None else "F")
        if ordinal is not None:
            release(state)
    assert state.matched == count
    assert state.active == 0
    return "".join(chosen)


@pytest.mark.parametrize(
    ("selection", "expected"),
    [
        (Selection(), "FFFFFFFFFF"),
        (Selection(every=3), "..F..F..F."),
        (Selection(pattern="..F.FF"), "..F.FF..F."),
        (Selection(times=Range(1, 2)), "FF........"),
        (Selection(times=Range(2, None)), ".FFFFFFFFF"),
        (Selection(every=3, times=Range(2, 2)), ".....F...."),
        (Selection(percent=0), ".........."),
        (Selection(percent=100), "FFFFFFFFFF"),
    ],
)
def test_calls_are_chosen_by_their_ordinal(selection: Selection, expected: str) -> None:
    assert choices(selection, 10) == expected


def test_percent_is_deterministic_and_depends_on_the_seed() -> None:
    half = Selection(percent=50)
    assert choices(half, 200) == choices(half, 200)
    assert choices(half, 200) != choices(half, 200, seed=2)
    assert 70 < choices(half, 200).count("F") < 130


def test_a_percent_contains_every_smaller_one() -> None:
    few, many = choices(Selection(percent=10), 300), choices(Selection(percent=40), 300)
    assert all(two == "F" for one, two in zip(few, many, strict=True) if one == "F")


def test_calls_with_one_key_share_their_fate() -> None:
    sticky = Selection(percent=50, key="x-id")
    fates = {choices(sticky, 20, key=str(key)) for key in range(40)}
    assert fates == {"F" * 20, "." * 20}


def test_a_rule_turns_itself_off() -> None:
    state = RuleState(started=100.0)
    selection = Selection(duration=10.0)
    facts = CallFacts("/s/m")
    assert select(selection, state, "rule", 1, facts, 109.9) == 1
    assert select(selection, state, "rule", 1, facts, 110.0) is None


def test_what_is_active_at_once_is_limited_and_the_rest_is_counted() -> None:
    state = RuleState()
    selection = Selection(max_active=2)
    facts = CallFacts("/s/m")
    assert [select(selection, state, "rule", 1, facts, 0.0) for _ in range(3)] == [1, 2, None]
    assert state.overflow == 1
    release(state)
    assert select(selection, state, "rule", 1, facts, 0.0) == 4


def test_fractions_are_stable_across_versions() -> None:
    """What failed in CI fails again, with a later Loom too."""
    assert fraction(1, "rule", "7") == 0.25994284182052907
    assert all(0 <= fraction(seed, "rule") < 1 for seed in range(100))
