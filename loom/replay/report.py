"""Report the results of a replay: a table, lines of differences, JSON, and JUnit XML. No I/O."""

import json
import statistics
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any
from xml.etree import ElementTree as ET

from msgspec import structs

from loom.api.replay import Change

from .batch import Outcome, ReplayResult

_MAX_VALUE = 120
_MAX_CHANGES = 50
_MILLISECONDS = 1e6


@dataclass(slots=True)
class MethodTally:
    """The results of one method; durations are in nanoseconds."""

    outcomes: Counter[Outcome] = field(default_factory=Counter)
    before: list[int] = field(default_factory=list)
    after: list[int] = field(default_factory=list)


@dataclass(slots=True)
class Tally:
    """Counts results, in all and by method."""

    methods: dict[str, MethodTally] = field(default_factory=dict)
    outcomes: Counter[Outcome] = field(default_factory=Counter)

    def add(self, result: ReplayResult) -> None:
        """Count a result."""
        method = self.methods.setdefault(result.call.method, MethodTally())
        for counter in (method.outcomes, self.outcomes):
            counter[result.outcome] += 1
        if result.replay is not None and result.outcome in {Outcome.SAME, Outcome.DIFFERENT}:
            method.before.append(result.call.active_ns)
            method.after.append(result.replay.active_ns)

    @property
    def total(self) -> int:
        return self.outcomes.total()


def summary_table(tally: Tally) -> Iterator[str]:
    """One line for each method and one for all, with the median durations of the calls that were compared."""
    methods = sorted(tally.methods.items())
    width = max([len(name) for name, _ in methods] + [len("method")])
    head = f"{'method':<{width}} {'calls':>7} " + " ".join(f"{item.value:>9}" for item in Outcome)
    yield f"{head} {'p50 before':>11} {'p50 now':>11}"
    for name, method in methods:
        counts = " ".join(f"{method.outcomes[item]:>9}" for item in Outcome)
        times = f"{_median(method.before):>11} {_median(method.after):>11}"
        yield f"{name:<{width}} {method.outcomes.total():>7} {counts} {times}"
    if len(methods) > 1:
        counts = " ".join(f"{tally.outcomes[item]:>9}" for item in Outcome)
        yield f"{'all':<{width}} {tally.total:>7} {counts}"


def _median(times: Sequence[int]) -> str:
    return f"{statistics.median(times) / _MILLISECONDS:.2f}ms" if times else "-"


def result_lines(result: ReplayResult) -> Iterator[str]:
    """The lines of a result that is not SAME: the call, then its differences."""
    yield f"{result.outcome.value} #{result.call.id} {result.call.method}" + (
        f": {result.reason}" if result.reason else ""
    )
    for change in result.changes[:_MAX_CHANGES]:
        yield f"  {change_line(change)}"
    if len(result.changes) > _MAX_CHANGES:
        yield f"  … and {len(result.changes) - _MAX_CHANGES} more differences"


def change_line(change: Change) -> str:
    """``response 0 user.name: "Alice" → "Bob"``."""
    where = f"{change.where} {change.path}".rstrip()
    if change.kind == "added":
        return f"{where}: added {_value(change.right)}"
    if change.kind == "removed":
        return f"{where}: removed {_value(change.left)}"
    return f"{where}: {_value(change.left)} → {_value(change.right)}"


def _value(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= _MAX_VALUE else text[: _MAX_VALUE - 1] + "…"


def result_json(result: ReplayResult) -> dict[str, Any]:
    """A result as a JSON object."""
    return {
        "id": result.call.id,
        "method": result.call.method,
        "outcome": result.outcome.value,
        "reason": result.reason,
        "duration_us": [
            (item.duration_ns or 0) // 1000 if item else None for item in (result.call, result.replay)
        ],
        "changes": [structs.asdict(change) for change in result.changes],
    }


def junit_xml(results: Iterable[ReplayResult], *, fail_on_diff: bool) -> bytes:
    """JUnit XML: a suite for each service, a case for each call.

    A difference is a failure with ``fail_on_diff``, otherwise output.

    Source: https://github.com/jenkinsci/xunit-plugin (junit-10.xsd), the strictest of the schemas in use.
    """
    root = ET.Element("testsuites", name="loom replay")
    suites: dict[str, ET.Element] = {}
    counts: dict[str, Counter[str]] = {}
    times: Counter[str] = Counter()
    for result in results:
        service = result.call.service
        suite = suites.get(service)
        if suite is None:
            suite = suites[service] = ET.SubElement(root, "testsuite", name=_xml(service))
            counts[service] = Counter()
        counts[service].update(["tests", *_case(suite, result, fail_on_diff=fail_on_diff)])
        times[service] += _duration_ns(result)
    for service, suite in suites.items():
        for name in ("tests", "failures", "errors", "skipped"):
            suite.set(name, str(counts[service][name]))
        suite.set("time", _seconds(times[service], 3))
    for name in ("tests", "failures", "errors"):
        root.set(name, str(sum(count[name] for count in counts.values())))
    root.set("time", _seconds(times.total(), 3))
    ET.indent(root)
    encoded: bytes = ET.tostring(root, encoding="utf-8", xml_declaration=True)
    return encoded + b"\n"


def _case(suite: ET.Element, result: ReplayResult, *, fail_on_diff: bool) -> list[str]:
    """Add a test case, and return the counters that it raises."""
    case = ET.SubElement(
        suite, "testcase", classname=_xml(result.call.service),
        name=_xml(f"#{result.call.id} {result.call.method_name}"), time=_seconds(_duration_ns(result), 6),
    )  # fmt: skip
    if result.outcome is Outcome.FAILED:
        ET.SubElement(case, "error", message=_xml(result.reason))
        return ["errors"]
    if result.outcome is Outcome.SKIPPED:
        ET.SubElement(case, "skipped", message=_xml(result.reason))
        return ["skipped"]
    if result.outcome is Outcome.SAME:
        return []
    text = _xml("\n".join(change_line(change) for change in result.changes[:_MAX_CHANGES]))
    if not fail_on_diff:
        ET.SubElement(case, "system-out").text = text
        return []
    count = len(result.changes)
    message = f"{count} difference{'s' if count != 1 else ''}"
    ET.SubElement(case, "failure", message=message, type="difference").text = text
    return ["failures"]


def _duration_ns(result: ReplayResult) -> int:
    return (result.replay.duration_ns or 0) if result.replay else 0


def _seconds(time_ns: int, digits: int) -> str:
    return f"{time_ns / 1e9:.{digits}f}"


def _xml(text: str) -> str:
    """Replace the characters that XML 1.0 excludes even if escaped."""
    return "".join(
        character
        if character in "\t\n\r"
        or "\x20" <= character <= "\ud7ff"
        or "\ue000" <= character <= "\ufffd"
        or character >= "\U00010000"
        else "\ufffd"
        for character in text
    )
