"""Calls as the API tells them, as lines of text."""

from typing import Any

from loom.model import Call, EndedBy, Kind, Status
from loom.runtime.lines import ended_line
from loom.runtime.palette import Palette

_US = 1000


def call_of(summary: dict[str, Any]) -> Call:
    """As much of the call as its summary holds."""
    duration = summary["duration_us"]
    status = summary["status"]
    started = summary["started_us"] * _US
    call = Call(
        summary["id"],
        summary["method"],
        started,
        summary["peer"],
        summary["authority"],
        summary["target"],
        summary["engine"],
        replay_of=summary["replay_of"],
        declared_kind=Kind(summary["kind"]),
        ended_ns=None if duration is None else started + duration * _US,
        status=None if status is None else Status(status["code"], status["message"]),
        ended_by=None if summary["ended_by"] is None else EndedBy(summary["ended_by"]),
    )
    call.request_messages, call.response_messages = summary["messages"]
    call.request_bytes, call.response_bytes = summary["bytes"]
    return call


def row(summary: dict[str, Any], palette: Palette) -> str:
    """The call's id before the line that a running Loom prints of it."""
    return f"{palette.dim(str(summary['id']).rjust(6))} {ended_line(call_of(summary), palette)}"
