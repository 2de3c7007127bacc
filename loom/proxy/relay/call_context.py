"""What all calls of one relay share."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple

from loom.grpc_core.custom_metadata import LEGAL_KEY
from loom.grpc_core.upstream_status import UpstreamStatus
from loom.model import Kind, Metadata, Status, StatusCode
from loom.proxy import local_status
from loom.proxy.breaker import Breaker, Permit
from loom.proxy.target import Target

from .accepted_connections import AcceptedConnections
from .event_buffer import RelayEventBuffer
from .memory_guard import MemoryGuard


class Refusal(NamedTuple):
    """The status of a call that is not forwarded; ``note`` is the reason, "" if the status gives it."""

    status: Status
    note: str = ""


@dataclass(frozen=True, slots=True)
class CallContext:
    """Where calls go and what they use.

    ``kind_of`` is the stream type of a method path, if it is known; ``authority_of`` is the ``:authority`` to send to
    the target in a call with that of the client, "" for the target's own. ``memory`` refuses calls for lack of it.
    """

    target: Target
    events: RelayEventBuffer
    breaker: Breaker | None
    kind_of: Callable[[str], Kind | None]
    authority_of: Callable[[str], str]
    memory: MemoryGuard | None = None
    accepted_connections: AcceptedConnections = field(default_factory=AcceptedConnections)

    def refusal(self, metadata: Metadata, permit: Permit | None) -> Refusal | None:
        """Why the target is not called with this metadata, and this permit of the breaker; None if it is."""
        target = self.target
        if self.memory is not None and (problem := self.memory.problem()):
            return Refusal(local_status.out_of_memory(problem))
        if self.breaker is not None and permit is None:
            retry_in = (self.breaker.snapshot()["retry_in_ms"] or 0) / 1000
            return Refusal(local_status.breaker_open(target.address, target.error, retry_in))
        if target.refusal:
            return Refusal(local_status.target_unreachable(target.address, target.refusal))
        if all(LEGAL_KEY.fullmatch(key) for key, _ in metadata):
            return None
        return Refusal(local_status.request_refused(), local_status.metadata_refused_note(metadata))

    def connection_failure(
        self, upstream: UpstreamStatus, authority: str, permit: Permit | None
    ) -> Status | None:
        """Why no connection carried a call with this authority of its client; None if it was for another reason."""
        target = self.target
        match upstream.code:
            case StatusCode.UNAVAILABLE:
                reason = target.failure_reason(upstream.message)
                status = local_status.target_unreachable(target.address, reason)
                target.record_failure(status.message)
                if permit is not None:
                    permit.record_failure()
                return status
            case StatusCode.UNAUTHENTICATED:
                return local_status.authority_unnamed(self.authority_of(authority), upstream.message)
        return None
