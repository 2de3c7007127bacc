"""How long flow control held a sender: its window was used up, more was to come, no update was there.

Source: RFC 9113, section 6.9. A sender that has nothing more to say is not held: a stall counts once data follows.
"""

DEFAULT_WINDOW = 65_535


class Window:
    """What one sender may still send, on a stream or on a whole connection; times are nanoseconds."""

    __slots__ = ("_open", "_pending", "_since", "stalled_ns")

    def __init__(self, size: int) -> None:
        self._open = size
        self._since = 0
        self._pending = 0
        self.stalled_ns = 0

    def sent(self, size: int, now: int) -> None:
        """DATA of ``size`` bytes went by."""
        if self._pending:
            self.stalled_ns += self._pending
            self._pending = 0
        self._open -= size
        if self._open <= 0:
            self._since = now

    def opened(self, size: int, now: int) -> None:
        """The receiver granted ``size`` more bytes (or took some back by SETTINGS)."""
        self._open += size
        if self._since and self._open > 0:
            self._pending = now - self._since
            self._since = 0
