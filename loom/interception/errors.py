"""What can be wrong with rules, and with what they do."""

from loom.errors import LoomError


class RuleFileError(LoomError):
    """A file of rules that cannot be used; the text names the file, the rule or the line, and what is allowed."""


class EditError(LoomError):
    """An edit that does not fit the message that it is applied to."""
