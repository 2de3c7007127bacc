"""The numbers of this moment, for the page, ``/health`` and ``/metrics`` alike."""

import time
from collections.abc import Callable
from typing import Any, Protocol

from loom.publishing import Hub
from loom.recording.history import History
from loom.recording.recorder import Recorder


class TargetState(Protocol):
    """What is said of the target: ``state`` is idle, connecting, ready or down."""

    @property
    def state(self) -> str: ...
    @property
    def error(self) -> str: ...


class Stats:
    """Answers the body of ``/api/stats`` (docs/api.md). ``sinks`` answer their own status by name."""

    def __init__(
        self,
        *,
        history: History,
        hub: Hub,
        recorder: Recorder,
        target: TargetState,
        address: str,
        tls: bool,
        breaker: Callable[[], dict[str, Any] | None],
        sinks: dict[str, Callable[[], dict[str, Any] | None]],
    ) -> None:
        self._history = history
        self._hub = hub
        self._recorder = recorder
        self._target = target
        self._address = address
        self._tls = tls
        self._breaker = breaker
        self._sinks = sinks

    def __call__(self) -> dict[str, Any]:
        history, rates = self._history, self._hub.rates
        last = rates.last
        return {
            "boot": self._hub.boot,
            "now_us": time.time_ns() // 1000,
            "calls_total": rates.calls_total,
            "errors_total": rates.errors_total,
            "in_flight": history.live,
            "held": len(history),
            "held_bytes": history.bytes,
            "oldest_id": history.oldest_id,
            "evicted": history.evicted,
            "dropped_messages": history.dropped_messages,
            "dropped_bytes": history.dropped_bytes,
            "recording_failures": self._recorder.failures,
            "rate": last.calls if last else 0,
            "error_rate": last.errors if last else 0,
            "p50_us": last.p50_us if last else None,
            "p95_us": last.p95_us if last else None,
            "subscribers": self._hub.subscribers,
            "skipped": self._hub.skipped,
            "target": {
                "address": self._address,
                "tls": self._tls,
                "state": self._target.state,
                "error": self._target.error,
            },
            "breaker": self._breaker(),
            "sinks": {name: status() for name, status in self._sinks.items()},
        }
