"""Rules and faults that act for the length of a ``with``."""

from collections.abc import Callable, Mapping, Sequence
from types import TracebackType
from typing import Any, Literal, Protocol, Self, TypedDict

from loom.errors import LoomError
from loom.interception.rule_interceptor import RuleInterceptor
from loom.interception.rule_sources import RuleSources
from loom.interception.rules import Rule
from loom.interception.selection import RuleState
from loom.model.interception import ActionKind


class SelectionOptions(TypedDict, total=False):
    """Which of the calls that match: keyword arguments of ``fault()`` and ``rule()`` (docs/how-to/rules.md)."""

    name: str
    """Its name in records and filters; a free one by default."""
    percent: float
    every: int
    pattern: str
    times: int | str
    key: str
    for_: str
    max_active: int


class FaultOptions(SelectionOptions, total=False):
    """What a fault does, and where: the keys of a ``[[fault]]`` with underscores."""

    at: str
    status: str | int
    message: str
    details: Sequence[Mapping[str, Any]]
    trailers: Mapping[str, str | Sequence[str]]
    delay: str
    hang: Literal[True]
    drop: Literal[True]
    duplicate: int
    corrupt: Literal["flip", "truncate", "garbage", True]
    half_close: Literal["withhold", "early"]
    responses: int
    cancel_target: Literal[True]
    throttle: str
    oversize: str


class RuleOptions(SelectionOptions, total=False):
    """Where a rule acts: the keys of a ``[[rule]]`` with underscores, but for its actions."""

    when: Mapping[str, Any]
    on_error: Literal["pass", "fail"]


class RuleTarget(Protocol):
    """What rules are added to: the parts of a running Loom that they need."""

    rule_sources: RuleSources
    interceptor: RuleInterceptor | None


class ActingRule:
    """A rule or a fault, which acts within ``with``: on calls that start in it, also when they end behind it.

    Its counts stay after that.
    """

    def __init__(self, loom: RuleTarget, kind: ActionKind, table: dict[str, Any]) -> None:
        """For the thread of Loom's event loop. Raises :class:`LoomError` if the table is not valid."""
        if loom.interceptor is None:
            raise LoomError(f"a {kind} needs the relay engine, which is the default")
        self._sources, self._interceptor = loom.rule_sources, loom.interceptor
        self._run: Callable[[Callable[[], None]], None] = _run_here
        self._kind = kind
        self._table = {name.rstrip("_").replace("_", "-"): value for name, value in table.items()}
        self._rule: Rule = self._sources.compile(kind, self._table)
        self._state = RuleState()

    def on_thread(self, run: Callable[[Callable[[], None]], None]) -> Self:
        """Make it usable on another thread: ``run`` runs a function on that of Loom's event loop, and waits for it."""
        self._run = run
        return self

    def __enter__(self) -> Self:
        self._run(self._add)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._run(self._remove)

    @property
    def name(self) -> str:
        """Its name, by which ``fault:NAME`` and ``rule:NAME`` find calls."""
        return self._rule.name

    @property
    def matched(self) -> int:
        """Calls that matched, of which ``percent``, ``every``, ``pattern`` and ``times`` choose."""
        return self._state.matched

    @property
    def hits(self) -> int:
        """Calls on which it did something: an edit may find nothing to change, or fail."""
        return self._state.acted

    @property
    def failures(self) -> int:
        """How often it could not be applied; :attr:`last_error` says why, the last time."""
        return self._state.failures

    @property
    def last_error(self) -> str:
        return self._state.last_error

    def _add(self) -> None:
        self._rule = self._sources.compile(self._kind, self._table)  # with a name that is free by now
        rules = self._sources.add(self._rule, self._interceptor.rules)
        [self._state] = [active.state for active in rules.active if active.rule is self._rule]
        self._interceptor.rules = rules

    def _remove(self) -> None:
        self._interceptor.rules = self._sources.remove(self._rule.name, self._interceptor.rules)

    def __repr__(self) -> str:
        return f"<{self._rule.sentence}; matched {self.matched}, acted on {self.hits}>"


def _run_here(function: Callable[[], None]) -> None:
    function()
