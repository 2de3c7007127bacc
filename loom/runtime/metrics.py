"""Prometheus metrics: counted in plain dicts per call, converted when scraped."""

import time
from bisect import bisect_left
from collections.abc import Callable, Iterator, Sequence

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    InfoMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector

from loom.api.stats import Stats
from loom.interception import RuleSet
from loom.interception.holds import Holds
from loom.model import Call, Observer, Status, StatusCode

BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
_BUCKETS_NS = [int(bound * 1e9) for bound in BUCKETS]
MAX_METHODS = 1000
"""Clients choose method names: calls of further ones are counted as ``other``."""
MAX_METHOD_LENGTH = 300
"""Characters of a method's name; calls of one that is longer are counted as ``other``, too."""
_MAX_CODE = max(StatusCode)
_OTHER = "other"
_BREAKER_STATES = ("closed", "open", "half_open")


class Metrics(Collector, Observer):
    """An observer of calls, and the collector of its own registry.

    ``stats`` returns the figures of this moment, ``rules`` the rules in force, ``holds`` what breakpoints hold. There
    are at most :data:`~loom.interception.rule_file.MAX_RULES` rules, and as many series of each of their metrics.
    """

    def __init__(
        self,
        version: str,
        stats: Callable[[], Stats],
        rules: Callable[[], RuleSet | None] = lambda: None,
        holds: Callable[[], Holds | None] = lambda: None,
        *,
        max_methods: int = MAX_METHODS,
    ) -> None:
        self.registry = CollectorRegistry()
        self._version = version
        self._stats = stats
        self._rules = rules
        self._holds = holds
        self._max_methods = max_methods
        self._started: dict[str, int] = {}
        self._handled: dict[tuple[str, int | None], int] = {}
        self._messages = [0, 0]
        self._bytes = [0, 0]
        self._buckets = [0] * (len(BUCKETS) + 1)
        self._duration_ns = 0
        self.registry.register(self)

    def exposition(self) -> bytes:
        """Return https://prometheus.io/docs/instrumenting/exposition_formats/ (text)."""
        return generate_latest(self.registry)

    def started(self, calls: Sequence[Call]) -> None:
        started = self._started
        for call in calls:
            method = call.method
            if method not in started and (
                len(started) >= self._max_methods or len(method) > MAX_METHOD_LENGTH
            ):
                method = _OTHER
            started[method] = started.get(method, 0) + 1

    def ended(self, calls: Sequence[Call]) -> None:
        started, handled, buckets = self._started, self._handled, self._buckets
        durations = 0
        for call in calls:
            status = call.status
            code = min(status.code, _MAX_CODE + 1) if status else None  # servers choose codes, too
            key = (call.method if call.method in started else _OTHER, code)
            handled[key] = handled.get(key, 0) + 1
            duration = call.active_ns
            buckets[bisect_left(_BUCKETS_NS, duration)] += 1
            durations += duration
        self._duration_ns += durations
        self._messages[0] += sum([call.request_messages for call in calls])
        self._messages[1] += sum([call.response_messages for call in calls])
        self._bytes[0] += sum([call.request_bytes for call in calls])
        self._bytes[1] += sum([call.response_bytes for call in calls])

    def describe(self) -> list[Metric]:
        """Return no names: collecting at registration would require a running Loom."""
        return []

    def collect(self) -> Iterator[Metric]:
        yield InfoMetricFamily("loom_build", "Version of this Loom.", {"version": self._version})
        yield from self._calls()
        yield from self._memory_metrics(self._stats())
        rules = self._rules()
        if rules is not None:
            yield from _rule_metrics(rules)
        holds = self._holds()
        if holds is not None:
            yield from _hold_metrics(holds)

    def _calls(self) -> Iterator[Metric]:
        started = CounterMetricFamily("loom_calls_started", "Calls that came in.", labels=["method"])
        for method, count in self._started.items():
            started.add_metric([method], count)
        yield started
        handled = CounterMetricFamily("loom_calls", "Calls that ended.", labels=["method", "code"])
        for (method, code), count in self._handled.items():
            handled.add_metric([method, _code_label(code)], count)
        yield handled
        messages = CounterMetricFamily("loom_messages", "Messages of ended calls.", labels=["direction"])
        size = CounterMetricFamily("loom_message_bytes", "Their payload bytes.", labels=["direction"])
        for position, direction in enumerate(("request", "response")):
            messages.add_metric([direction], self._messages[position])
            size.add_metric([direction], self._bytes[position])
        yield messages
        yield size
        duration = HistogramMetricFamily(
            "loom_call_duration_seconds", "From first to last byte, without what breakpoints held."
        )
        total = 0
        buckets: list[tuple[str, float]] = []
        for bound, count in zip((*map(str, BUCKETS), "+Inf"), self._buckets, strict=True):
            total += count
            buckets.append((bound, total))
        duration.add_metric([], buckets=buckets, sum_value=self._duration_ns / 1e9)
        yield duration

    def _memory_metrics(self, stats: Stats) -> Iterator[Metric]:
        for name, key, text in (
            ("loom_calls_in_flight", "in_flight", "Calls in flight."),
            ("loom_history_calls", "held", "Calls held in memory."),
            ("loom_history_bytes", "held_bytes", "Memory that they are counted as."),
            ("loom_feed_subscribers", "subscribers", "Subscribers of the live feed."),
        ):
            yield GaugeMetricFamily(name, text, value=getattr(stats, key))
        for name, key, text in (
            ("loom_history_evicted", "evicted", "Calls evicted from memory."),
            ("loom_history_evicted_live", "evicted_live", "Those that had not ended."),
            ("loom_history_dropped_messages", "dropped_messages", "Messages dropped from calls in memory."),
            ("loom_history_dropped_bytes", "dropped_bytes", "Their payload bytes."),
            ("loom_recording_failures", "recording_failures", "Events that could not be recorded."),
        ):
            yield CounterMetricFamily(name, text, value=getattr(stats, key))
        up = GaugeMetricFamily("loom_target_ready", "Whether the target is connected.", labels=["target"])
        up.add_metric([stats.target.address], int(stats.target.state == "ready"))
        yield up
        if stats.breaker is not None:
            breaker = GaugeMetricFamily("loom_breaker_state", "The circuit breaker.", labels=["state"])
            for state in _BREAKER_STATES:
                breaker.add_metric([state], int(stats.breaker.state == state))
            yield breaker
        written = CounterMetricFamily("loom_sink_written", "Records written.", labels=["sink"])
        dropped = CounterMetricFamily(
            "loom_sink_dropped", "Records that could not be written.", labels=["sink"]
        )
        for sink, status in (("log", stats.sinks.log), ("session", stats.sinks.session)):
            if status is not None:
                written.add_metric([sink], status.written)
                dropped.add_metric([sink], status.dropped)
        yield written
        yield dropped


def _hold_metrics(holds: Holds) -> Iterator[Metric]:
    yield GaugeMetricFamily("loom_holds", "Items that are held at breakpoints now.", value=holds.count)
    yield GaugeMetricFamily("loom_hold_bytes", "Their bytes.", value=holds.bytes)
    passed = CounterMetricFamily(
        "loom_holds_passed", "Calls and items that breakpoints let pass.", labels=["reason"]
    )
    for reason, count in (
        ("unwatched", holds.passed_unwatched),
        ("limit", holds.passed_limit),
        ("deadline", holds.passed_deadline),
    ):
        passed.add_metric([reason], count)
    yield passed


def _rule_metrics(rules: RuleSet) -> Iterator[Metric]:
    """What rules and faults did. A rule that is removed takes its series with it."""
    acting = rules.count_acting(time.monotonic())
    yield GaugeMetricFamily("loom_rules", "Rules and faults in force.", value=acting)
    labels = ["kind", "name"]
    for name, key, text in (
        ("loom_rule_matched", "matched", "Calls that matched a rule or a fault."),
        ("loom_rule_selected", "selected", "Those of them that it was to act on."),
        ("loom_rule_acted", "acted", "Those of them on which it did something."),
        ("loom_rule_overflow", "overflow", "Those that passed as too many were active."),
        ("loom_rule_failures", "failures", "How often it could not be applied."),
    ):
        family = CounterMetricFamily(name, text, labels=labels)
        for active in rules.active:
            family.add_metric([active.rule.kind.value, active.rule.name], getattr(active.state, key))
        yield family
    now = GaugeMetricFamily("loom_rule_active", "Calls that it acts on now.", labels=labels)
    for active in rules.active:
        now.add_metric([active.rule.kind.value, active.rule.name], active.state.active)
    yield now


def _code_label(code: int | None) -> str:
    if code is None:
        return ""
    return Status(code).name if code <= _MAX_CODE else _OTHER
