"""A set of rules: read from files, and selected for each call that starts."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from loom.model.interception import (
    CallFacts,
)

from .call_rules import ActiveRule, CallRules, SelectedRule
from .errors import RuleFileError
from .fault_headers import asks_for_fault, requested_fault
from .faults import compile_fault
from .matching import CallView
from .method_rules import MethodRules
from .rule_file import MAX_RULES, is_json_file, parse_rule_file, read_rule_text
from .rule_lines import find_rule_lines
from .rules import Origin, Rule, RuleSource, check_names, compile_rule, find_shadowed
from .selection import RuleState, is_expired, select

_MAX_METHODS = 10_000  # clients choose method names


def load_rules(paths: Iterable[Path]) -> list[Rule]:
    """Read and compile files, in their order; raises :class:`RuleFileError`."""
    rules: list[Rule] = []
    for path in paths:
        rules += _load_file(path)
    if len(rules) > MAX_RULES:
        raise RuleFileError(
            f"at most {MAX_RULES} rules and faults can be loaded, and these are {len(rules):,}"
        )
    check_names(rules)
    return rules


def _load_file(path: Path) -> list[Rule]:
    """The rules of a file, then its faults; raises :class:`RuleFileError`."""
    content, is_json = read_rule_text(path), is_json_file(path)
    file = parse_rule_file(content, str(path), is_json=is_json)
    try:
        rules = [compile_rule(table, number, path.parent) for number, table in enumerate(file.rule, 1)]
        rules += [compile_fault(table, number) for number, table in enumerate(file.fault, 1)]
        check_names(rules)
        lines = [
            line
            for kind, tables in (("rule", file.rule), ("fault", file.fault))
            for line in find_rule_lines(content, kind, [table.name for table in tables], is_json=is_json)
        ]
        return [
            replace(rule, origin=Origin(RuleSource.FILE, str(path), line))
            for rule, line in zip(rules, lines, strict=True)
        ]
    except RuleFileError as error:
        raise error.within(str(path)) from error


class RuleSet:
    """Rules that act together. Immutable but for the counters and :attr:`enabled`; thread-safe.

    ``now`` is in seconds on a monotonic clock. Of ``previous``, the counters of rules that are the same are carried on.
    """

    def __init__(
        self,
        rules: Sequence[Rule] = (),
        *,
        seed: int = 0,
        now: float = 0.0,
        previous: "RuleSet | None" = None,
    ) -> None:
        self.seed = seed
        self.enabled: bool = True if previous is None else previous.enabled
        """The one switch for all rules; calls that began before keep what they began with."""
        previous_rules = {} if previous is None else {active.rule.name: active for active in previous.active}
        self.active: list[ActiveRule] = [
            ActiveRule(rule, _carried(rule, previous_rules) or RuleState(started=now, enabled=rule.enabled))
            for rule in rules
        ]
        self.warnings = find_shadowed(rules)
        self._candidates: dict[str, MethodRules] = {}

    def candidates(self, method: str) -> MethodRules:
        """The rules that may act on calls of a method: looked up once per method."""
        try:
            return self._candidates[method]
        except KeyError:
            rules = MethodRules(active for active in self.active if active.rule.match.may_match(method))
            if len(self._candidates) >= _MAX_METHODS:
                self._candidates = {}
            self._candidates[method] = rules
            return rules

    def open(self, facts: CallFacts, now: float) -> "CallRules | None":
        """The rules that act on a call that starts now; None if there are none."""
        candidates = self.candidates(facts.method)
        if not candidates or not self.enabled:
            return None
        view = CallView(facts)
        selected = []
        for active in candidates.of(view):
            rule = active.rule
            if not rule.match.matches(view) or (rule.reads_metadata and not asks_for_fault(facts)):
                continue
            ordinal = select(rule.selection, active.state, rule.name, self.seed, facts, now)
            if ordinal is None:
                continue
            if rule.reads_metadata:
                active = ActiveRule(requested_fault(rule, facts, self.seed, ordinal), active.state)  # noqa: PLW2901
            selected.append(SelectedRule(active, ordinal, self.seed))
        return CallRules(selected, started=now) if selected else None

    def count_acting(self, now: float) -> int:
        """How many rules may still act."""
        if not self.enabled:
            return 0
        return sum(
            active.state.enabled and not is_expired(active.rule.selection, active.state, now)
            for active in self.active
        )


def _carried(rule: Rule, previous: Mapping[str, ActiveRule]) -> RuleState | None:
    predecessor = previous.get(rule.name)
    if (
        predecessor is None
        or predecessor.rule.match.text != rule.match.text
        or predecessor.rule.selection != rule.selection
    ):
        return None
    return predecessor.state
