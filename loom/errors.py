"""Every error that Loom raises on purpose has one root."""


class LoomError(Exception):
    """The root. Its text is one line that a person can act on."""


class ConfigError(LoomError):
    """A setting is wrong: the text names its source, its key and what is allowed."""


class StartError(LoomError):
    """Loom cannot start: a port in use, a certificate that does not match, an unknown address."""
