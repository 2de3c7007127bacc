"""The errors that Loom raises on purpose."""

from collections.abc import Sequence


class LoomError(Exception):
    """The base class. The text is one line that says what to do."""


class ConfigError(LoomError):
    """A setting is wrong: the text names its source, its key and what is allowed."""


class ReloadError(LoomError):
    """Settings cannot be loaded again, and nothing has changed. ``problems`` has a line for each reason."""

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__("; ".join(problems))
        self.problems = tuple(problems)


class StartError(LoomError):
    """Loom cannot start: a port in use, a certificate that does not match, an unknown address."""
