"""Files of rules: read strictly, and what is wrong is named."""

from pathlib import Path

import pytest

from loom.interception import RuleFileError, load_rules
from loom.interception.rule_file import parse_rule_file
from loom.model.interception import Point

from .conftest import write_rules

EXAMPLE = """
[[rule]]
name = "tenant 42 gets an empty cart"
match = 'method:GetCart meta:x-tenant=42'
when = { point = "response-message", index = "0..", body = 'items.sku=A-1' }
percent = 100
for = "10m"
do = [
  { set = "items[*].price.units", to = 0 },
  { delete = "coupon" },
  { append = "items", value = { sku = "X" } },
  { replace = "note", regex = "foo(.*)", with = "bar\\\\1" },
  { merge = { currency = "EUR" } },
  { message = "@cart.json" },
  { drop = true }, { duplicate = 2 }, { insert-before = {} }, { insert-after = { } },
  { redact = "card.number" }, { delay = "100ms..300ms" }, { hold = true }, { tag = "suspicious" },
]

[[rule]]
name = "the rest"
match = "method:GetCart"
do = [
  { metadata = { set = { x-env = "dev" }, add = {}, delete = ["x-old"] } },
  { status = "NOT_FOUND", message = "…", details = [{ "@type" = "google.rpc.ErrorInfo", reason = "X" }] },
  { deadline = "2s" }, { half-close = true },
]

[[fault]]
name = "flaky"
match = "service:acme.shop.*"
status = "UNAVAILABLE"
at = "message 3"
percent = 12.5
"""


def test_every_action_is_read(tmp_path: Path) -> None:
    (tmp_path / "cart.json").write_text('{"currency": "EUR"}')
    rules = load_rules([write_rules(tmp_path, EXAMPLE)])
    assert [rule.name for rule in rules] == ["tenant 42 gets an empty cart", "the rest", "flaky"]
    assert len(rules[0].actions) == 14
    assert rules[0].points == {Point.RESPONSE_MESSAGE}
    assert rules[1].points == {Point.REQUEST_METADATA, Point.START, Point.REQUEST_MESSAGE}
    assert rules[2].selection.percent == 12.5


def test_json_is_the_same(tmp_path: Path) -> None:
    text = '{"rule": [{"match": "", "do": [{"deadline": "none"}]}], "fault": []}'
    [rule] = load_rules([write_rules(tmp_path, text, "rules.json")])
    assert rule.name == "rule 1"


@pytest.mark.parametrize("wrapped", [True, False])
def test_rules_of_the_older_form_are_read(tmp_path: Path, wrapped: bool) -> None:
    text = """[
      {"match": "/pkg.Service/*", "direction": "request", "set": {"user.name": "x"}, "delete": ["a.b"]},
      {"match": "/pkg.Service/Get", "direction": "both", "headers": {"set": {"X-Env": "dev"}, "delete": ["x-old"]}}
    ]"""
    path = write_rules(tmp_path, f'{{"rules": {text}}}' if wrapped else text, "old.json")
    edit, headers = load_rules([path])
    assert edit.match.may_match("/pkg.Service/Anything")
    assert not edit.match.may_match("/pkg.Other/Get")
    assert edit.points == {Point.REQUEST_MESSAGE}
    assert [action.effect for action in edit.actions] == ["set user.name", "delete a.b"]
    assert headers.points == {Point.REQUEST_METADATA, Point.RESPONSE_METADATA}
    assert not headers.match.may_match("/pkg.Service/GetOther")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[[rule]]\nmatch = ", "not valid TOML: Invalid value (at "),
        ("rules = []", "unknown key 'rules'; allowed are rule, fault"),
        (
            '[[rule]]\nname = "a"\nmach = ""\ndo = []',
            "rule 'a': unknown key 'mach'; allowed are name, match, percent",
        ),
        ("[[rule]]\ndo = []", "rule 1: Object missing required field `match`"),
        (
            '[[rule]]\nmatch = ""\ndo = [{ sett = "a" }]',
            "rule 1: do 1: unknown key 'sett'; allowed are set, to",
        ),
        (
            '[[rule]]\nmatch = ""\nwhen = { point = "respons" }\ndo = []',
            "allowed are start, request-metadata",
        ),
        ('[[rule]]\nmatch = ""\ndo = []', "rule 'rule 1': do: it has no action"),
        ('[[rule]]\nmatch = "status:OK"\ndo = [{ hold = true }]', "match: column 1: 'status:' is not known"),
        ('[[rule]]\nmatch = ""\npercent = 140\ndo = [{ hold = true }]', "percent: 140 is not from 0 to 100"),
        (
            '[[rule]]\nmatch = ""\npercent = 1\nevery = 2\ndo = [{ hold = true }]',
            "percent and every: give one",
        ),
        ('[[rule]]\nmatch = ""\npattern = "..X"\ndo = [{ hold = true }]', "pattern: '..X' is not of"),
        ('[[rule]]\nmatch = ""\nfor = "soon"\ndo = [{ hold = true }]', "'soon' is not a duration"),
        ('[[rule]]\nmatch = ""\nkey = "x"\ndo = [{ hold = true }]', "key: 'x' is not a metadata key"),
        ('[[rule]]\nmatch = ""\ntimes = "3..1"\ndo = [{ hold = true }]', "ends before it begins"),
        (
            '[[rule]]\nmatch = ""\nwhen = { index = 3 }\ndo = [{ deadline = "1s" }]',
            "when: index: only messages",
        ),
        (
            '[[rule]]\nmatch = ""\nwhen = { body = "x" }\ndo = [{ deadline = "1s" }]',
            "when: body: only messages",
        ),
    ],
)
def test_errors_name_the_rule_and_what_is_allowed(tmp_path: Path, text: str, message: str) -> None:
    path = write_rules(tmp_path, text)
    with pytest.raises(RuleFileError) as caught:
        load_rules([path])
    assert str(caught.value).startswith(f"{path}: ")
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("action", "message"),
    [
        ('set = "a"', "set needs to"),
        ('set = "a", to = 1, delete = "b"', "this one has set and delete"),
        ("to = 1", "this one has none"),
        ('set = "a", to = 1, regex = "b"', "regex does not belong to set"),
        ('set = "a..b", to = 1', "'a..b', column 3: a name is missing here"),
        ('set = "[0]", to = 1', "a path begins with the name of a field"),
        ('delete = "a.**"', "a path ends with a field"),
        ('set = "a", to = 1', "set: give when.point: request-message or response-message"),
        ('replace = "a", regex = "(", with = ""', "regex: missing ) at position 1"),
        ('replace = "a", regex = "a", with = "\\\\2"', "regex: invalid group reference"),
        ('message = "@missing.json"', "missing.json: cannot be read: No such file"),
        ('message = "@../secret.json"', "../secret.json: it is outside the folder of the rules"),
        ('message = "@/etc/passwd"', "/etc/passwd: it is outside the folder of the rules"),
        ("metadata = {}", "it changes nothing"),
        ('metadata = { set = { "grpc-status" = "0" } }', "'grpc-status' is set by gRPC itself"),
        ('metadata = { set = { "x-bin" = "?" } }', "the value of 'x-bin' is not base64"),
        ('metadata = { set = { "x" = "é" } }', "characters that metadata cannot carry"),
        ('metadata = { set = { "x y" = "" } }', "'x y' is not a metadata key"),
        ('status = "NOPE"', "unknown status 'NOPE': it is one of OK, CANCELLED"),
        ("status = 17", "unknown status 17"),
        ('status = "OK"', "an abort with OK leaves clients without an answer"),
        ('status = "INTERNAL", details = [{ reason = "x" }]', "a detail is a table with its type"),
        (
            'status = "INTERNAL", details = [{ "@type" = "google.rpc.ErrorInfo", reson = "x" }]',
            "did you mean reason?",
        ),
        ('deadline = "2"', "'2' is not a duration"),
        ("duplicate = 1", "duplicate: 1 is not from 2 to 1000"),
        ('delay = "2h"', "longer than an hour"),
        ('delay = "3s..1s"', "ends before it begins"),
    ],
)
def test_errors_name_the_action(tmp_path: Path, action: str, message: str) -> None:
    points = {
        "duplicate": 'when = { point = "response-message" }\n',
        "replace": 'when = { point = "request-message" }\n',
    }
    points |= dict.fromkeys(("message", "delete"), points["replace"])
    when = points.get(action.split(" ", maxsplit=1)[0], "")
    if "to = 1" in action and not message.startswith("set: give"):
        when = points["replace"]
    path = write_rules(tmp_path, f'[[rule]]\nname = "r"\nmatch = ""\n{when}do = [{{ {action} }}]')
    with pytest.raises(RuleFileError) as caught:
        load_rules([path])
    assert str(caught.value).startswith(f"{path}: rule 'r': do 1: ")
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("action", "point"),
    [
        ('set = "a", to = 1', "status"),
        ('deadline = "1s"', "response-message"),
        ("half-close = true", "response-message"),
        ("drop = true", "start"),
        ("metadata = { delete = ['a'] }", "request-message"),
        ("duplicate = 2", "half-close"),
    ],
)
def test_an_action_at_an_impossible_point_is_an_error(tmp_path: Path, action: str, point: str) -> None:
    text = f'[[rule]]\nmatch = ""\nwhen = {{ point = "{point}" }}\ndo = [{{ {action} }}]'
    with pytest.raises(RuleFileError, match=f"is impossible at {point}; it can be at "):
        load_rules([write_rules(tmp_path, text)])


def test_json_errors_name_the_line() -> None:
    with pytest.raises(RuleFileError, match=r"r.json: not valid JSON: .* line 2 column"):
        parse_rule_file('{\n"rule": [,]}', "r.json", is_json=True)


def test_ten_thousand_rules_are_refused(tmp_path: Path) -> None:
    text = '[[rule]]\nmatch = ""\ndo = [{ hold = true }]\n' * 10_000
    with pytest.raises(
        RuleFileError, match="at most 500 rules and faults can be loaded, and this has 10,000"
    ):
        load_rules([write_rules(tmp_path, text)])


def test_two_rules_of_one_name_are_refused(tmp_path: Path) -> None:
    rule = '[[rule]]\nname = "a"\nmatch = ""\ndo = [{ hold = true }]\n'
    with pytest.raises(RuleFileError, match="two rules are named 'a'"):
        load_rules([write_rules(tmp_path, rule * 2)])


@pytest.mark.parametrize("content", [b"\xff\xfe", None])
def test_a_file_that_cannot_be_read(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "rules.toml"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(RuleFileError, match=r"is not UTF-8|cannot be read: No such file"):
        load_rules([path])
