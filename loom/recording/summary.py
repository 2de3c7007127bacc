"""A call as the list shows it: the summary of docs/api.md, without any payload."""

from typing import Any

from loom.model import Call

_US = 1000  # nanoseconds in a microsecond


def micros(time_ns: int | None) -> int | None:
    """Nanoseconds to whole microseconds; None stays None."""
    return None if time_ns is None else time_ns // _US


def flags(call: Call) -> list[str]:
    """What is special about a call, as the names that ``is:`` in a filter takes."""
    found = []
    if call.replay_of is not None:
        found.append("replayed")
    if call.modified:
        found.append("modified")
    if call.dropped_messages:
        found.append("truncated")
    if "unobserved" in call.wire:
        found.append("unobserved")
    if call.restored:
        found.append("restored")
    return found


def summarise(call: Call) -> dict[str, Any]:
    """The summary, ready for JSON: see "A call's summary" in docs/api.md."""
    status = call.status
    duration = call.duration_ns
    return {
        "id": call.id,
        "version": call.version,
        "method": call.method,
        "kind": call.kind.value,
        "kind_known": call.declared_kind is not None,
        "state": call.state.value,
        "started_us": call.started_ns // _US,
        "duration_us": None if duration is None else duration // _US,
        "status": None
        if status is None
        else {"code": status.code, "name": status.name, "message": status.message},
        "ended_by": None if call.ended_by is None else call.ended_by.value,
        "messages": [call.request_messages, call.response_messages],
        "bytes": [call.request_bytes, call.response_bytes],
        "peer": call.peer,
        "authority": call.authority,
        "target": call.target,
        "engine": call.engine,
        "flags": flags(call),
        "replay_of": call.replay_of,
        "deadline_us": micros(call.deadline_ns),
    }
