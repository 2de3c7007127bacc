"""Faults that a client asks for, in metadata with the names of Envoy's fault filter.

See https://www.envoyproxy.io/docs/envoy/latest/configuration/http/http_filters/fault_filter. The metadata is read only
where ``--fault-headers`` allows it, and is removed before the call is forwarded. Differences from Envoy: a call with a
value that cannot be is forwarded with a note; a status of 0, which is OK, cannot be injected; an HTTP status becomes
the gRPC status that clients derive from it.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace

from loom.model import Status, StatusCode
from loom.model.interception import ActionKind, CallFacts, FinalStatus, Point
from loom.model.status_mapping import code_of_http_status

from . import actions as act
from .amounts import MAX_DELAY, Rate
from .matching import parse_match
from .rules import Rule
from .selection import Selection, fraction

NAME = "--fault-headers"
"""The name of the fault in records, filters and lists."""

_PREFIX = "x-envoy-fault-"
_START = frozenset({Point.START})
_HTTP = range(200, 600)
_MILLISECONDS = 1000
_KIB = 1024


def header_fault() -> Rule:
    """The fault that stands for what clients ask for; :func:`requested_fault` has what one call asks for."""
    return Rule(ActionKind.FAULT, NAME, parse_match(""), Selection(), (), reads_metadata=True)


def asks_for_fault(facts: CallFacts) -> bool:
    """Whether a call has any of the metadata."""
    return any(key.startswith(_PREFIX) for key, _ in facts.metadata)


def requested_fault(rule: Rule, facts: CallFacts, seed: int, ordinal: int) -> Rule:
    """The fault that one call asks for. ``ordinal`` and ``seed`` decide what a percentage selects."""
    values = {
        key.removeprefix(_PREFIX): str(value) for key, value in facts.metadata if key.startswith(_PREFIX)
    }
    removal = act.MetadataChange(delete=frozenset(_PREFIX + name for name in values))
    actions: list[act.ItemAction] = [
        act.EditItems(
            frozenset({Point.REQUEST_METADATA}),
            f"metadata delete {', '.join(sorted(removal.delete))}",
            act.edit_metadata(removal),
        )
    ]
    for percentage, make in _ACTIONS.items():
        try:
            action = make(values)
            if action is not None and _is_selected(values, percentage, seed, ordinal):
                actions.append(action)
        except ValueError as error:
            actions.append(act.NoteItem(_START, f"not applied: {error}", applied=False))
    return replace(rule, actions=tuple(actions))


def _is_selected(values: Mapping[str, str], percentage: str, seed: int, ordinal: int) -> bool:
    if percentage not in values:
        return True
    return fraction(seed, NAME, percentage, str(ordinal)) * 100 < _number(values, percentage, range(101))


def _abort(values: Mapping[str, str]) -> act.ItemAction | None:
    if "abort-request" in values:  # which Envoy prefers
        status = _number(values, "abort-request", _HTTP)
        code = code_of_http_status(status)
        if status < 300:  # noqa: PLR2004 (an HTTP success without gRPC's status is an UNKNOWN)
            code = StatusCode.UNKNOWN
        text = f"fault filter abort: HTTP {status}"
    elif "abort-grpc-request" in values:
        code = StatusCode(_number(values, "abort-grpc-request", range(1, len(StatusCode))))
        text = "fault filter abort"
    else:
        return None
    return act.EndCall(_START, f"status {code.name}", FinalStatus(Status(code, text)))


def _delay(values: Mapping[str, str]) -> act.ItemAction | None:
    if "delay-request" not in values:
        return None
    milliseconds = _number(values, "delay-request", range(int(MAX_DELAY) * _MILLISECONDS + 1))
    seconds = milliseconds / _MILLISECONDS
    return act.DelayItem(_START, f"delay {milliseconds}ms", seconds, seconds)


def _throughput(values: Mapping[str, str]) -> act.ItemAction | None:
    if "throughput-response" not in values:
        return None
    rate = _number(values, "throughput-response", range(1, 1 << 31))
    return act.Throttle(
        frozenset({Point.RESPONSE_MESSAGE}), f"throttle to {rate}KiB/s", Rate(rate * _KIB, "bytes")
    )


_ACTIONS: Mapping[str, Callable[[Mapping[str, str]], act.ItemAction | None]] = {
    # the name of the percentage, and what it is of
    "delay-request-percentage": _delay,
    "abort-request-percentage": _abort,
    "throughput-response-percentage": _throughput,
}


def _number(values: Mapping[str, str], name: str, allowed: range) -> int:
    text = values[name].strip()
    if not (text.isascii() and text.isdigit() and int(text[:20]) in allowed):
        raise ValueError(f"{_PREFIX}{name}: {text[:40]!r} is not a number from {allowed[0]} to {allowed[-1]}")
    return int(text)
