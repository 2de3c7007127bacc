"""What the handlers work on. The runtime makes it; handlers find it with :func:`inspector_of`."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, cast

from starlette.requests import HTTPConnection
from starlette.routing import BaseRoute

from loom.archive.archive import Archive
from loom.decoding.display import DisplayDecoder
from loom.model import Secrets
from loom.publishing import Hub
from loom.recording.history import History

from .security import Access


@dataclass(slots=True)
class Inspector:
    """Everything that the HTTP side may touch.

    ``stats`` answers the body of ``/api/stats``; ``hello`` the constant part of the feed's first
    event; ``metrics`` the Prometheus exposition; ``ready``
    None or why Loom is not ready; ``flush`` flushes the engine's event buffer; ``routes``
    are added by packages whose handlers need more than this; ``read_only`` names the file that is only looked at, where
    one is.
    """

    history: History
    hub: Hub
    decoder: DisplayDecoder
    archive: Archive
    secrets: Secrets
    access: Access
    stats: Callable[[], dict[str, Any]]
    hello: Callable[[], dict[str, Any]]
    metrics: Callable[[], bytes]
    ready: Callable[[], str | None] = lambda: None
    on_clear: Callable[[], None] = lambda: None
    flush: Callable[[], None] = lambda: None
    read_only: str = ""
    routes: list[BaseRoute] = field(default_factory=list)


def inspector_of(connection: HTTPConnection) -> Inspector:
    """The inspector that this request's app was made with."""
    return cast("Inspector", connection.app.state.inspector)
