"""The limits of what one connection, and all of them together, may make Loom keep and do."""

from dataclasses import dataclass, field

from loom.proxy.loop_lag import LoopLag

from .frames import ParseError

MIB = 1024 * 1024


@dataclass(frozen=True, slots=True)
class ConnectionLimits:
    """What a connection may make Loom keep and do; past a limit but ``message_bytes`` it is no longer observed.

    An *idle* frame is one that carries nothing: DATA without content, DATA of a stream that is not open, HEADERS that
    open no call, and every frame that is neither DATA nor HEADERS. A connection may send ``idle_frames`` of them, and
    earns more with time and with its other frames.
    """

    streams: int = 100_000
    """Open streams."""
    total_streams: int = 250_000
    """Open streams of all connections."""
    unfinished_bytes: int = 256 * MIB
    """Bytes of messages that have started and not ended."""
    total_unfinished_bytes: int = 512 * MIB
    """The same of all connections."""
    header_block_bytes: int = MIB
    """Bytes of a header block that continues in CONTINUATION, before it is decoded."""
    header_block_frames: int = 1024
    """Frames of such a header block."""
    header_fields: int = 200
    """Fields of a header block; each further one counts as an idle frame."""
    unacknowledged_settings: int = 1000
    """SETTINGS frames from one side that the other has not acknowledged."""
    idle_frames: int = 10_000
    """Idle frames from both sides, beyond what was earned."""
    idle_per_second: int = 1000
    """Idle frames that each second allows."""
    idle_per_frame: int = 4
    """Idle frames that each other frame allows: a receiver sends two WINDOW_UPDATE frames for a DATA frame at most."""
    resets: int = 20_000
    """Streams that the client resets before the server has answered on them, beyond ``resets_per_second``."""
    resets_per_second: int = 10_000
    """Such streams that each second allows: far above what clients with deadlines or hedged calls do."""
    message_bytes: int = 64 * MIB
    """A larger message is forwarded like any other, but only its size is recorded."""


@dataclass(slots=True)
class Usage:
    """What all connections of an engine keep together."""

    streams: int = 0
    unfinished_bytes: int = 0
    loop_lag: LoopLag = field(default_factory=LoopLag, compare=False)

    def open_stream(self, streams: int, limits: ConnectionLimits) -> None:
        """Count one more stream of a connection that has ``streams``. Raises :class:`ParseError` past a limit."""
        if streams >= limits.streams:
            raise ParseError(f"more than {limits.streams} streams are open")
        if self.streams >= limits.total_streams:
            raise ParseError(f"more than {limits.total_streams} streams are open on all connections")
        self.streams += 1


def unfinished_error(size: int, limits: ConnectionLimits) -> ParseError:
    """The error of a connection that has ``size`` bytes of unfinished messages when a limit is exceeded."""
    if size > limits.unfinished_bytes:
        return ParseError(f"unfinished messages exceed {limits.unfinished_bytes} bytes")
    return ParseError(f"unfinished messages of all connections exceed {limits.total_unfinished_bytes} bytes")


class IdleAllowance:
    """How many idle frames, and streams that it resets, a connection may still send; add idle ones to ``frames``."""

    __slots__ = ("_left", "_limits", "_resets_left", "_resets_updated_ns", "_updated_ns", "frames")

    def __init__(self, limits: ConnectionLimits) -> None:
        self.frames = 0
        self._limits = limits
        self._left = limits.idle_frames
        self._updated_ns = 0  # when time was last counted
        self._resets_left = limits.resets
        self._resets_updated_ns = 0

    def start(self, now: int) -> None:
        """Count time from now on."""
        self._updated_ns = self._resets_updated_ns = now

    def count_reset(self, now: int) -> None:
        """Count a stream that was reset without an answer; :class:`ParseError` past the limit ("rapid reset")."""
        self._resets_left -= 1
        if self._resets_left >= 0:
            return
        limits = self._limits
        earned = max(now - self._resets_updated_ns, 0) * limits.resets_per_second // 1_000_000_000
        self._resets_updated_ns = now
        self._resets_left = min(earned, limits.resets) - 1
        if self._resets_left < 0:
            raise ParseError(
                f"the client reset more than {limits.resets} calls before they were answered"
                f" (past {limits.resets_per_second} a second)"
            )

    def update(self, frames: int, now: int) -> None:
        """Deduct the idle ones of the next ``frames`` frames, and add what the others and time have earned.

        Raises :class:`ParseError` if nothing is left.
        """
        limits = self._limits
        idle, self.frames = self.frames, 0
        left = self._left - idle
        if frames > idle:
            left += limits.idle_per_frame * (frames - idle)
        if left < 0:  # only now, as it costs more
            earned = max(now - self._updated_ns, 0) * limits.idle_per_second // 1_000_000_000
            self._updated_ns = now
            left += min(earned, limits.idle_frames)
        self._left = min(left, limits.idle_frames)
        if left < 0:
            raise ParseError(
                f"more than {limits.idle_frames} frames that carry nothing came"
                f" (past {limits.idle_per_second} a second and {limits.idle_per_frame} for each other frame)"
            )
