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
        (StatusCode.RESOURCE_EXHAUSTED, "received metadata size exceeds hard limit (9000 vs. 8192)", ""),
        (
            StatusCode.UNKNOWN,
            "Stream removed (Data frame with END_STREAM flag received)",
            (
                "the target ended the stream without a status; if a message was cut short there, gRPC's library has"
                " dropped it: --engine wire forwards it unchanged"
            ),
        ),
        (
            StatusCode.UNKNOWN,
            "Received http2 header with status: 415",
            (
                "the target answered with HTTP 415: it may expect a content-type such as application/grpc+json,"
                " which gRPC's library sends as application/grpc: --engine wire forwards it unchanged"
            ),
        ),
        (StatusCode.UNAVAILABLE, "Received http2 header with status: 503", ""),
        (StatusCode.NOT_FOUND, "no such order", ""),
    ],
)
def test_the_note_on_a_status_that_grpcio_made_up(code: StatusCode, message: str, note: str) -> None:
    assert UpstreamStatus(code, message, ()).note == note
    assert UpstreamStatus(code, message, (("from", "backend"),)).note == ""


@pytest.mark.parametrize(
    ("code", "message", "reason"),
    [
        (
            StatusCode.INTERNAL,
            "Stream removed (Error parsing 'grpc-encoding' metadata)",
            "the target compresses with an encoding other than gzip and deflate",
        ),
        (
            StatusCode.INTERNAL,
            "Stream removed (Error parsing 'x-bin' metadata: illegal base64 encoding)",
            "Error parsing 'x-bin' metadata: illegal base64 encoding",
        ),
        (
            StatusCode.INTERNAL,
            "Stream removed (Illegal header key: Upper)",
            "Illegal header key: Upper",
        ),
    ],
)
def test_what_grpcio_refused_of_the_answer(code: StatusCode, message: str, reason: str) -> None:
    """The trailers may be what it has refused."""
    for trailing in ((), (("x-bin", b""),)):
        upstream = UpstreamStatus(code, message, trailing)
        assert upstream.note == (
            f"gRPC's library in Loom refused the target's answer: {reason}: --engine wire forwards it unchanged"
        )
        assert upstream.ended_by(deadline_passed=False) is EndedBy.LOOM


def test_an_answer_beyond_the_metadata_limit() -> None:
    """The part of the trailers that is within the limit may be reported."""
    message = "Stream removed (received trailing metadata size exceeds hard limit (9000 vs. 8192))"
    for trailing in ((), (("from", "backend"),)):
        upstream = UpstreamStatus(StatusCode.RESOURCE_EXHAUSTED, message, trailing)
        assert (
            upstream.note
            == "the target answered with more metadata than Loom accepts: raise --metadata-limit"
        )
        assert upstream.ended_by(deadline_passed=False) is EndedBy.LOOM


def test_the_same_words_from_a_backend_are_the_backends() -> None:
    upstream = UpstreamStatus(
        StatusCode.INTERNAL, "Error parsing 'x-bin' metadata: illegal base64 encoding", ()
    )
    assert upstream.note == ""
    assert upstream.ended_by(deadline_passed=False) is EndedBy.BACKEND


@pytest.mark.parametrize(
    ("message", "trailing", "passed", "ended_by"),
    [
        ("Received RST_STREAM with error code 8", (), True, EndedBy.DEADLINE),
        ("Received RST_STREAM with error code 8", (), False, EndedBy.BACKEND),
        ("Received RST_STREAM with error code 8", (("from", "backend"),), True, EndedBy.BACKEND),
        ("the order was cancelled", (), True, EndedBy.BACKEND),
    ],
)
def test_a_target_that_cancels_the_stream_at_the_deadline(
    message: str, trailing: Metadata, passed: bool, ended_by: EndedBy
) -> None:
    upstream = UpstreamStatus(StatusCode.CANCELLED, message, trailing)
    assert upstream.ended_by(deadline_passed=passed) is ended_by


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
