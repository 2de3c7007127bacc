"""The status that C-core reports: its origin, its note, and who ended the call."""

import pytest

from loom.grpc_core.upstream_status import UpstreamStatus
from loom.model import EndedBy, Metadata, StatusCode


class ReceivedStatus:
    """A completed operation."""

    def __init__(self, code: int, details: str | None, trailing: Metadata | None) -> None:
        self._values = code, details, trailing

    def type(self) -> int:
        return 0

    def code(self) -> int:
        return self._values[0]

    def details(self) -> str | None:
        return self._values[1]

    def trailing_metadata(self) -> Metadata | None:
        return self._values[2]


def test_the_details_come_from_the_trailers() -> None:
    trailing = (("k", "v"), ("grpc-status-details-bin", b"\x08\x05"))
    upstream = UpstreamStatus.received(ReceivedStatus(5, "gone", trailing))
    status = upstream.status
    assert (status.code, status.message, status.details) == (5, "gone", b"\x08\x05")
    assert upstream.trailing == trailing


def test_missing_values_are_empty() -> None:
    assert UpstreamStatus.received(ReceivedStatus(0, None, None)) == UpstreamStatus(0, "", ())


RESET = "Received RST_STREAM with error code 7"


@pytest.mark.parametrize(
    ("code", "message", "note"),
    [
        (StatusCode.INTERNAL, RESET, "the target reset the stream with HTTP/2 error code 7"),
        (
            StatusCode.UNAVAILABLE,
            "Socket closed",
            "the connection to the target was lost during the call: Socket closed",
        ),
        (StatusCode.INTERNAL, "Socket closed", ""),
        (
            StatusCode.RESOURCE_EXHAUSTED,
            "received trailing metadata size exceeds hard limit",
            "the target answered with more metadata than Loom accepts: raise --metadata-limit",
        ),
        (StatusCode.NOT_FOUND, "no such order", ""),
    ],
)
def test_the_note_on_a_status_that_grpcio_made_up(code: StatusCode, message: str, note: str) -> None:
    assert UpstreamStatus(code, message, ()).note == note
    assert UpstreamStatus(code, message, (("from", "backend"),)).note == ""


@pytest.mark.parametrize(
    ("code", "passed", "ended_by"),
    [
        (StatusCode.DEADLINE_EXCEEDED, True, EndedBy.DEADLINE),
        (StatusCode.DEADLINE_EXCEEDED, False, EndedBy.BACKEND),
        (StatusCode.CANCELLED, True, EndedBy.BACKEND),
    ],
)
def test_who_ended_the_call(code: StatusCode, passed: bool, ended_by: EndedBy) -> None:
    assert UpstreamStatus(code, "", ()).ended_by(deadline_passed=passed) is ended_by
