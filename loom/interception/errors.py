"""What can be wrong with rules, and with what they do."""

from loom.errors import LoomError


class RuleFileError(LoomError):
    """Rules that cannot be used; the text names the file, the rule or the line, and what is allowed.

    ``key`` is the place in the rule's table, as in ``do[1].set``, and ``column`` that in its text, counted from 0; ""
    and None where they are not known.
    """

    def __init__(self, message: str, key: str = "", column: int | None = None) -> None:
        super().__init__(message)
        self.key = key
        self.column = column

    def within(self, origin: str) -> "RuleFileError":
        """The same error with the name of the file that it is in."""
        return RuleFileError(f"{origin}: {self}" if origin else str(self), self.key, self.column)


class EditError(LoomError):
    """An edit that does not fit the message that it is applied to."""
