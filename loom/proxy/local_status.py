"""The statuses of calls that Loom ends, as the backend sent none."""

import re

from loom.grpc_core.custom_metadata import LEGAL_KEY
from loom.model import Address, EndedBy, Metadata, Status, StatusCode

STOPPED_NOTE = "Loom was stopped while the call was under way"

MISSING_REQUEST_NOTE = (
    "the client ended its side without a message, though the method takes one; a message that was cut short is"
    " dropped by gRPC's library: --engine wire forwards it unchanged"
)
MISSING_RESPONSE_NOTE = (
    "the target answered OK without a message, though the method returns one; a message that was cut short is"
    " dropped by gRPC's library: --engine wire forwards it unchanged"
)

UNDECOMPRESSED_NOTE = (
    "gRPC's library in Loom could not decompress a message of the request: it is not what grpc-encoding names, or"
    " that names nothing: --engine wire forwards it unchanged"
)

_HIDDEN_FAULTS = (
    "a grpc-encoding other than gzip and deflate, a malformed grpc-timeout, or metadata past --metadata-limit"
)
"""What gRPC's library refuses without reporting it."""

_CORE_PREFIX = re.compile(r"^failed to connect to all addresses; last error: (UNKNOWN: |UNAVAILABLE: )?")


_ADVICE = (
    (re.compile(r"missing selected ALPN"), ": --engine wire connects without ALPN"),
    (
        re.compile(r"certificate is not valid for|Hostname mismatch|Hostname Verification", re.IGNORECASE),
        ": name the certificate's host with --server-name, or skip verification with --insecure",
    ),
    (re.compile(r"certificate has expired"), ": renew it, or skip verification with --insecure"),
    (
        re.compile(r"certificate.verify.failed", re.IGNORECASE),
        ": pass the authority with --cacert, or skip verification with --insecure",
    ),
)
"""What to do about a reason for which the target cannot be reached."""


def stopped() -> Status:
    """Loom was stopped during the call."""
    return Status(StatusCode.UNAVAILABLE, "Loom was stopped")


def out_of_memory(problem: str) -> Status:
    """Loom has no memory for the call."""
    return Status(StatusCode.RESOURCE_EXHAUSTED, f"{problem}: the call was not forwarded")


def deadline_exceeded() -> Status:
    """The deadline passed before the backend had answered."""
    return Status(StatusCode.DEADLINE_EXCEEDED, "Deadline Exceeded")


def client_cancelled() -> Status:
    """The client cancelled the call."""
    return Status(StatusCode.CANCELLED, "the client cancelled")


def request_refused() -> Status:
    """gRPC's library in Loom refused the request, and has answered the client."""
    return Status(StatusCode.INTERNAL, "gRPC's library in Loom refused the request")


def target_unreachable(target: Address | str, reason: str) -> Status:
    """No connection to the target could be made."""
    reason = _CORE_PREFIX.sub("", reason)
    advice = next((text for pattern, text in _ADVICE if pattern.search(reason)), "")
    return Status(StatusCode.UNAVAILABLE, f"Loom could not reach the target {target}: {reason}{advice}")


def authority_unnamed(authority: str, reason: str) -> Status:
    """The target's certificate does not name the authority that the client has set."""
    return Status(
        StatusCode.UNAUTHENTICATED,
        f"the target's certificate does not name {authority!r}, the :authority that the client set ({reason}):"
        " --authority sends another one",
    )


def breaker_open(target: Address, last_error: str, retry_in: float) -> Status:
    """The circuit breaker refused the call; ``retry_in`` is in seconds."""
    reason = f" ({last_error})" if last_error else ""
    return Status(
        StatusCode.UNAVAILABLE,
        f"Loom's circuit breaker is open: the target {target} was not tried,"
        f" and will be again in {retry_in:.1f} s{reason}",
    )


def metadata_refused_note(metadata: Metadata) -> str:
    """Why gRPC's library in Loom refused a request, of whose metadata it has reported ``metadata``."""
    reason = _visible_fault(metadata) or (
        f"{_HIDDEN_FAULTS} (a client that cancels in the instant in which it calls looks the same)"
    )
    return f"gRPC's library in Loom refused the request's metadata ({reason}): --engine wire forwards it unchanged"


def unread_end(metadata: Metadata, *, accepted: bool) -> tuple[Status, EndedBy, str]:
    """The end of a call that was over before its first request was read: refused, or cancelled in that instant.

    Unless ``metadata`` shows a fault, that is a cancellation where C-core has ``accepted`` other requests of the
    connection. Where it has accepted none, the client more likely sends what C-core refuses with every request.
    """
    if accepted and not _visible_fault(metadata):
        note = (
            "the client cancelled at once, or gRPC's library in Loom refused the request's metadata"
            f" ({_HIDDEN_FAULTS}), which looks the same: --engine wire forwards it unchanged"
        )
        return client_cancelled(), EndedBy.CLIENT, note
    return request_refused(), EndedBy.LOOM, metadata_refused_note(metadata)


def _visible_fault(metadata: Metadata) -> str:
    """What gRPC's library refuses in the metadata that it has reported; "" if nothing shows.

    A ``-bin`` value that is not base64 is reported as empty; a malformed header of the protocol, or one beyond the size
    limit, is not reported at all.
    """
    if keys := sorted({key for key, _ in metadata if not LEGAL_KEY.fullmatch(key)}):
        return f"{', '.join(keys)}: not a metadata key of gRPC, which are lowercase"
    if keys := sorted({key for key, value in metadata if value == b""}):
        return f"{', '.join(keys)}: not one value in base64"
    return ""
