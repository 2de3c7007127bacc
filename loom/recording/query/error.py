"""What is wrong with a filter, and where."""

from loom.errors import LoomError


class FilterError(LoomError):
    """A filter that cannot be read. ``column`` is 0-based, in characters; ``hint`` says what would do."""

    def __init__(self, message: str, column: int, hint: str = "") -> None:
        super().__init__(message)
        self.column = column
        self.hint = hint
