"""Measures how long flow control stalled a sender: its window was exhausted while it had more to send.

Source: RFC 9113, section 6.9. A sender with nothing more to send is not stalled, so a stall counts once data follows.
"""

import msgspec

DEFAULT_WINDOW = 65_535


class Window(msgspec.Struct, gc=False):
    """The flow-control window of a stream or a connection, in bytes; times are nanoseconds."""

    available: int
    stalled_ns: int = 0
    pending_ns: int = 0  # a stall that is over, and counts once data follows
    _exhausted_at: int = 0

    def consume(self, size: int, now: int) -> None:
        """Account for ``size`` bytes of DATA. Hot paths inline the first line."""
        self.available -= size
        self.update_stall(now)

    def update_stall(self, now: int) -> None:
        """The second half of :meth:`consume`; needed if ``available`` is not positive or a stall is pending."""
        if self.pending_ns:
            self.stalled_ns += self.pending_ns
            self.pending_ns = 0
        if self.available <= 0:
            self._exhausted_at = now

    def grant(self, size: int, now: int) -> None:
        """The receiver granted ``size`` more bytes, or (by SETTINGS) withdrew some."""
        self.available += size
        if self._exhausted_at and self.available > 0:
            self.pending_ns = now - self._exhausted_at
            self._exhausted_at = 0
