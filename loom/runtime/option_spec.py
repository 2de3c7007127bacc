"""What describes a setting: its type, section and help, and the names that follow from its name."""

import enum
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from .option_types import OptionType


class Section(enum.StrEnum):
    """The headings of ``--help`` and of docs/reference/configuration.md."""

    TRAFFIC = "Traffic"
    TARGET_TLS = "TLS towards the target"
    LISTEN_TLS = "TLS on the listening side"
    ACTING = "Acting on traffic"
    INSPECTOR = "Inspector"
    SCHEMA = "Schema"
    RECORDING = "Recording"
    CONSOLE = "Console"


class Effect(enum.StrEnum):
    """When a setting that is changed takes effect in a Loom that runs, once its settings are loaded again."""

    AT_ONCE = "at once"
    NEW_CONNECTIONS = "new connections"
    RESTART = "restart"


@dataclass(frozen=True, slots=True)
class OptionSpec:
    """The annotation of a field of ``Settings``. ``default_help`` describes a default of None."""

    type: OptionType
    section: Section
    help: str
    default_help: str = ""
    effect: Effect = field(kw_only=True)


at_once = partial(OptionSpec, effect=Effect.AT_ONCE)
new_connections = partial(OptionSpec, effect=Effect.NEW_CONNECTIONS)
at_restart = partial(OptionSpec, effect=Effect.RESTART)


@dataclass(frozen=True, slots=True)
class Option:
    """One setting: its name, default and :class:`OptionSpec`."""

    name: str
    default: Any
    spec: OptionSpec

    @property
    def type(self) -> OptionType:
        return self.spec.type

    @property
    def key(self) -> str:
        """The key in loom.toml."""
        return self.name.replace("_", "-")

    @property
    def flag(self) -> str:
        return f"--{self.key}"

    @property
    def negative_flag(self) -> str | None:
        """``--no-KEY``, for switches that are not off by default and for values that may be ``off``."""
        has_negative = self.default is not False if self.type.is_switch else self.type.accepts_off
        return f"--no-{self.key}" if has_negative else None

    @property
    def variable(self) -> str:
        return f"LOOM_{self.name.upper()}"

    @property
    def default_text(self) -> str:
        """The default as it would be written, or described; empty if there is none."""
        if self.spec.default_help:
            return self.spec.default_help
        return "" if self.default in (None, ()) else self.type.format(self.default)
