"""What passes through Loom, as plain data: no I/O, no asyncio, no protobuf.

* :mod:`~loom.model.address`: ``HOST:PORT``.
* :mod:`~loom.model.authority`: the ``:authority`` that a client has set itself.
* :mod:`~loom.model.endpoint`: an address with TLS settings.
* :mod:`~loom.model.status`: the seventeen status codes, and who ended a call.
* :mod:`~loom.model.status_mapping`: HTTP/2 error codes and HTTP statuses as gRPC status codes.
* :mod:`~loom.model.metadata`: ordered, repeated, text and binary metadata; the reserved header names.
* :mod:`~loom.model.secrets`: which metadata is masked.
* :mod:`~loom.model.message`: one length-prefixed message; the messages of a call, with their gap.
* :mod:`~loom.model.events`: what engines emit for a call, the sink that takes it, and call ids.
* :mod:`~loom.model.interception`: how something acts on a call: points, items, decisions, and what was done.
* :mod:`~loom.model.call`: a call, from its first event on.
* :mod:`~loom.model.decisions`: what is recorded of a decision on an item.
* :mod:`~loom.model.originals`: what came in a call, where something acted on it.
* :mod:`~loom.model.projection`: events to calls, and the inverse.
* :mod:`~loom.model.memory`: how many bytes of memory a recorded call takes.
* :mod:`~loom.model.observer`: the callbacks for recorded calls.
* :mod:`~loom.model.descriptor_set`: a descriptor set as it is stored with calls.
* :mod:`~loom.model.timestamps`: RFC 3339 timestamps with nanoseconds.
"""

from .address import Address
from .call import Call, CallState, Kind
from .descriptor_set import StoredDescriptorSet
from .endpoint import Endpoint
from .events import (
    CallEnded,
    CallIds,
    CallStarted,
    Event,
    HalfClosed,
    Intercepted,
    KindDeclared,
    MessageSeen,
    MetadataSeen,
    Section,
    Sink,
    StoredEvent,
)
from .interception import Interception
from .message import Direction, Message, Messages
from .metadata import CONNECTION_KEYS, Metadata, MetadataItem, application_metadata, is_binary_key
from .observer import Observer
from .secrets import DEFAULT_SECRETS, MASK, Secrets
from .status import EndedBy, Status, StatusCode

__all__ = [
    "CONNECTION_KEYS",
    "DEFAULT_SECRETS",
    "MASK",
    "Address",
    "Call",
    "CallEnded",
    "CallIds",
    "CallStarted",
    "CallState",
    "Direction",
    "EndedBy",
    "Endpoint",
    "Event",
    "HalfClosed",
    "Intercepted",
    "Interception",
    "Kind",
    "KindDeclared",
    "Message",
    "MessageSeen",
    "Messages",
    "Metadata",
    "MetadataItem",
    "MetadataSeen",
    "Observer",
    "Secrets",
    "Section",
    "Sink",
    "Status",
    "StatusCode",
    "StoredDescriptorSet",
    "StoredEvent",
    "application_metadata",
    "is_binary_key",
]
