"""Timeouts and deadlines, as C-core rounds and limits them. All values are in seconds."""

import time

MAX_TIMEOUT = 10 * 365 * 24 * 3600.0
"""The longest timeout that is passed on: gRPC allows eleven thousand years, which overflow C-core's clock."""

_NO_DEADLINE = 1e12
"""C-core reports a call without a deadline as one with a deadline this far ahead."""


def timeout_of(deadline: float, now: float) -> float | None:
    """The time left until ``deadline``, which C-core gives as seconds since the epoch; None without a deadline."""
    remaining = deadline - now
    return None if remaining >= _NO_DEADLINE else min(max(remaining, 0.0), MAX_TIMEOUT)


def upstream_deadline(timeout: float | None) -> float | None:
    """The deadline, as seconds since the epoch, of a call to the target with ``timeout`` left.

    C-core rounds a timeout up to two or three digits on the wire (an hour and a millisecond becomes 3,610 s).
    Subtracting a thousandth, at most 10 ms, keeps round timeouts as they were.
    """
    return None if timeout is None else time.time() + timeout - min(timeout / 1000, 0.01)


def deadline_passed(remaining: float | None, timeout: float | None, lag: float = 0.0) -> bool:
    """Whether a call that ends with ``remaining`` of its ``timeout`` left was ended by its deadline.

    The client's clock started earlier than Loom's, by the time that the request took to reach Loom. A tenth of the
    timeout, at most 50 ms, is allowed for that. On a starved machine it takes longer: ``lag`` is by how much Loom's own
    timers are late, and at most half of the timeout is allowed for it.
    """
    if remaining is None or timeout is None:
        return False
    return remaining <= min(0.05, timeout / 10) + min(lag, timeout / 2)
