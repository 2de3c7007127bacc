"""The error of a filter, with its place."""

from loom.errors import LoomError


class FilterError(LoomError):
    """A filter that cannot be parsed. ``column`` is 0-based, in characters; ``hint`` says what is allowed."""

    def __init__(self, message: str, column: int, hint: str = "") -> None:
        super().__init__(message)
        self.column = column
        self.hint = hint
