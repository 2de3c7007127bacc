"""What the handlers work on. The runtime makes it; handlers get it with :func:`inspector_of`."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import cast

from starlette.requests import HTTPConnection

from loom.api.feed import Launch
from loom.api.reload import Reloaded
from loom.api.stats import Stats
from loom.archive.archive import Archive
from loom.decoding.display import DisplayDecoder
from loom.grpcurl.command_builder import CommandBuilder
from loom.interception.rule_interceptor import RuleInterceptor
from loom.interception.rule_sources import RuleSources
from loom.model import Secrets
from loom.publishing import Hub
from loom.recording.history import History
from loom.replay.runner import ReplayRunner

from .security import Access


@dataclass(slots=True)
class Inspector:
    """Everything that the handlers may use.

    ``metrics`` returns the Prometheus exposition; ``ready`` None, or why Loom is not ready; ``flush`` records what the
    engine has buffered. Without ``replays`` calls cannot be sent. ``interceptor`` applies rules; None: nothing acts
    on traffic. ``rule_sources`` is what they come from. ``reload`` loads the settings again. ``read_only`` is the name
    of the file whose calls are shown, where it is one.
    """

    history: History
    hub: Hub
    decoder: DisplayDecoder
    archive: Archive
    commands: CommandBuilder
    replays: ReplayRunner | None
    secrets: Secrets
    access: Access
    stats: Callable[[], Stats]
    launch: Callable[[], Launch]
    metrics: Callable[[], bytes]
    ready: Callable[[], str | None] = lambda: None
    on_clear: Callable[[], None] = lambda: None
    flush: Callable[[], None] = lambda: None
    read_only: str = ""
    interceptor: RuleInterceptor | None = None
    rule_sources: RuleSources | None = None
    reload: Callable[[], Awaitable[Reloaded]] | None = None


def inspector_of(connection: HTTPConnection) -> Inspector:
    """The inspector whose app serves this request."""
    return cast("Inspector", connection.app.state.inspector)
