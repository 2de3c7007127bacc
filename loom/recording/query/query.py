"""A whole filter, as one question to a call."""

from dataclasses import dataclass

from loom.api.calls import Summary

from .scanner import Form, Group, scan
from .terms import TERMS, Details, Question, questions


@dataclass(frozen=True, slots=True)
class _Any:
    """A comma list: one of its questions must hold, or none if it is negated."""

    questions: tuple[Question, ...]
    negated: bool
    cost: int

    def __call__(self, summary: Summary, details: Details | None) -> bool | None:
        answer: bool | None = False
        for question in self.questions:
            found = question(summary, details)
            if found:
                return not self.negated
            if found is None:
                answer = None
        return answer if answer is None or not self.negated else not answer


@dataclass(frozen=True, slots=True)
class Query:
    """A filter that was read; without terms it matches every call.

    ``needs_metadata`` and ``needs_bodies`` say what a summary alone cannot answer;
    ``has_regex`` that a person wrote a regular expression, which may take any time.
    """

    text: str
    groups: tuple[_Any, ...]
    needs_metadata: bool
    needs_bodies: bool
    has_regex: bool

    @property
    def needs_details(self) -> bool:
        """Whether a summary alone may not be enough."""
        return self.needs_metadata or self.needs_bodies

    def answer(self, summary: Summary, details: Details | None = None) -> bool | None:
        """Whether a call matches; None if only ``details`` can tell."""
        answer: bool | None = True
        for group in self.groups:
            found = group(summary, details)
            if found is False:
                return False
            if found is None:
                answer = None
        return answer

    def matches(self, summary: Summary, details: Details | None = None) -> bool:
        """Whether a call matches; terms that need details hold for nothing where there are none."""
        return self.answer(summary, details) is True


def parse(text: str) -> Query:
    """Read a filter; :class:`~loom.recording.query.FilterError` says in which column it is wrong."""
    groups = scan(text, TERMS)
    terms = {item.term for group in groups for item in group.items}
    return Query(
        text,
        tuple(sorted((_any(group) for group in groups), key=lambda group: group.cost)),
        needs_metadata="meta" in terms,
        needs_bodies="body" in terms,
        has_regex=any(item.value.form is Form.REGEX for group in groups for item in group.items),
    )


def _any(group: Group) -> _Any:
    asked = questions(group.items)
    return _Any(tuple(question for question, _ in asked), group.negated, max(cost for _, cost in asked))
