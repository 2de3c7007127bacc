"""Load the settings of a running Loom again: build every new part, then swap them at once, or change nothing."""

import asyncio
import contextlib
import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from loom.api.reload import Reloaded
from loom.errors import LoomError, ReloadError
from loom.interception import RuleSet
from loom.interception.rule_sources import RuleSources
from loom.proxy.breaker import Breaker
from loom.proxy.engine import ServerTls
from loom.proxy.target import Target
from loom.recording.call_log import CallLog
from loom.schema import LocalSources

from . import wiring
from .config_check import check_configuration
from .option_spec import Effect
from .settings import Settings
from .settings_change import describe, merge

if TYPE_CHECKING:
    from .loom import Loom

_log = logging.getLogger(__name__)

_TARGET_FILES = ("cacert", "cert", "key")
_LISTEN_FILES = ("listen_cert", "listen_key", "listen_client_ca")
_TARGET_SETTINGS = ("target", "authority", "tls", "server_name", "insecure", *_TARGET_FILES)
_SCHEMA_SETTINGS = ("reflection", "reflection_header", "proto", "import_path", "protoset")
RETIREMENT_POLL = 1.0
"""Seconds between two looks at whether a target that was replaced is still used."""


@dataclass(slots=True)
class _Parts:
    """What is swapped. Parts that are the running ones have not changed."""

    settings: Settings
    target: Target
    breaker: Breaker | None
    server_tls: ServerTls | None
    rule_sources: RuleSources
    local: LocalSources
    log: CallLog | None


class Reloader:
    """Loads the settings of one Loom again with ``load``, one time after another."""

    def __init__(
        self, loom: "Loom", load: Callable[[], Settings], retirement_poll: float = RETIREMENT_POLL
    ) -> None:
        self._loom = loom
        self._load = load
        self.retirement_poll = retirement_poll
        self._lock = asyncio.Lock()

    async def reload(self) -> Reloaded:
        """Load the settings again. Raises :class:`loom.errors.ReloadError`, and nothing has changed then."""
        async with self._lock:
            try:
                reloaded = await self._reload()
            except ReloadError as error:
                for problem in error.problems:
                    _log.error("not reloaded: %s", problem)
                raise
        for line in _lines(reloaded):
            _log.warning("%s", line)
        return reloaded

    async def _reload(self) -> Reloaded:
        try:
            loaded = await asyncio.to_thread(self._load)
        except LoomError as error:
            raise ReloadError([str(error)]) from error
        problems = [problem async for problem in check_configuration(loaded)]
        if errors := [problem.text for problem in problems if problem.fatal]:
            raise ReloadError(errors)
        settings, changes = merge(self._loom.settings, loaded)
        async with contextlib.AsyncExitStack() as unused:
            try:
                parts = await self._build(settings, changes, unused)
                rules = self._join_rules(parts)
            except LoomError as error:
                raise ReloadError([str(error)]) from error
            self._swap(parts, rules)
            unused.pop_all()
        return Reloaded(describe(changes), [problem.text for problem in problems])

    async def _build(
        self, settings: Settings, changes: dict[str, Effect], unused: contextlib.AsyncExitStack
    ) -> _Parts:
        """Build what has changed; ``changes`` gets the files whose content has. What is in ``unused`` is closed."""
        loom = self._loom
        target, breaker, local, log = loom.target, loom.breaker, loom.local, loom.log
        if _changed(changes, *_TARGET_SETTINGS) or wiring.target_tls(settings) != target.tls:
            target = wiring.target(settings)
            unused.push_async_callback(target.close)
            _note_files(changes, settings, target.tls != loom.target.tls, _TARGET_FILES)
            await target.check_or_wait(loom.own_addresses)
        if target is not loom.target or _changed(changes, "breaker", "breaker_pause"):
            breaker = wiring.breaker(settings)
        server_tls = wiring.server_tls(settings)
        _note_files(changes, settings, server_tls != loom.server_tls, _LISTEN_FILES)
        sources = loom.rule_sources.with_sources(
            settings.rules, settings.fault, fault_headers=settings.fault_headers
        )
        if loom.interceptor is not None:
            await asyncio.to_thread(sources.read)
            _note_files(changes, settings, not sources.is_like(loom.rule_sources), ("rules",))
        if _changed(changes, *_SCHEMA_SETTINGS):
            local = wiring.local_files(settings)
            await local.load()
        if _changed(changes, "log"):
            log = wiring.log(settings, loom.secrets, sources.seed)
            if log is not None:
                unused.push_async_callback(asyncio.to_thread, log.close)
        return _Parts(settings, target, breaker, server_tls, sources, local, log)

    def _join_rules(self, parts: _Parts) -> RuleSet | None:
        """The rules to swap in, with those that were added meanwhile; None without an interceptor."""
        loom = self._loom
        parts.rule_sources.added = loom.rule_sources.added
        return None if loom.interceptor is None else parts.rule_sources.join(loom.interceptor.rules)

    def _swap(self, parts: _Parts, rules: RuleSet | None) -> None:
        """Replace the parts, without a turn of the event loop in between."""
        loom, settings = self._loom, parts.settings
        previous_target = loom.target
        schema_changed = parts.local is not loom.local or parts.target is not previous_target
        loom.settings = settings
        loom.server_tls = parts.server_tls
        loom.secrets.add(settings.secrets)
        if loom.store is not None:
            loom.store.mask(settings.mask)
        loom.use_target(parts.target, parts.breaker)
        loom.rule_sources, loom.local = parts.rule_sources, parts.local
        if loom.interceptor is not None and rules is not None:
            loom.interceptor.rules = rules
        if schema_changed:
            loom.schema.replace_sources(
                [*wiring.schema_sources(settings, parts.target, parts.local), loom.stored_descriptors]
            )
        loom.watch_files()
        self._use_log(parts.log)
        if (inspector := loom.inspector_context) is not None:
            inspector.commands = loom.command_builder()
            inspector.archive.destination = loom.destination()
            inspector.rule_sources = loom.rule_sources
        if previous_target is not parts.target:
            loom.retired.append(previous_target)
            loom.tasks.start(self._retire(previous_target), "replaced target")

    def _use_log(self, log: CallLog | None) -> None:
        """Log the calls that end from now on to ``log``."""
        loom, previous = self._loom, self._loom.log
        if log is previous:
            return
        loom.log = log
        if log is not None:
            loom.recorder.observe(log)
        if previous is not None:
            loom.recorder.forget(previous)
            loom.tasks.start(asyncio.to_thread(previous.close), "replaced log")

    async def _retire(self, target: Target) -> None:
        """Close the connections of a target that was replaced when the last call on them has ended."""
        loom = self._loom
        while True:
            await asyncio.sleep(self.retirement_poll)
            if not loom.engine.is_using(target) and not loom.replayer.is_using(target):
                break
        loom.retired.remove(target)
        await target.close()


def _changed(changes: dict[str, Effect], *names: str) -> bool:
    return any(changes.get(name, Effect.RESTART) is not Effect.RESTART for name in names)


def _note_files(
    changes: dict[str, Effect], settings: Settings, differs: bool, names: tuple[str, ...]
) -> None:
    """Note that the files of these settings have another content, unless one of them is noted as changed."""
    if not differs or any(name in changes for name in names):
        return
    effect = Effect.AT_ONCE if names == ("rules",) else Effect.NEW_CONNECTIONS
    changes.update((name, effect) for name in names if getattr(settings, name))


def _lines(reloaded: Reloaded) -> list[str]:
    """What the log says."""
    applied = [change for change in reloaded.changes if change.effect != "restart"]
    pending = [change.key for change in reloaded.changes if change.effect == "restart"]
    text = ", ".join(f"{change.key} ({change.effect})" for change in applied)
    lines = [f"reloaded: {text}" if text else "reloaded: nothing has changed" if not pending else "reloaded"]
    lines += [f"needs a restart: {', '.join(pending)}"] if pending else []
    return lines + [f"warning: {warning}" for warning in reloaded.warnings]
