"""One gRPC message: its bytes as they passed, and what is known of them without decoding."""

import enum
from dataclasses import dataclass


class Direction(enum.StrEnum):
    """Which way a message goes; the page draws them as ↑ and ↓."""

    REQUEST = "request"
    RESPONSE = "response"


@dataclass(slots=True)
class Message:
    """A message of a call, numbered per call in the order in which Loom saw it.

    ``data`` is the payload without the five-byte prefix, as it was on the wire (still
    compressed if ``compressed``), or None once the history's budget has dropped it;
    ``size`` stays its full length in bytes. ``encoding`` names the compression
    (``grpc-encoding``) of a compressed message. ``time_ns`` is wall-clock nanoseconds.
    """

    index: int
    direction: Direction
    time_ns: int
    size: int
    data: bytes | None
    compressed: bool = False
    encoding: str = ""
