"""The events of the live feed and of a search."""

from collections.abc import Mapping
from typing import Annotated

from msgspec import UNSET, Meta, UnsetType

from .base import Answer, Parameters
from .breakpoints import Breakpoints
from .calls import CallId, Summary
from .errors import Problem
from .stats import Stats


class Launch(Answer):
    """What is constant while a Loom runs."""

    version: str
    """Loom's version."""
    listen: str
    """The address of the proxy; empty where a file is open."""
    ui: str
    """The address of the inspector."""
    target: str
    """The target."""
    engine: str
    """`relay` or `wire`; `file` where a file is open."""
    read_only: str | UnsetType = UNSET
    """The name of the file that `loom open` shows."""
    problems: list[str] | UnsetType = UNSET
    """What could not be read of that file."""


class Hello(Launch, kw_only=True):
    """The first event, always."""

    boot: str
    """Identifies this launch of Loom."""
    seq: int
    """The position of the feed."""
    oldest_id: int
    """Ended calls with a smaller id are no longer in memory."""
    resumed: bool
    """Whether the calls changed since the client's last event follow."""
    stats: Stats
    """Figures of this moment."""


class Gap(Answer):
    """Updates were skipped for this client: fetch `/api/calls` again."""

    missed: int | None
    """How many; null if that is not known."""


class HistoryCleared(Answer):
    """The history was cleared."""


class SearchProgress(Answer):
    """How far the search is."""

    searched: int
    """Calls searched."""
    of: int
    """Calls to search."""


class SearchFound(Answer):
    """Further calls that match."""

    ids: list[int]
    """Their ids."""
    calls: list[Summary]
    """The calls."""


class SearchDone(Answer):
    """The last event of a search."""

    searched: int
    """Calls searched."""
    found: int
    """Calls that match."""
    problems: list[str]
    """What could not be read, a line each."""


class SearchFailed(Answer):
    """The last event of a search that could not be finished."""

    error: Problem
    """Why."""


FEED_EVENTS: Mapping[str, type] = {
    "hello": Hello,
    "calls": list[Summary],
    "stats": Stats,
    "gap": Gap,
    "cleared": HistoryCleared,
    "breakpoints": Breakpoints,
}
"""What the data of each event of the feed is."""

SEARCH_EVENTS: Mapping[str, type] = {
    "progress": SearchProgress,
    "found": SearchFound,
    "done": SearchDone,
    "failed": SearchFailed,
}
"""What the data of each event of a search is."""

FeedEvent = Hello | list[Summary] | Stats | Gap | HistoryCleared | Breakpoints
SearchEvent = SearchProgress | SearchFound | SearchDone | SearchFailed


class FeedParameters(Parameters):
    """Where to resume."""

    last: str = ""
    """The id of the last event that the client has seen; the header `Last-Event-ID` comes first."""


class SearchParameters(Parameters):
    """What to search for."""

    q: str = ""
    """A filter."""
    limit: Annotated[int, Meta(ge=1, le=10_000)] | None = None
    """Only the newest calls that match, at most this many; they come at the end."""
    before: CallId | None = None
    """Only calls with a smaller id."""
    after: CallId | None = None
    """Only calls with a larger id."""
