"""The figures of this moment, for the API, ``/health`` and ``/metrics`` alike."""

import time
from collections.abc import Callable

from loom.api.stats import BreakerStatus, LogStatus, SessionStatus, Sinks, Stats, TargetStatus
from loom.publishing import Hub
from loom.recording.history import History
from loom.recording.recorder import Recorder


class StatsCollector:
    """Collects the figures when called.

    ``target`` returns its state; ``breaker``, ``log`` and ``session`` theirs, or None where there is none.
    """

    def __init__(
        self,
        *,
        history: History,
        hub: Hub,
        recorder: Recorder,
        target: Callable[[], TargetStatus],
        breaker: Callable[[], BreakerStatus | None] = lambda: None,
        log: Callable[[], LogStatus | None] = lambda: None,
        session: Callable[[], SessionStatus | None] = lambda: None,
    ) -> None:
        self._history = history
        self._hub = hub
        self._recorder = recorder
        self._target = target
        self._breaker = breaker
        self._log = log
        self._session = session

    def __call__(self) -> Stats:
        history, rates = self._history, self._hub.rates
        last = rates.last
        return Stats(
            boot=self._hub.boot,
            now_us=time.time_ns() // 1000,
            calls_total=rates.calls_total,
            errors_total=rates.errors_total,
            in_flight=history.live,
            held=len(history),
            held_bytes=history.bytes,
            oldest_id=history.oldest_id,
            complete_from=history.complete_from,
            evicted=history.evicted,
            evicted_live=history.evicted_live,
            dropped_messages=history.dropped_messages,
            dropped_bytes=history.dropped_bytes,
            recording_failures=self._recorder.failures,
            rate=last.calls if last else 0,
            error_rate=last.errors if last else 0,
            p50_us=last.p50_us if last else None,
            p95_us=last.p95_us if last else None,
            subscribers=self._hub.subscribers,
            skipped=self._hub.skipped,
            target=self._target(),
            breaker=self._breaker(),
            sinks=Sinks(self._log(), self._session()),
        )
