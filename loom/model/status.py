"""The status a call ends with (gRPC's ``grpc-status``, ``grpc-message`` and details)."""

import enum

import msgspec


class StatusCode(enum.IntEnum):
    """The seventeen codes of https://grpc.io/docs/guides/status-codes/."""

    OK = 0
    CANCELLED = 1
    UNKNOWN = 2
    INVALID_ARGUMENT = 3
    DEADLINE_EXCEEDED = 4
    NOT_FOUND = 5
    ALREADY_EXISTS = 6
    PERMISSION_DENIED = 7
    RESOURCE_EXHAUSTED = 8
    FAILED_PRECONDITION = 9
    ABORTED = 10
    OUT_OF_RANGE = 11
    UNIMPLEMENTED = 12
    INTERNAL = 13
    UNAVAILABLE = 14
    DATA_LOSS = 15
    UNAUTHENTICATED = 16


class EndedBy(enum.StrEnum):
    """The party that ended the call, as far as Loom can tell."""

    BACKEND = "backend"  # the backend sent the status
    CLIENT = "client"  # the client cancelled or went away
    DEADLINE = "deadline"  # the deadline passed at Loom
    LOOM = "loom"  # Loom itself: target unreachable, breaker open, shutdown


_NAMES = {code.value: code.name for code in StatusCode}


class Status(msgspec.Struct, frozen=True, gc=False):
    """``code`` is the number on the wire: it may lie outside :class:`StatusCode`.

    ``details`` is the value of ``grpc-status-details-bin``, or None.
    """

    code: int
    message: str = ""
    details: bytes | None = None

    @property
    def name(self) -> str:
        """The code's name, or ``CODE_<n>`` where the number has none."""
        return _NAMES.get(self.code) or f"CODE_{self.code}"
