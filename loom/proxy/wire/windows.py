"""How long flow control held a sender: its window was used up, more was to come, no update was there.

Source: RFC 9113, section 6.9. A sender that has nothing more to say is not held: a stall counts once data follows.
"""

import msgspec

DEFAULT_WINDOW = 65_535


class Window(msgspec.Struct, gc=False):
    """What one sender may still send, on a stream or on a whole connection; times are nanoseconds."""

    left: int
    stalled_ns: int = 0
    pending: int = 0  # a stall that is over, and counts once data follows
    _since: int = 0

    def sent(self, size: int, now: int) -> None:
        """DATA of ``size`` bytes went by. (Where every frame counts, callers do the first line themselves.)"""
        self.left -= size
        self.used(now)

    def used(self, now: int) -> None:
        """What :meth:`sent` does after subtracting: of use where ``left`` is not positive or a stall is pending."""
        if self.pending:
            self.stalled_ns += self.pending
            self.pending = 0
        if self.left <= 0:
            self._since = now

    def opened(self, size: int, now: int) -> None:
        """The receiver granted ``size`` more bytes (or took some back by SETTINGS)."""
        self.left += size
        if self._since and self.left > 0:
            self.pending = now - self._since
            self._since = 0
