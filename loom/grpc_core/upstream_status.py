"""The status with which C-core ends a call to the target, and who ended the call."""

import re
from dataclasses import dataclass

from loom.model import EndedBy, Metadata, Status, StatusCode
from loom.model.metadata import status_details

from .core_types import StatusOperation
from .custom_metadata import from_core

_CONNECTION_LOST = re.compile(
    r"Socket closed|Stream removed|GOAWAY|Connection reset|Broken pipe|Transport closed|keepalive|ping timeout"
)
_STREAM_RESET = re.compile(r"RST_STREAM with error code (\d+)")
_HTTP_STATUS = re.compile(r"^Received http2 header with status: (\d+)$")
_REMOVED = re.compile(r"^Stream removed \((?P<reason>.*)\)$", re.DOTALL)
"""What C-core puts around the reason when it ends a stream itself. A backend on C-core sends the reason alone."""

_METADATA_SIZE = re.compile(r"^received .*metadata size exceeds")
_WITHOUT_TRAILERS = "Data frame with END_STREAM flag received"
_COMPRESSION = re.compile(r"^(Compression bit set but no encoding configured|Decompression failed)")
_ENCODING = "'grpc-encoding'"
_HTTP2_CANCEL = "8"
_UNSUPPORTED_MEDIA_TYPE = "415"

WIRE_HINT = "--engine wire forwards it unchanged"


@dataclass(frozen=True, slots=True)
class UpstreamStatus:
    """The status that C-core reports, be it from the target or C-core's own."""

    code: int
    message: str
    trailing: Metadata

    @classmethod
    def received(cls, operation: StatusOperation) -> "UpstreamStatus":
        """The status that a completed operation has received."""
        return cls(int(operation.code()), operation.details() or "", from_core(operation.trailing_metadata()))

    @property
    def status(self) -> Status:
        """The status as it is recorded, with the details from the trailers."""
        return Status(self.code, self.message, status_details(self.trailing))

    @property
    def note(self) -> str:
        """An explanation of a status that C-core made up; "" for one from the backend.

        Once a call is on a connection, C-core's wording is the only difference between the two. A backend that sends
        custom trailers has sent the status, too, unless C-core refused those trailers.
        """
        if self.is_refusal:
            return self._refusal_note()
        if self.trailing:
            return ""
        return self._connection_note() or self._http_note()

    @property
    def is_refusal(self) -> bool:
        """Whether gRPC's library, within Loom, refused what the target answered."""
        reason = self._removal_reason
        if self.code == StatusCode.RESOURCE_EXHAUSTED:
            return bool(_METADATA_SIZE.match(reason))
        if self.code == StatusCode.INTERNAL:
            return (
                reason.startswith(("Error parsing ", "Illegal header "))
                or bool(_COMPRESSION.match(reason))
                or bool(not self.trailing and _COMPRESSION.match(self.message))
            )
        return False

    @property
    def is_cancellation(self) -> bool:
        """Whether the target cancelled the stream without a status, as servers do when the deadline passes."""
        reset = None if self.trailing else _STREAM_RESET.search(self.message)
        return self.code == StatusCode.CANCELLED and reset is not None and reset[1] == _HTTP2_CANCEL

    def ended_by(self, *, deadline_passed: bool) -> EndedBy:
        """Who ended the call."""
        if deadline_passed and (self.code == StatusCode.DEADLINE_EXCEEDED or self.is_cancellation):
            return EndedBy.DEADLINE
        return EndedBy.LOOM if self.is_refusal else EndedBy.BACKEND

    @property
    def _removal_reason(self) -> str:
        removed = _REMOVED.match(self.message)
        return removed["reason"] if removed else ""

    def _connection_note(self) -> str:
        """An explanation of an end of the stream or connection without a status."""
        if self._removal_reason == _WITHOUT_TRAILERS:
            return (
                "the target ended the stream without a status; if a message was cut short there, gRPC's library has"
                f" dropped it: {WIRE_HINT}"
            )
        if reset := _STREAM_RESET.search(self.message):
            return f"the target reset the stream with HTTP/2 error code {reset[1]}"
        if self.code == StatusCode.UNAVAILABLE and _CONNECTION_LOST.search(self.message):
            return f"the connection to the target was lost during the call: {self.message}"
        return ""

    def _http_note(self) -> str:
        http = _HTTP_STATUS.match(self.message)
        if http is None or http[1] != _UNSUPPORTED_MEDIA_TYPE:
            return ""
        return (
            "the target answered with HTTP 415: it may expect a content-type such as application/grpc+json,"
            f" which gRPC's library sends as application/grpc: {WIRE_HINT}"
        )

    def _refusal_note(self) -> str:
        if self.code == StatusCode.RESOURCE_EXHAUSTED:
            return "the target answered with more metadata than Loom accepts: raise --metadata-limit"
        reason = self._removal_reason or self.message
        if _ENCODING in reason:
            reason = "the target compresses with an encoding other than gzip and deflate"
        return f"gRPC's library in Loom refused the target's answer: {reason}: {WIRE_HINT}"
