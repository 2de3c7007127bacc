"""The rules of a method, found by metadata: none that matches a call is missed, and their order stays."""

from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from loom.interception.call_rules import ActiveRule
from loom.interception.matching import CallView
from loom.interception.method_rules import MethodRules
from loom.interception.rule_file import convert_rules
from loom.interception.rules import compile_rule
from loom.interception.selection import RuleState
from loom.model.interception import CallFacts

METHOD = "/shop.Shop/Get"
TERMS = (
    "meta:x-tenant=42",
    'meta:X-Tenant="42"',
    "meta:x-tenant=4*",
    "meta:x-*=42",
    "meta:x-tenant",
    "meta:x-tenant=",
    "meta:x-user=Ann,meta:x-tenant=43",
    "meta:x-user=Ann,peer:10.0.0.1",
    "meta:x-tenant=42,43",
    "-meta:x-tenant=42",
    "meta:trace-bin=AP8=",
    "peer:10.0.0.1",
    "method:Get",
)
METADATA = (
    ("x-tenant", "42"),
    ("x-tenant", "43"),
    ("x-tenant", ""),
    ("x-user", "ann"),
    ("trace-bin", b"\x00\xff"),
)
filters = st.lists(st.sampled_from(TERMS), max_size=2).map(" ".join)


def make_rules(texts: list[str]) -> list[ActiveRule]:
    tables = [{"name": str(number), "match": text, "do": [{"tag": "x"}]} for number, text in enumerate(texts)]
    file = convert_rules({"rule": tables}, "rules")
    return [ActiveRule(compile_rule(rule, 1, Path()), RuleState()) for rule in file.rule]


@given(st.lists(filters, max_size=8), st.lists(st.sampled_from(METADATA), max_size=3), st.booleans())
@settings(max_examples=100, deadline=None)
def test_the_rules_that_match_are_among_those_found_in_their_order(
    texts: list[str], metadata: list[tuple[str, str | bytes]], local: bool
) -> None:
    call = CallView(CallFacts(METHOD, tuple(metadata), peer="10.0.0.1:5" if local else "10.0.0.2:5"))
    rules = make_rules(texts)
    found = MethodRules(rules).of(call)
    assert found == [rule for rule in rules if rule in found]
    assert MethodRules(rules).may_match(call.facts.metadata) == bool(found)
    matching = [rule for rule in rules if rule.rule.match.matches(call)]
    assert matching == [rule for rule in found if rule.rule.match.matches(call)]


def test_a_call_gets_only_the_rules_of_its_metadata() -> None:
    rules = make_rules([f"meta:x-tenant={number}" for number in range(100)])
    call = CallView(CallFacts(METHOD, (("x-tenant", "42"),)))
    assert MethodRules(rules).of(call) == [rules[42]]
    assert MethodRules(rules).of(CallView(CallFacts(METHOD, (("x-user", "42"),)))) == []
