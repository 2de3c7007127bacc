"""The callbacks for recorded calls: of the page's feed, the log, the metrics, the console, a test."""

from collections.abc import Sequence

from .call import Call


class Observer:
    """Callbacks on the event loop that forwards, batched by what was recorded together. They must not block or raise.

    A callback that a subclass does not override is never called, and costs the traffic nothing.
    """

    def started(self, calls: Sequence[Call], /) -> None:
        """These calls have started: once per call, before any ``changed``."""

    def changed(self, calls: Sequence[Call], /) -> None:
        """Events of these calls were recorded."""

    def ended(self, calls: Sequence[Call], /) -> None:
        """These calls have ended: once per call, after the last ``changed``."""
