"""The statuses of calls that Loom ends, as the backend sent none."""

import re

from loom.model import Address, Status, StatusCode

STOPPED_NOTE = "Loom was stopped while the call was under way"

_CORE_PREFIX = re.compile(r"^failed to connect to all addresses; last error: (UNKNOWN: |UNAVAILABLE: )?")


def stopped() -> Status:
    """Loom was stopped during the call."""
    return Status(StatusCode.UNAVAILABLE, "Loom was stopped")


def deadline_exceeded() -> Status:
    """The deadline passed before the backend had answered."""
    return Status(StatusCode.DEADLINE_EXCEEDED, "Deadline Exceeded")


def client_cancelled() -> Status:
    """The client cancelled the call."""
    return Status(StatusCode.CANCELLED, "the client cancelled")


def target_unreachable(target: Address | str, reason: str) -> Status:
    """No connection to the target could be made."""
    return Status(
        StatusCode.UNAVAILABLE, f"Loom could not reach the target {target}: {_CORE_PREFIX.sub('', reason)}"
    )


def breaker_open(target: Address, last_error: str, retry_in: float) -> Status:
    """The circuit breaker refused the call; ``retry_in`` is in seconds."""
    reason = f" ({last_error})" if last_error else ""
    return Status(
        StatusCode.UNAVAILABLE,
        f"Loom's circuit breaker is open: the target {target} was not tried,"
        f" and will be again in {retry_in:.1f} s{reason}",
    )
