"""Builds the summary of a call."""

from loom.model import Call

from .calls import Flag, Status, Summary

_US = 1000  # nanoseconds in a microsecond


def micros(time_ns: int | None) -> int | None:
    """Nanoseconds to whole microseconds; None stays None."""
    return None if time_ns is None else time_ns // _US


def flags(call: Call) -> tuple[Flag, ...]:
    """The marks of a call."""
    found = []
    if call.replay_of is not None:
        found.append(Flag.REPLAYED)
    if call.dropped_messages:
        found.append(Flag.TRUNCATED)
    if "unobserved" in call.wire:
        found.append(Flag.UNOBSERVED)
    if call.restored:
        found.append(Flag.RESTORED)
    return tuple(found)


def summarise(call: Call) -> Summary:
    """The summary of the call as it is now."""
    status = call.status
    duration = call.duration_ns
    return Summary(
        id=call.id,
        version=call.version,
        method=call.method,
        kind=call.kind,
        kind_known=call.declared_kind is not None,
        state=call.state,
        started_us=call.started_ns // _US,
        duration_us=None if duration is None else duration // _US,
        status=None if status is None else Status(status.code, status.name, status.message),
        ended_by=call.ended_by,
        messages=(call.request_messages, call.response_messages),
        bytes=(call.request_bytes, call.response_bytes),
        peer=call.peer,
        authority=call.authority,
        target=call.target,
        engine=call.engine,
        flags=flags(call),
        replay_of=call.replay_of,
        deadline_us=micros(call.deadline_ns),
    )
