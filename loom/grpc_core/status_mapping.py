"""Who ended a call, and what its client is told."""

import re
import time
from dataclasses import dataclass
from typing import Any

from loom.model import Address, EndedBy, Metadata, Status, StatusCode

from .metadata import seen

STATUS_DETAILS = "grpc-status-details-bin"

_NOISE = re.compile(r"^failed to connect to all addresses; last error: (UNKNOWN: |UNAVAILABLE: )?")

_CONNECTION_LOST = re.compile(
    r"Socket closed|Stream removed|GOAWAY|Connection reset|Broken pipe|Transport closed|keepalive"
)
_METADATA_SIZE = re.compile(r"received .*metadata size exceeds")
_STREAM_RESET = re.compile(r"RST_STREAM with error code (\d+)")


@dataclass(frozen=True, slots=True)
class UpstreamStatus:
    """How the target's side ended the call."""

    code: int
    message: str
    trailing: Metadata


def upstream_status(received: Any) -> UpstreamStatus:
    """What a finished ``ReceiveStatus`` has received."""
    return UpstreamStatus(int(received.code()), received.details() or "", seen(received.trailing_metadata()))


def status_of(upstream: UpstreamStatus) -> Status:
    """The status as it is recorded; its details come with the trailing metadata."""
    return Status(upstream.code, upstream.message, status_details(upstream.trailing))


def status_details(trailing: Metadata) -> bytes | None:
    """The value of ``grpc-status-details-bin``, if there is one."""
    for key, value in trailing:
        if key == STATUS_DETAILS and isinstance(value, bytes):
            return value
    return None


def unreachable(target: Address, reason: str) -> Status:
    """What the client is told when no connection to the target could be had."""
    why = _NOISE.sub("", reason)
    return Status(StatusCode.UNAVAILABLE, f"Loom could not reach the target {target}: {why}")


def shed(target: Address, last_error: str, retry_in: float) -> Status:
    """What the client is told while the circuit breaker is open; ``retry_in`` is in seconds."""
    reason = f" ({last_error})" if last_error else ""
    return Status(
        StatusCode.UNAVAILABLE,
        f"Loom's circuit breaker is open: the target {target} was not tried,"
        f" and will be again in {retry_in:.1f} s{reason}",
    )


def cut_short(*, stopped: bool, late: bool) -> tuple[Status, EndedBy, str]:
    """The status, who ended it and a note, of a call whose client's side was over before it had a status."""
    if stopped:
        status = Status(StatusCode.UNAVAILABLE, "Loom was stopped")
        return status, EndedBy.LOOM, "Loom was stopped while the call was under way"
    if late:
        return Status(StatusCode.DEADLINE_EXCEEDED, "Deadline Exceeded"), EndedBy.DEADLINE, ""
    return Status(StatusCode.CANCELLED, "the client cancelled"), EndedBy.CLIENT, ""


def note_on(status: UpstreamStatus) -> str:
    """What to say of a status that grpcio made up, as a backend's own is silent on these matters.

    grpcio gives no other sign than its wording once a call was on its way; a backend that sends trailers
    of its own has spoken for itself.
    """
    if status.trailing:
        return ""
    if status.code == StatusCode.RESOURCE_EXHAUSTED and _METADATA_SIZE.search(status.message):
        return "the target answered with more metadata than Loom takes: raise --metadata-limit"
    if reset := _STREAM_RESET.search(status.message):
        return f"the target reset the stream with HTTP/2 error code {reset[1]}"
    if status.code == StatusCode.UNAVAILABLE and _CONNECTION_LOST.search(status.message):
        return f"the connection to the target was lost during the call: {status.message}"
    return ""


def deadline_passed(remaining: float | None, timeout: float | None) -> bool:
    """Whether a call that ends with ``remaining`` of its ``timeout`` seconds ends by its deadline.

    The client's clock started before Loom's: it gives up that much earlier than Loom would, by
    what the request's way to Loom took. A tenth of the timeout, at most 50 ms, is taken for that.
    """
    if remaining is None or timeout is None:
        return False
    return remaining <= min(0.05, timeout / 10)


def deadline(timeout: float | None) -> float | None:
    """The deadline towards the target of a call that has ``timeout`` seconds left, in seconds since the epoch.

    C-core rounds a timeout up to two or three digits on the wire (an hour and a millisecond becomes 3,610 s). A
    thousandth less, at most 10 ms, keeps round timeouts what they were.
    """
    return None if timeout is None else time.time() + timeout - min(timeout / 1000, 0.01)


def ended_by(code: int, *, deadline: bool) -> EndedBy:
    """Who ended a call whose status came from the target's side."""
    return EndedBy.DEADLINE if deadline and code == StatusCode.DEADLINE_EXCEEDED else EndedBy.BACKEND
