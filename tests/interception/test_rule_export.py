"""Rules as the text of a file: what is read from it is what was written."""

import json
import tomllib
from typing import Any

import pytest

from loom.interception.rule_export import table_of, to_json, to_toml
from loom.interception.rule_file import convert_rules
from loom.interception.rule_lines import find_rule_lines
from loom.model.interception import ActionKind

RULE: dict[str, Any] = {
    "name": 'a "b"\\ \x7f\n',
    "match": "method:Get",
    "percent": 12.5,
    "for": "10m",
    "when": {"point": ["request-message", "response-message"], "index": 2},
    "on-error": "fail",
    "do": [
        {"set": "a.b", "to": {"x y": [1, 2.5, True, "é"], "empty": {}}},
        {"metadata": {"set": {"x-env": "dev"}, "delete": ["x-old"]}},
        {"message": {"text": "x" * 100}},
    ],
}
FAULT = {"name": "f", "match": "", "status": "UNAVAILABLE", "half-close": "early"}


def test_a_table_keeps_what_is_not_a_default() -> None:
    file = convert_rules({"rule": [RULE], "fault": [FAULT]}, "")
    assert table_of(file.rule[0]) == RULE
    assert table_of(file.fault[0]) == FAULT


def test_texts_are_read_as_they_were_written() -> None:
    tables = [(ActionKind.FAULT, FAULT), (ActionKind.RULE, RULE)]
    expected = {"rule": [RULE], "fault": [FAULT]}
    assert json.loads(to_json(tables)) == expected
    assert tomllib.loads(to_toml(tables)) == expected
    assert to_toml([(ActionKind.FAULT, FAULT)]) == (
        '[[fault]]\nname = "f"\nmatch = ""\nstatus = "UNAVAILABLE"\nhalf-close = "early"\n'
    )


def test_toml_has_no_null() -> None:
    with pytest.raises(ValueError, match="TOML has no null"):
        to_toml([(ActionKind.RULE, {"to": None})])


def test_rules_are_found_at_their_lines() -> None:
    toml = to_toml([(ActionKind.RULE, RULE), (ActionKind.FAULT, FAULT), (ActionKind.RULE, RULE)])
    lines = toml.splitlines()
    found = find_rule_lines(toml, "rule", ["", ""], is_json=False)
    assert [lines[line - 1] for line in found] == ["[[rule]]", "[[rule]]"]
    assert lines[find_rule_lines(toml, "fault", ["f"], is_json=False)[0] - 1] == "[[fault]]"
    assert find_rule_lines("rule = [{}]", "rule", [""], is_json=False) == [0]
    text = to_json([(ActionKind.FAULT, FAULT)])
    assert find_rule_lines(text, "fault", ["f"], is_json=True) == [4]
    assert find_rule_lines(text, "fault", ["g"], is_json=True) == [0]
