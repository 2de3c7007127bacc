"""The rules of a running Loom: files, which are watched, and the flag ``--fault``."""

import asyncio
import logging
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from watchfiles import awatch

from .errors import RuleFileError
from .faults import parse_fault_flag
from .rule_file import MAX_RULES
from .rule_set import RuleSet, load_rules
from .rules import Rule, check_names

_log = logging.getLogger(__name__)


class RuleSources:
    """Reads the rules of ``paths`` and ``faults`` (see :func:`.faults.parse_fault_flag`); those of files come first.

    ``problem`` says why the files as they are now cannot be used, and the rules before them are still in force.
    """

    def __init__(self, paths: Sequence[Path], faults: Sequence[str], seed: int) -> None:
        self.seed = seed
        self.problem = ""
        self._paths = list(paths)
        self._faults = list(faults)

    def load(self, previous: RuleSet | None = None) -> RuleSet:
        """Read everything; raises :class:`RuleFileError`. Counters of rules that are the same carry over."""
        rules: list[Rule] = load_rules(self._paths)
        rules += [parse_fault_flag(text, number) for number, text in enumerate(self._faults, 1)]
        if len(rules) > MAX_RULES:
            raise RuleFileError(
                f"at most {MAX_RULES} rules and faults can be loaded, and these are {len(rules):,}"
            )
        check_names(rules)
        rule_set = RuleSet(rules, seed=self.seed, now=time.monotonic(), previous=previous)
        for warning in rule_set.warnings:
            _log.warning("%s", warning)
        return rule_set

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
        """Read the files again; if they cannot be used, the rules in force stay, and :attr:`problem` says why."""
        try:
            rules = await asyncio.to_thread(self.load, current())
        except RuleFileError as error:
            self.problem = str(error)
            _log.error("%s; the rules before this change stay in force", error)
            return
        self.problem = ""
        replace(rules)
        _log.warning("rules read again: %d in force", len(rules.active))
