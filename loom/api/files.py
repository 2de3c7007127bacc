"""Calls as files: export and import."""

from .base import Answer, Parameters


class ImportResult(Answer):
    """What an import added."""

    kind: str
    """The format of the file."""
    imported: int
    """How many calls it had."""
    ids: list[int]
    """Their new ids."""
    problems: list[str]
    """What could not be read, a line each; the rest was imported."""


class ExportParameters(Parameters):
    """What to export, and as what."""

    format: str = "ndjson"
    """`ndjson`, `har`, `grpc-dump`, `grpcurl`, `pytest` or `bundle`."""
    q: str = ""
    """A filter."""
    ids: str | None = None
    """Ids of calls, separated by commas; the filter has no effect then."""
    reveal: bool = False
    """Include secrets instead of masking them."""
