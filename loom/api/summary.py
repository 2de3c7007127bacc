"""Builds the summary of a call."""

from loom.model import Call
from loom.model.interception import ActionKind

from .calls import Flag, Status, Summary

_US = 1000  # nanoseconds in a microsecond


def micros(time_ns: int | None) -> int | None:
    """Nanoseconds to whole microseconds; None stays None."""
    return None if time_ns is None else time_ns // _US


def flags(call: Call) -> tuple[Flag, ...]:
    """The marks of a call."""
    marks = []
    if call.replay_of is not None:
        marks.append(Flag.REPLAYED)
    if "edited" in call.wire:
        marks.append(Flag.EDITED)
    if call.dropped_messages:
        marks.append(Flag.TRUNCATED)
    if "unobserved" in call.wire:
        marks.append(Flag.UNOBSERVED)
    if call.restored:
        marks.append(Flag.RESTORED)
    if call.modified:
        marks.append(Flag.MODIFIED)
    if any(kind is ActionKind.BREAKPOINT for kind, _ in call.acted):
        marks.append(Flag.HELD)
    return tuple(marks)


def _names(call: Call, action_kind: ActionKind) -> tuple[str, ...]:
    return tuple(name for kind, name in call.acted if kind is action_kind)


def summarise(call: Call) -> Summary:
    """The summary of the call as it is now."""
    status = call.status
    duration = call.duration_ns
    # By position, in the order of the fields: twice as fast as by name, ten thousand times a second.
    return Summary(
        call.id,
        call.version,
        call.method,
        call.kind,
        call.declared_kind is not None,
        call.state,
        call.started_ns // _US,
        None if duration is None else duration // _US,
        None if status is None else Status(status.code, status.name, status.message),
        call.ended_by,
        (call.request_messages, call.response_messages),
        (call.request_bytes, call.response_bytes),
        call.peer,
        call.authority,
        call.target,
        call.engine,
        flags(call),
        _names(call, ActionKind.RULE) if call.acted else (),
        _names(call, ActionKind.FAULT) if call.acted else (),
        call.replay_of,
        micros(call.deadline_ns),
    )
