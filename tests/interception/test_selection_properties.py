"""The calls that rules act on are the same for the same seed: in a new process, after a reload, on any threads."""

import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

from hypothesis import given, settings
from hypothesis import strategies as st

from loom.interception import RuleSet
from loom.interception.rule_file import convert_rules
from loom.interception.rules import compile_rule
from loom.model.interception import CallFacts
from tests.support.loom_process import ROOT

Table = dict[str, object]

SHOWN = settings(max_examples=20, deadline=None)
names = st.text(alphabet=st.characters(exclude_categories=("C", "Z")), min_size=1, max_size=10)
seeds = st.integers(0, 2**63)
selectors: st.SearchStrategy[Table] = st.one_of(
    st.fixed_dictionaries({"percent": st.floats(0, 100)}),
    st.fixed_dictionaries({"percent": st.floats(0, 100), "key": st.just("meta:x-id")}),
    st.fixed_dictionaries({"every": st.integers(1, 9)}),
    st.fixed_dictionaries(
        {"pattern": st.text("F.", min_size=1, max_size=9).filter(lambda text: "F" in text)}
    ),
    st.just({}),
)
times: st.SearchStrategy[Table] = st.one_of(
    st.just({}),
    st.fixed_dictionaries({"times": st.integers(1, 9) | st.sampled_from(["2..", "3..5"])}),
)
selections = st.builds(lambda selector, limit: selector | limit, selectors, times)
keys = st.lists(st.sampled_from("abcde"), min_size=1, max_size=40)
"""The value of a metadata key of each call, in their order."""


def make_rules(
    tables: dict[str, Table], seed: int, previous: RuleSet | None = None, method: str = "*"
) -> RuleSet:
    """A set as it is after Loom was started, or after its file was read again."""
    rules = [
        {"name": name, "match": f"method:{method}", "do": [{"tag": "x"}], **table}
        for name, table in tables.items()
    ]
    compiled = [compile_rule(rule, 1, ROOT) for rule in convert_rules({"rule": rules}, "rules").rule]
    return RuleSet(compiled, seed=seed, previous=previous)


def choices(rules: RuleSet, calls: list[str]) -> list[list[str]]:
    """The names of the rules that act on each call."""
    chosen = []
    for key in calls:
        selected = rules.open(CallFacts("/shop.Shop/Get", (("x-id", key),)), 0.0)
        chosen.append([] if selected is None else [item.rule.name for item in selected.selected])
    return chosen


@given(st.dictionaries(names, selections, min_size=1, max_size=3), seeds, keys)
@SHOWN
def test_a_restart_with_the_seed_chooses_the_same_calls(
    tables: dict[str, Table], seed: int, calls: list[str]
) -> None:
    assert choices(make_rules(tables, seed), calls) == choices(make_rules(tables, seed), calls)


@given(selections, seeds, keys)
@SHOWN
def test_a_rule_chooses_the_same_calls_whatever_other_rules_there_are(
    table: Table, seed: int, calls: list[str]
) -> None:
    alone = choices(make_rules({"own": table}, seed), calls)
    among = choices(make_rules({"first": {}, "own": table, "last": {"percent": 50}}, seed), calls)
    assert [["own"] if "own" in acting else [] for acting in among] == alone


@given(selections, seeds, keys, st.integers(0, 40))
@SHOWN
def test_a_file_that_is_read_again_does_not_begin_to_count_again(
    table: Table, seed: int, calls: list[str], after: int
) -> None:
    before = make_rules({"own": table}, seed)
    first = choices(before, calls[:after])
    reloaded = make_rules({"own": table, "new": {"percent": 0}}, seed, previous=before)
    assert first + choices(reloaded, calls[after:]) == choices(make_rules({"own": table}, seed), calls)


@given(selections, seeds, keys)
@SHOWN
def test_calls_of_other_methods_are_not_counted(table: Table, seed: int, calls: list[str]) -> None:
    rules = make_rules({"own": table}, seed, method="Get")
    chosen = []
    for key in calls:
        assert rules.open(CallFacts("/shop.Shop/List", (("x-id", key),)), 0.0) is None
        chosen += choices(rules, [key])
    assert chosen == choices(make_rules({"own": table}, seed), calls)


@given(st.floats(0, 100), st.floats(0, 100), seeds, keys)
@SHOWN
def test_a_greater_percent_adds_calls_and_takes_none_away(
    one: float, two: float, seed: int, calls: list[str]
) -> None:
    few, many = (
        choices(make_rules({"own": {"percent": percent}}, seed), calls) for percent in sorted((one, two))
    )
    assert all(more for fewer, more in zip(few, many, strict=True) if fewer)


@given(selectors.filter(lambda table: "key" not in table), seeds, st.integers(1, 200))
@settings(max_examples=10, deadline=None)
def test_on_threads_as_many_calls_are_chosen_as_on_one(table: Table, seed: int, count: int) -> None:
    rules = make_rules({"own": table}, seed)
    with ThreadPoolExecutor(4) as threads:
        acting = sum(len(chosen) for [chosen] in threads.map(lambda _: choices(rules, ["a"]), range(count)))
    assert acting == sum(map(len, choices(make_rules({"own": table}, seed), ["a"] * count)))


def test_another_process_chooses_the_same_calls() -> None:
    """Nothing depends on Python's own hash of strings, which differs from process to process."""
    tables: dict[str, Table] = {
        "percent": {"percent": 30},
        "by key": {"percent": 50, "key": "meta:x-id"},
        "every": {"every": 3, "times": "2.."},
        "pattern": {"pattern": "..F.FF", "times": 5},
    }
    calls = list("abcdefgh") * 3
    program = (
        "import json, sys; from tests.interception.test_selection_properties import choices, make_rules;"
        "tables, seed, calls = json.loads(sys.argv[1]); print(json.dumps(choices(make_rules(tables, seed), calls)))"
    )
    printed = subprocess.run(
        [sys.executable, "-c", program, json.dumps([tables, 7, calls])],
        env=os.environ | {"PYTHONHASHSEED": "20261130", "PYTHONPATH": str(ROOT)},
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert json.loads(printed) == choices(make_rules(tables, 7), calls)
