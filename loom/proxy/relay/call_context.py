"""What all calls of one relay share."""

from collections.abc import Callable
from dataclasses import dataclass, field

from loom.model import Kind
from loom.proxy.breaker import Breaker
from loom.proxy.target import Target

from .accepted_connections import AcceptedConnections
from .event_buffer import RelayEventBuffer


@dataclass(frozen=True, slots=True)
class CallContext:
    """Where calls go and what they use. ``kind_of`` is the stream type of a method path, if it is known."""

    target: Target
    events: RelayEventBuffer
    breaker: Breaker | None
    kind_of: Callable[[str], Kind | None]
    accepted_connections: AcceptedConnections = field(default_factory=AcceptedConnections)
