"""The limits of what one connection may make Loom keep."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ConnectionLimits:
    """What one connection may make Loom keep; past a limit other than ``message_bytes`` it is no longer observed."""

    streams: int = 100_000
    """Open streams."""
    unfinished_bytes: int = 256 * 1024 * 1024
    """Bytes of messages that have started and not ended."""
    unacknowledged_settings: int = 1000
    """SETTINGS frames from one side that the other has not acknowledged."""
    message_bytes: int = 64 * 1024 * 1024
    """A larger message is forwarded like any other, but only its size is recorded."""
