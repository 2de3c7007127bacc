"""Who is told of calls: the page's feed, the log, the metrics, the terminal, a test."""

from collections.abc import Sequence

from .call import Call


class Observer:
    """Told of calls on the forwarding loop, of those together that have come together: its methods note and return.

    What a subclass does not define costs the traffic nothing.
    """

    def started(self, calls: Sequence[Call], /) -> None:
        """These calls are there; comes once for each, before any ``changed``."""

    def changed(self, calls: Sequence[Call], /) -> None:
        """These calls started or something of them was seen."""

    def ended(self, calls: Sequence[Call], /) -> None:
        """These calls are over; comes once for each, after the last ``changed``."""
