"""The difference between the settings of a running Loom and those that were loaded again."""

import dataclasses
from typing import Any

from loom.api.reload import SettingChange
from loom.model import Address

from .config_loading import DEMO_CONFLICTS, RELAY_ONLY
from .option_spec import Effect
from .settings import Settings, options

_LISTEN_TLS = ("listen_cert", "listen_key", "listen_client_ca")


def merge(current: Settings, new: Settings) -> tuple[Settings, dict[str, Effect]]:
    """The settings that a running Loom can take, and when each that differs takes effect, by field name.

    Those that need a restart are as they were.
    """
    effects = _effects(current, new)
    changes = {name: effect for name, effect in effects.items() if _value(current, name) != _value(new, name)}
    kept: dict[str, Any] = {
        name: getattr(current, name) for name, effect in changes.items() if effect is Effect.RESTART
    }
    if not set(current.mask) <= set(new.mask):
        # What was masked stays so, wherever it is shown.
        kept["mask"] = tuple(dict.fromkeys((*current.mask, *new.mask)))
        changes["mask"] = Effect.RESTART
    return dataclasses.replace(new, **kept), changes


def _effects(current: Settings, new: Settings) -> dict[str, Effect]:
    """When each setting takes effect, in the order of the reference; some depend on others that need a restart."""
    effects = {option.name: option.spec.effect for option in options()}
    after_restart: list[str] = []
    if current.engine != new.engine:
        after_restart += RELAY_ONLY
    if current.demo != new.demo:
        after_restart += DEMO_CONFLICTS
    if (current.listen_cert is None) != (new.listen_cert is None):
        after_restart += _LISTEN_TLS
    if (current.listen_client_ca is None) != (new.listen_client_ca is None):
        after_restart.append("listen_client_ca")
    return {**effects, **dict.fromkeys(after_restart, Effect.RESTART)}


def _value(settings: Settings, name: str) -> object:
    value = getattr(settings, name)
    return (value, value.tls) if isinstance(value, Address) else value


def describe(changes: dict[str, Effect]) -> list[SettingChange]:
    """The changes for the API, in the order of the reference."""
    return [
        SettingChange(option.key, changes[option.name].value)
        for option in options()
        if option.name in changes
    ]
