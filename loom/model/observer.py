"""Who is told of calls: the page's feed, the log, the metrics, the terminal, a test."""

from .call import Call


class Observer:
    """Told of calls on the forwarding loop: its methods note and return.

    What a subclass does not define costs the traffic nothing.
    """

    def started(self, call: Call, /) -> None:
        """The call is there; comes once, before any ``changed``."""

    def changed(self, call: Call, /) -> None:
        """A call started or something of it was seen."""

    def ended(self, call: Call, /) -> None:
        """The call is over; comes once, after the last ``changed``."""
