"""Parses a whole filter to one predicate."""

from dataclasses import dataclass

from loom.api.calls import Summary

from .scanner import Form, Group, scan
from .terms import TERMS, Details, Predicate, predicates


@dataclass(frozen=True, slots=True)
class _Disjunction:
    """A comma list: one of its predicates must match, or none if it is negated."""

    predicates: tuple[Predicate, ...]
    negated: bool
    cost: int

    def __call__(self, summary: Summary, details: Details | None) -> bool | None:
        answer: bool | None = False
        for predicate in self.predicates:
            match = predicate(summary, details)
            if match:
                return not self.negated
            if match is None:
                answer = None
        return answer if answer is None or not self.negated else not answer


@dataclass(frozen=True, slots=True)
class Query:
    """A parsed filter; without terms it matches every call.

    ``needs_metadata`` and ``needs_bodies`` say which details it needs beside a summary; ``has_regex`` that it contains
    a regular expression, which may take any time.
    """

    text: str
    groups: tuple[_Disjunction, ...]
    needs_metadata: bool
    needs_bodies: bool
    has_regex: bool

    @property
    def needs_details(self) -> bool:
        """Whether a summary may not be enough to decide."""
        return self.needs_metadata or self.needs_bodies

    def answer(self, summary: Summary, details: Details | None = None) -> bool | None:
        """Whether a call matches; None if that depends on ``details``."""
        answer: bool | None = True
        for group in self.groups:
            match = group(summary, details)
            if match is False:
                return False
            if match is None:
                answer = None
        return answer

    def matches(self, summary: Summary, details: Details | None = None) -> bool:
        """Whether a call matches; without details, terms that need them match no call."""
        return self.answer(summary, details) is True


def parse(text: str) -> Query:
    """Parse a filter. Raises :class:`~loom.recording.query.FilterError` with the column of the error."""
    groups = scan(text, TERMS)
    terms = {item.term for group in groups for item in group.items}
    return Query(
        text,
        tuple(sorted((_disjunction(group) for group in groups), key=lambda group: group.cost)),
        needs_metadata="meta" in terms,
        needs_bodies="body" in terms,
        has_regex=any(item.value.form is Form.REGEX for group in groups for item in group.items),
    )


def _disjunction(group: Group) -> _Disjunction:
    ordered = predicates(group.items)
    return _Disjunction(
        tuple(predicate for predicate, _ in ordered), group.negated, max(cost for _, cost in ordered)
    )
