"""Rules and faults that are added while Loom runs, by the page or another client of the API."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from loom.errors import LoomError
from loom.model.interception import ActionKind

from .errors import RuleFileError
from .faults import compile_fault
from .rule_file import convert_rules
from .rules import Origin, Rule, RuleSource, compile_rule

_ORIGIN = Origin(RuleSource.API)


class RuleNameError(LoomError):
    """A name that another rule has (``is_taken``), or that none of the added rules has."""

    def __init__(self, message: str, *, is_taken: bool) -> None:
        super().__init__(message)
        self.is_taken = is_taken


class AddedRules:
    """Rules in the order in which they were added; each is a table as in a file. They name no files."""

    def __init__(self) -> None:
        self.rules: list[Rule] = []

    def compile(self, kind: ActionKind, table: Any, names: Sequence[str] = ()) -> Rule:
        """Check and compile a table as decoded from JSON; raises :class:`RuleFileError`.

        A table without a name gets one that is not among ``names``, those of all rules.
        """
        try:
            file = convert_rules({kind.value: [table]}, "")
        except RuleFileError as error:
            raise _without_number(error, kind) from error
        number = _free_number(kind, names) if not _name(table) else 1
        compiled = (
            compile_rule(file.rule[0], number, None)
            if kind is ActionKind.RULE
            else compile_fault(file.fault[0], number)
        )
        source = compiled.table
        assert source is not None  # noqa: S101 (it is compiled from one)
        source.name = compiled.name
        return replace(compiled, origin=_ORIGIN)

    def add(self, rule: Rule, others: Sequence[Rule]) -> "AddedRules":
        """These and another one, last; raises :class:`RuleNameError` where one of ``others`` has its name."""
        _check_name(rule, [*others, *self.rules])
        return self._with([*self.rules, rule])

    def replace(self, name: str, rule: Rule, others: Sequence[Rule]) -> "AddedRules":
        """These with another one in the place of the rule of that name; raises :class:`RuleNameError`."""
        position = self._find(name)
        rest = [*self.rules[:position], *self.rules[position + 1 :]]
        _check_name(rule, [*others, *rest])
        return self._with([*self.rules[:position], rule, *self.rules[position + 1 :]])

    def remove(self, name: str) -> "AddedRules":
        """These without the rule of that name; raises :class:`RuleNameError`."""
        position = self._find(name)
        return self._with([*self.rules[:position], *self.rules[position + 1 :]])

    def _find(self, name: str) -> int:
        for position, rule in enumerate(self.rules):
            if rule.name == name:
                return position
        raise RuleNameError(f"no rule {name!r} was added here", is_taken=False)

    @staticmethod
    def _with(rules: list[Rule]) -> "AddedRules":
        added = AddedRules()
        added.rules = rules
        return added


def _check_name(rule: Rule, others: Sequence[Rule]) -> None:
    for other in others:
        if other.name == rule.name:
            origin = other.origin
            where = f" in {origin.path}" if origin.path else " as a flag" if origin.source == "flag" else ""
            raise RuleNameError(f"there is a {other.kind} {rule.name!r} already{where}", is_taken=True)


def _name(table: Any) -> str:
    name = table.get("name") if isinstance(table, dict) else None
    return name.strip() if isinstance(name, str) else ""


def _free_number(kind: ActionKind, names: Sequence[str]) -> int:
    """The first number by which a name of :func:`.rules.rule_name` is not taken."""
    return next(number for number in range(1, len(names) + 2) if f"{kind} {number}" not in names)


def _without_number(error: RuleFileError, kind: ActionKind) -> RuleFileError:
    """The error without the place of the only table there is."""
    return RuleFileError(str(error).removeprefix(f"{kind} 1: "), error.key, error.column)
