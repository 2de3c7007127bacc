"""What passes through Loom, as plain data: no I/O, no asyncio, no protobuf.

* :mod:`~loom.model.address`: ``HOST:PORT``.
* :mod:`~loom.model.status`: the seventeen status codes.
* :mod:`~loom.model.metadata`: ordered, repeated, text and binary metadata.
* :mod:`~loom.model.secrets`: which metadata is masked.
* :mod:`~loom.model.message`: one length-prefixed message and its direction.
* :mod:`~loom.model.events`: what an engine tells of a call, as it happens.
* :mod:`~loom.model.call`: a call as it is known so far, built from its events.
* :mod:`~loom.model.observer`: who is told of calls.
"""

from .address import Address
from .call import Call, CallState, Kind
from .events import (
    CallEnded,
    CallIds,
    CallStarted,
    Event,
    HalfClosed,
    KindDeclared,
    MessageSeen,
    MetadataSeen,
    Section,
    Sink,
    StoredEvent,
)
from .message import Direction, Message, Messages
from .metadata import Metadata, MetadataItem, is_binary_key
from .observer import Observer
from .secrets import DEFAULT_SECRETS, MASK, Secrets
from .status import EndedBy, Status, StatusCode

__all__ = [
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
    "Event",
    "HalfClosed",
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
    "StoredEvent",
    "is_binary_key",
]
