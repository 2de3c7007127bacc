"""The rules of a running Loom: files, which are watched, the flag ``--fault``, and what was added since."""

import asyncio
import logging
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from watchfiles import awatch

from loom.model.interception import ActionKind

from .added_rules import AddedRules
from .errors import RuleFileError
from .fault_headers import header_fault
from .faults import parse_fault_flag
from .rule_file import MAX_RULES
from .rule_set import RuleSet, load_rules
from .rules import Rule, RuleSource, check_names

_log = logging.getLogger(__name__)


class RuleSources:
    """Reads the rules of ``paths`` and ``faults`` (see :func:`.faults.parse_fault_flag`).

    With ``fault_headers`` clients may ask for faults: see :mod:`.fault_headers`.
    Those of files come first, then those of flags, then those that were added. For one thread, as its coroutines are.
    ``problem`` says why the files as they are now cannot be used, and the rules before them are still in force.
    """

    def __init__(
        self, paths: Sequence[Path], faults: Sequence[str], seed: int, *, fault_headers: bool = False
    ) -> None:
        self.seed = seed
        self.problem = ""
        self.added = AddedRules()
        self._paths = list(paths)
        self._faults = list(faults)
        self._fault_headers = fault_headers
        self._reading = asyncio.Lock()
        self._given: list[Rule] = []  # of files and flags, as they were when they could last be used

    def with_sources(
        self, paths: Sequence[Path], faults: Sequence[str], *, fault_headers: bool
    ) -> "RuleSources":
        """Other files and faults, with the same seed and the rules that were added so far. :meth:`read` them next."""
        sources = RuleSources(paths, faults, self.seed, fault_headers=fault_headers)
        sources.added = self.added
        return sources

    def is_like(self, other: "RuleSources") -> bool:
        """Whether the same rules come from the files of both."""

        def tables(rules: Sequence[Rule]) -> list[object]:
            return [
                (rule.kind, rule.name, rule.table) for rule in rules if rule.origin.source is RuleSource.FILE
            ]

        return tables(self._given) == tables(other._given)  # noqa: SLF001 (of this class)

    def read(self) -> None:
        """Read files and flags, on any thread; raises :class:`RuleFileError`."""
        self._given = self._read()

    def load(self) -> RuleSet:
        """Read everything; raises :class:`RuleFileError`."""
        self.read()
        rule_set = self.join(None)
        for warning in rule_set.warnings:
            _log.warning("%s", warning)
        return rule_set

    def compile(self, kind: ActionKind, table: Any) -> Rule:
        """Check and compile a table that may be added; raises :class:`RuleFileError`."""
        return self.added.compile(kind, table, [rule.name for rule in (*self._given, *self.added.rules)])

    def add(self, rule: Rule, current: RuleSet) -> RuleSet:
        """Add a compiled rule, last; raises :class:`RuleFileError` and :class:`.added_rules.RuleNameError`."""
        return self._change(self.added.add(rule, self._given), current)

    def replace(self, name: str, rule: Rule, current: RuleSet) -> RuleSet:
        """Put a rule in the place of an added one; raises like :meth:`add`."""
        rules = self._change(self.added.replace(name, rule, self._given), current)
        for active in rules.active:
            if active.rule is rule:
                active.state.enabled = rule.enabled  # counters are carried over, and this with them
        return rules

    def remove(self, name: str, current: RuleSet) -> RuleSet:
        """Remove an added rule; raises :class:`.added_rules.RuleNameError`."""
        return self._change(self.added.remove(name), current)

    async def watch(self, current: Callable[[], RuleSet], replace: Callable[[RuleSet], None]) -> None:
        """Read the files again whenever one of their folders' TOML, JSON or binary files changes, until cancelled."""
        folders = {path.resolve().parent for path in self._paths}
        if not folders:
            return
        suffixes = {".toml", ".json", ".binpb", *(path.suffix for path in self._paths)}

        def is_relevant(_: object, name: str) -> bool:
            return Path(name).suffix in suffixes

        async for _ in awatch(*folders, watch_filter=is_relevant, recursive=False):
            await self.reload(current, replace)

    async def reload(self, current: Callable[[], RuleSet], replace: Callable[[RuleSet], None]) -> None:
        """Read the files again; if they cannot be used, the rules in force stay, and :attr:`problem` says why.

        One at a time: what was read last is what counts, however long a thread takes.
        """
        async with self._reading:
            await self._reload(current, replace)

    async def _reload(self, current: Callable[[], RuleSet], replace: Callable[[RuleSet], None]) -> None:
        before = self._given
        try:
            self._given = await asyncio.to_thread(self._read)
            rules = self.join(current())
        except RuleFileError as error:
            self._given = before
            self.problem = str(error)
            _log.error("%s; the rules before this change stay in force", error)
            return
        self.problem = ""
        replace(rules)
        for warning in rules.warnings:
            _log.warning("%s", warning)
        _log.warning("rules read again: %d in force", len(rules.active))

    def _read(self) -> list[Rule]:
        rules: list[Rule] = load_rules(self._paths)
        rules += [parse_fault_flag(text, number) for number, text in enumerate(self._faults, 1)]
        rules += [header_fault()] if self._fault_headers else []
        return rules

    def _change(self, added: AddedRules, current: RuleSet) -> RuleSet:
        before, self.added = self.added, added
        try:
            return self.join(current)
        except RuleFileError:
            self.added = before
            raise

    def join(self, previous: RuleSet | None) -> RuleSet:
        """The set of all rules that were read and added; raises :class:`RuleFileError`.

        Counters of rules of ``previous`` that are the same carry over.
        """
        rules = [*self._given, *self.added.rules]
        if len(rules) > MAX_RULES:
            raise RuleFileError(
                f"at most {MAX_RULES} rules and faults can be loaded, and these are {len(rules):,}"
            )
        check_names(rules)
        return RuleSet(rules, seed=self.seed, now=time.monotonic(), previous=previous)
