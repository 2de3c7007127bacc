"""What every answer with a status of 400 or more has."""

from msgspec import UNSET, UnsetType

from .base import Answer


class Problem(Answer):
    """What is wrong, and what to do about it."""

    message: str
    """One sentence."""
    hint: str
    """What to do; may be empty."""
    column: int | UnsetType = UNSET
    """Where a filter or a path is wrong: 0-based, in characters."""
    field: str | UnsetType = UNSET
    """Which parameter, or which field of the body or of a message, is wrong."""
    message_index: int | UnsetType | None = UNSET
    """Which message of a replay is wrong; null if it is none of them."""
    evicted: bool | UnsetType = UNSET
    """Of a call that is not there: whether it once was."""
    problems: list[str] | UnsetType = UNSET
    """Of settings: what is wrong with them, a sentence each."""


class ErrorAnswer(Answer):
    """The body of every error."""

    error: Problem
    """What is wrong."""
