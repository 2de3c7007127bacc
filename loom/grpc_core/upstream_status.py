"""The status with which C-core ends a call to the target, and who ended the call."""

import re
from dataclasses import dataclass

from loom.model import EndedBy, Metadata, Status, StatusCode
from loom.model.metadata import status_details

from .core_types import StatusOperation
from .custom_metadata import from_core

_CONNECTION_LOST = re.compile(
    r"Socket closed|Stream removed|GOAWAY|Connection reset|Broken pipe|Transport closed|keepalive"
)
_METADATA_SIZE = re.compile(r"received .*metadata size exceeds")
_STREAM_RESET = re.compile(r"RST_STREAM with error code (\d+)")


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
        custom trailers has sent the status, too.
        """
        if self.trailing:
            return ""
        if self.code == StatusCode.RESOURCE_EXHAUSTED and _METADATA_SIZE.search(self.message):
            return "the target answered with more metadata than Loom accepts: raise --metadata-limit"
        if reset := _STREAM_RESET.search(self.message):
            return f"the target reset the stream with HTTP/2 error code {reset[1]}"
        if self.code == StatusCode.UNAVAILABLE and _CONNECTION_LOST.search(self.message):
            return f"the connection to the target was lost during the call: {self.message}"
        return ""

    def ended_by(self, *, deadline_passed: bool) -> EndedBy:
        """Who ended the call."""
        if deadline_passed and self.code == StatusCode.DEADLINE_EXCEEDED:
            return EndedBy.DEADLINE
        return EndedBy.BACKEND
