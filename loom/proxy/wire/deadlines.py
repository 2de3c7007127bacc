"""Whether a call ended at its deadline, as Loom can tell."""

_TOLERANCE_NS = 50_000_000


def deadline_passed(now: int, deadline_ns: int | None, timeout_ns: int | None, lag: float) -> bool:
    """Whether a call that ends at ``now`` was ended by its deadline.

    The client's clock started earlier than Loom's, by the time that the request took to reach Loom: 50 ms are allowed
    for that. On a starved machine it takes longer: ``lag`` is by how many seconds Loom's own timers are late, and at
    most half of the timeout is allowed for it.
    """
    if deadline_ns is None or timeout_ns is None:
        return False
    return now >= deadline_ns - _TOLERANCE_NS - min(int(lag * 1e9), timeout_ns // 2)
