"""Rules that are added while Loom runs: beside those of files, in the order of adding, within the same limits."""

from pathlib import Path
from typing import Any

import pytest

from loom.interception import RuleFileError, RuleSet
from loom.interception.added_rules import RuleNameError
from loom.interception.rule_file import MAX_RULES
from loom.interception.rule_sources import RuleSources
from loom.interception.rules import Origin, RuleSource
from loom.model.interception import ActionKind

from .conftest import write_rules

FILE = '# rules\n[[rule]]\nname = "a"\nmatch = "method:Get"\ndo = [{ hold = true }]\n'
AT = {"point": "request-message"}
HOLD = {"match": "method:Get", "do": [{"hold": True}]}


class Sources:
    """Sources with the set in force."""

    def __init__(self, path: Path) -> None:
        self.sources = RuleSources([write_rules(path, FILE)], ["method:Get :: hang"], 7)
        self.rules = self.sources.load()

    def add(self, name: str, **table: Any) -> None:
        rule = self.sources.compile(ActionKind.RULE, {"name": name, **HOLD, **table})
        self.rules = self.sources.add(rule, self.rules)

    def names(self) -> list[str]:
        return [active.rule.name for active in self.rules.active]


@pytest.fixture
def sources(tmp_path: Path) -> Sources:
    return Sources(tmp_path)


async def test_added_rules_come_last_and_survive_a_reload(sources: Sources, tmp_path: Path) -> None:
    sources.add("b")
    sources.rules.active[-1].state.acted = 3
    write_rules(tmp_path, FILE.replace('"a"', '"c"'))
    loaded: list[RuleSet] = []
    await sources.sources.reload(lambda: sources.rules, loaded.append)
    sources.rules = loaded[0]
    assert sources.names() == ["c", "--fault 1", "b"]
    assert sources.rules.active[-1].state.acted == 3
    assert [active.rule.origin for active in sources.rules.active] == [
        Origin(RuleSource.FILE, str(tmp_path / "rules.toml"), 2),
        Origin(RuleSource.FLAG),
        Origin(RuleSource.API),
    ]


async def test_a_file_that_takes_the_name_of_an_added_rule_is_a_problem(
    sources: Sources, tmp_path: Path
) -> None:
    sources.add("b")
    write_rules(tmp_path, FILE.replace('"a"', '"b"'))
    loaded: list[RuleSet] = []
    await sources.sources.reload(lambda: sources.rules, loaded.append)
    assert (loaded, sources.sources.problem[:28]) == ([], "two rules are named 'b': nam")
    sources.add("d")
    assert sources.names() == ["a", "--fault 1", "b", "d"]


def test_a_rule_is_replaced_in_its_place(sources: Sources) -> None:
    sources.add("b")
    sources.add("c")
    sources.rules.active[2].state.acted = 5
    rule = sources.sources.compile(ActionKind.RULE, {"name": "b2", **HOLD, "enabled": False})
    sources.rules = sources.sources.replace("b", rule, sources.rules)
    assert sources.names() == ["a", "--fault 1", "b2", "c"]
    assert not sources.rules.active[2].state.enabled
    rule = sources.sources.compile(ActionKind.RULE, {"name": "b2", **HOLD})
    sources.rules.active[2].state.acted = 5
    sources.rules = sources.sources.replace("b2", rule, sources.rules)
    assert (sources.rules.active[2].state.enabled, sources.rules.active[2].state.acted) == (True, 5)
    sources.rules = sources.sources.remove("b2", sources.rules)
    assert sources.names() == ["a", "--fault 1", "c"]


def test_names_are_unique_and_rules_of_files_are_not_changed(sources: Sources) -> None:
    with pytest.raises(RuleNameError, match=r"there is a rule 'a' already in .*rules.toml"):
        sources.add("a")
    with pytest.raises(RuleNameError, match="there is a fault '--fault 1' already as a flag"):
        sources.add("--fault 1")
    with pytest.raises(RuleNameError, match="no rule 'a' was added here"):
        sources.sources.remove("a", sources.rules)
    sources.add("")
    sources.add("")
    assert sources.names()[2:] == ["rule 1", "rule 2"]


def test_the_limit_is_of_all_rules_together(sources: Sources) -> None:
    for number in range(MAX_RULES - 2):
        sources.add(f"r{number}", match=f"method:M{number}")
    with pytest.raises(RuleFileError, match="at most 500 rules and faults"):
        sources.add("one more")
    assert len(sources.names()) == MAX_RULES
    sources.rules = sources.sources.remove("r0", sources.rules)


@pytest.mark.parametrize(
    ("table", "key", "column", "text"),
    [
        ({**HOLD, "oops": 1}, "oops", None, "unknown key 'oops'; allowed are name, match,"),
        (
            {**HOLD, "match": "status:OK"},
            "match",
            0,
            "rule 'rule 1': match: column 1: 'status:' is not known",
        ),
        ({**HOLD, "do": [{"hold": True}, {"set": "a..b", "to": 1}]}, "do[1]", None, "rule 'rule 1': do 2: "),
        ({**HOLD, "do": [{"hold": True}, {"sat": "a"}]}, "do[1].sat", None, "do 2: unknown key 'sat'"),
        ({**HOLD, "when": {"index": "x"}}, "when.index", None, "rule 'rule 1': when: index: "),
        (
            {**HOLD, "when": AT, "do": [{"message": "@/etc/passwd"}]},
            "do[0]",
            None,
            "a file can only be named in a file",
        ),
        ("nothing", "", None, "Expected `object`, got `str`"),
    ],
)
def test_an_error_has_its_key(sources: Sources, table: Any, key: str, column: int | None, text: str) -> None:
    with pytest.raises(RuleFileError) as caught:
        sources.sources.compile(ActionKind.RULE, table)
    assert (caught.value.key, caught.value.column) == (key, column)
    assert text in str(caught.value)
