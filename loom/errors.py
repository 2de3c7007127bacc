"""The errors that Loom raises on purpose."""


class LoomError(Exception):
    """The base class. The text is one line that says what to do."""


class ConfigError(LoomError):
    """A setting is wrong: the text names its source, its key and what is allowed."""


class StartError(LoomError):
    """Loom cannot start: a port in use, a certificate that does not match, an unknown address."""
