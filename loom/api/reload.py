"""Settings that are loaded again while Loom runs: what changed, and when it takes effect."""

from typing import Literal

from .base import Answer


class SettingChange(Answer):
    """A setting that changed, or the content of a file that it names."""

    key: str
    """Its key in `loom.toml`, which is its flag without the dashes."""
    effect: Literal["at once", "new connections", "restart"]
    """When it takes effect. With `restart` it has not changed yet, and will when Loom is started again."""


class Reloaded(Answer):
    """What loading the settings again has changed."""

    changes: list[SettingChange]
    """The settings that changed, in the order of the reference; empty if none did."""
    warnings: list[str]
    """What is doubtful about the settings, such as a certificate that expires soon."""
