"""Check the numbers of imported calls: a session stores them in 64 bits."""

from collections.abc import Callable, Iterable, Iterator

from loom.model import Call
from loom.recording.ndjson import Problem

_MAX_ID = 2**53 - 1  # exact in every JSON parser
_MAX_INT32 = 2**31 - 1
_MAX_INT64 = 2**63 - 1

_TIMES = (
    "started_ns", "deadline_ns", "initial_ns", "first_request_ns", "last_request_ns", "first_response_ns",
    "last_response_ns", "half_closed_ns", "ended_ns",
)  # fmt: skip
_COUNTS = (
    "half_closed_after", "request_messages", "response_messages", "request_bytes", "response_bytes",
    "dropped_messages", "dropped_bytes",
)  # fmt: skip


def valid_calls(calls: Iterable[Call], problem: Callable[[Problem], None]) -> Iterator[Call]:
    """Yield the calls whose numbers fit, and report the others."""
    for call in calls:
        try:
            check_call(call)
        except ValueError as error:
            problem(Problem(0, str(error)))
        else:
            yield call


def check_call(call: Call) -> None:
    """Raise :class:`ValueError` if a number of the call is out of range."""
    if not 0 <= call.id <= _MAX_ID:
        raise ValueError(f"the id {_short(call.id)} is out of range")
    if call.replay_of is not None and not 0 <= call.replay_of <= _MAX_ID:
        raise ValueError(f"call {call.id}: replay_of is out of range")
    for name in _TIMES:
        _check_int64(call, name, getattr(call, name))
    for name in _COUNTS:
        _check_int64(call, name, getattr(call, name))
    if call.status is not None and not -_MAX_INT32 <= call.status.code <= _MAX_INT32:
        raise ValueError(f"call {call.id}: the status code {_short(call.status.code)} is out of range")
    for key, value in call.wire.items():
        if isinstance(value, int):
            _check_int64(call, f"wire.{key}", value)
    for message in call.messages:
        _check_int64(call, f"the time of message {message.index}", message.time_ns)
        _check_int64(call, f"the size of message {message.index}", message.size)


def _check_int64(call: Call, name: str, value: int | None) -> None:
    if value is not None and not -_MAX_INT64 <= value <= _MAX_INT64:
        raise ValueError(f"call {call.id}: {name} does not fit into 64 bits")


def _short(number: int) -> str:
    return str(number) if abs(number) <= _MAX_INT64 else "of more than 64 bits"
