"""Figures of this moment, and whether Loom is healthy."""

from typing import Literal

from msgspec import UNSET, UnsetType

from .base import Answer

TargetState = Literal["idle", "connecting", "ready", "down"]


class TargetStatus(Answer):
    """The connection to the target."""

    address: str
    """Its address."""
    tls: bool
    """Whether it is reached over TLS."""
    insecure: bool
    """Whether its certificate is not verified (`--insecure`)."""
    state: TargetState
    """`idle` until the first call; `down` too while its name cannot be resolved."""
    error: str
    """Why it cannot be reached; empty otherwise."""


class BreakerStatus(Answer):
    """The circuit breaker."""

    state: Literal["closed", "open", "half_open"]
    """While `open`, calls fail fast."""
    failures: int
    """Consecutive connection failures."""
    retry_in_ms: int | None
    """When the next attempt is made; null unless `open`."""


class LogStatus(Answer):
    """The NDJSON log."""

    path: str
    """The file."""
    written: int
    """Calls written."""
    dropped: int
    """Calls lost because the queue was full or the disk refused them."""
    error: str
    """Why calls are not written; empty while they are."""


class SessionStatus(Answer):
    """The session on disk."""

    name: str
    """Its name."""
    path: str
    """The database file."""
    written: int
    """Calls written by this run."""
    dropped: int
    """Events that the queue had no room for, or that cannot be stored."""
    dropped_bytes: int
    """Their message bytes."""
    waiting_bytes: int
    """Bytes in the queue."""
    bytes: int
    """Size on disk."""
    budget: int
    """The size past which the oldest calls are pruned."""
    pruned: int
    """Calls pruned by this run."""
    error: str
    """Why calls are not stored; empty while they are."""
    problems: list[str]
    """What could not be read of earlier runs, and what of this one is lost."""


class Sinks(Answer):
    """Where calls are written; null where they are not."""

    log: LogStatus | None
    """The NDJSON log."""
    session: SessionStatus | None
    """The session on disk."""


class Stats(Answer):
    """Figures of this moment. Rates and percentiles are of the last second."""

    boot: str
    """Identifies this launch of Loom."""
    now_us: int
    """The time at Loom."""
    calls_total: int
    """Calls that have ended since the launch."""
    errors_total: int
    """Those that ended with a status other than OK."""
    in_flight: int
    """Calls under way."""
    held: int
    """Calls held in memory."""
    held_bytes: int
    """Memory that they are counted as."""
    oldest_id: int
    """Ended calls with a smaller id are no longer in memory."""
    complete_from: int
    """Every call of this id and up is in memory; of those below, which may be in flight, some may not be."""
    evicted: int
    """Calls evicted from memory so far."""
    evicted_live: int
    """Those that had not ended: too many calls were in flight, or they filled the memory budget alone."""
    dropped_messages: int
    """Messages dropped from calls in memory."""
    dropped_bytes: int
    """Their payload bytes."""
    recording_failures: int
    """Events that could not be recorded; their calls were forwarded."""
    rate: int
    """Calls that ended."""
    error_rate: int
    """Calls that ended with a status other than OK."""
    p50_us: int | None
    """Median duration, without what breakpoints held; null if no call ended."""
    p95_us: int | None
    """95th percentile of the duration."""
    subscribers: int
    """Clients of the feed."""
    skipped: int
    """Updates that were not sent to clients too slow for them."""
    target: TargetStatus
    """The connection to the target."""
    breaker: BreakerStatus | None
    """The circuit breaker; null if it is off."""
    sinks: Sinks
    """Where calls are written."""


class StatsSeries(Stats):
    """Figures of this moment and of the seconds before."""

    series: list[tuple[int, int, int, int | None, int | None, int]]
    """By the second, oldest first: time in microseconds, calls that ended, errors among them, p50, p95, in flight."""


class Live(Answer):
    """The process serves requests."""

    status: Literal["live"] = "live"
    """Always `live`."""


class Ready(Answer):
    """Whether Loom takes traffic."""

    status: Literal["ready", "not ready"]
    """`ready` with 200, `not ready` with 503."""
    reason: str | UnsetType = UNSET
    """Why it is not ready: `starting` or `draining`."""


class Health(Answer):
    """Readiness, and to a client with the token, or where none is required, the target, the breaker and the sinks."""

    status: str
    """`ok` with 200; `starting` or `draining` with 503."""
    target: TargetStatus | UnsetType = UNSET
    """The connection to the target. A target that is down does not make Loom unhealthy."""
    breaker: BreakerStatus | UnsetType | None = UNSET
    """The circuit breaker; null if it is off."""
    sinks: Sinks | UnsetType = UNSET
    """Where calls are written."""
