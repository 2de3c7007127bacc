import re
from pathlib import Path

from prometheus_client.parser import text_string_to_metric_families

from loom.api.stats import BreakerStatus, LogStatus, Sinks, Stats, TargetStatus
from loom.codec import ChainResolver
from loom.interception import RuleSet
from loom.interception.call_rules import Types
from loom.interception.faults import parse_fault_flag
from loom.interception.holds import Holds
from loom.interception.loop_scheduler import LoopScheduler
from loom.model import Call, Status
from loom.model.interception import CallFacts, CallStart, Point
from loom.runtime.metrics import Metrics

STATS = Stats(
    boot="one",
    now_us=0,
    calls_total=9,
    errors_total=1,
    in_flight=2,
    held=7,
    held_bytes=700,
    oldest_id=1,
    complete_from=1,
    evicted=3,
    evicted_live=1,
    dropped_messages=4,
    dropped_bytes=400,
    recording_failures=0,
    rate=0,
    error_rate=0,
    p50_us=None,
    p95_us=None,
    subscribers=1,
    skipped=0,
    target=TargetStatus("localhost:50051", tls=False, insecure=False, state="ready", error=""),
    breaker=BreakerStatus("half_open", failures=3, retry_in_ms=None),
    sinks=Sinks(LogStatus("calls.ndjson", written=5, dropped=1, error=""), session=None),
)


def ended(metrics: Metrics, method: str, code: int = 0, seconds: float = 0.004) -> None:
    call = Call(1, method, 0, version=1)
    metrics.started([call])
    call.ended_ns = int(seconds * 1e9)
    call.status = Status(code)
    call.request_messages, call.request_bytes = 1, 10
    metrics.ended([call])


def samples(metrics: Metrics) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    families = text_string_to_metric_families(metrics.exposition().decode())
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in families
        for sample in family.samples
    }


def test_calls_are_counted_by_method_and_code() -> None:
    metrics = Metrics("1.2.3", lambda: STATS)
    ended(metrics, "/a.B/C")
    ended(metrics, "/a.B/C", code=5)
    values = samples(metrics)
    assert values["loom_calls_started_total", (("method", "/a.B/C"),)] == 2
    assert values["loom_calls_total", (("code", "NOT_FOUND"), ("method", "/a.B/C"))] == 1
    assert values["loom_messages_total", (("direction", "request"),)] == 2
    assert values["loom_message_bytes_total", (("direction", "request"),)] == 20
    assert values["loom_build_info", (("version", "1.2.3"),)] == 1


def test_durations_fall_into_their_buckets() -> None:
    metrics = Metrics("1", lambda: STATS)
    ended(metrics, "/a.B/C", seconds=0.004)
    ended(metrics, "/a.B/C", seconds=120)
    values = samples(metrics)
    assert values["loom_call_duration_seconds_bucket", (("le", "0.0025"),)] == 0
    assert values["loom_call_duration_seconds_bucket", (("le", "0.005"),)] == 1
    assert values["loom_call_duration_seconds_bucket", (("le", "+Inf"),)] == 2
    assert values["loom_call_duration_seconds_count", ()] == 2


def test_history_losses_and_target_are_exposed() -> None:
    values = samples(Metrics("1", lambda: STATS))
    assert values["loom_history_evicted_total", ()] == 3
    assert values["loom_target_ready", (("target", "localhost:50051"),)] == 1
    assert values["loom_breaker_state", (("state", "half_open"),)] == 1
    assert values["loom_breaker_state", (("state", "closed"),)] == 0
    assert values["loom_sink_dropped_total", (("sink", "log"),)] == 1


def test_the_number_of_method_labels_is_bounded() -> None:
    metrics = Metrics("1", lambda: STATS, max_methods=3)
    for number in range(10):
        ended(metrics, f"/a.B/M{number}")
    values = samples(metrics)
    assert values["loom_calls_started_total", (("method", "other"),)] == 7
    assert sum(name == "loom_calls_started_total" for name, _ in values) == 4


def test_codes_past_16_are_one_label() -> None:
    metrics = Metrics("1", lambda: STATS)
    for code in (16, 17, 18, 4_000_000_000):
        ended(metrics, "/a.B/C", code=code)
    values = samples(metrics)
    codes = {
        dict(labels)["code"]: value for (name, labels), value in values.items() if name == "loom_calls_total"
    }
    assert codes == {"UNAUTHENTICATED": 1, "other": 3}


def test_a_long_method_name_is_no_label() -> None:
    metrics = Metrics("1", lambda: STATS)
    ended(metrics, "/" + "x" * 1_000_000)
    assert samples(metrics)["loom_calls_started_total", (("method", "other"),)] == 1
    assert len(metrics.exposition()) < 100_000


async def test_what_breakpoints_hold_and_let_pass() -> None:
    holds = Holds(LoopScheduler())
    holds.passed_limit = 3
    values = samples(Metrics("1", lambda: STATS, holds=lambda: holds))
    assert (values["loom_holds", ()], values["loom_hold_bytes", ()]) == (0, 0)
    passed = {
        dict(labels)["reason"]: value
        for (name, labels), value in values.items()
        if name == "loom_holds_passed_total"
    }
    assert passed == {"unwatched": 0, "limit": 3, "deadline": 0}


RULES = RuleSet([parse_fault_flag("method:C :: hang", 1), parse_fault_flag(":: status=ABORTED", 2)])


def test_rules_are_counted_while_they_are_there() -> None:
    metrics = Metrics("1", lambda: STATS, lambda: RULES)
    opened = RULES.open(CallFacts("/a.B/C"), 0)
    assert opened is not None
    values = samples(metrics)
    labels = (("kind", "fault"), ("name", "--fault 1"))
    assert values["loom_rules", ()] == 2
    assert values["loom_rule_matched_total", labels] == values["loom_rule_active", labels] == 1
    assert (values["loom_rule_selected_total", labels], values["loom_rule_acted_total", labels]) == (1, 0)
    opened.decide(Point.START, 0, CallStart(), Types(None, ChainResolver(())), 0.0)
    opened.close()
    values = samples(metrics)
    assert (values["loom_rule_active", labels], values["loom_rule_acted_total", labels]) == (0, 1)
    RULES.enabled = False
    assert samples(metrics)["loom_rules", ()] == 0
    RULES.enabled = True


async def test_every_metric_is_documented() -> None:
    document = (Path(__file__).parents[2] / "docs" / "reference" / "api.md").read_text(encoding="utf-8")
    documented = set(re.findall(r"`(loom_\w+)`", document))
    holds = Holds(LoopScheduler())
    metrics = Metrics("1", lambda: STATS, lambda: RULES, lambda: holds)
    ended(metrics, "/a.B/C")
    exposed = {re.sub(r"_(bucket|sum|count)$", "", name) for name, _ in samples(metrics)}
    assert exposed == documented
