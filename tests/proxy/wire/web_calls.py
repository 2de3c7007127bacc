"""Calls of gRPC-Web and Connect over an observed connection, and what was recorded of them."""

from loom.model import MessageSeen, MetadataSeen, Section
from tests.proxy.wire.http2_bytes import data
from tests.proxy.wire.observed_connection import ObservedConnection


def send_request(content_type: str, *parts: bytes, **headers: str) -> ObservedConnection:
    """A connection with a complete request of this type, its body in pieces."""
    observed = ObservedConnection().handshake()
    pairs = [(":method", "POST"), (":path", "/a.B/C"), (":scheme", "http"), ("content-type", content_type)]
    pairs += [(key.replace("_", "-"), value) for key, value in headers.items()]
    *first, last = parts
    frames = [data(1, part) for part in first] + [data(1, last, end=True)]
    return observed.client_sends(observed.client.headers(1, pairs), *frames)


def send_response(
    observed: ObservedConnection, status: int, content_type: str, *parts: bytes, **headers: str
) -> ObservedConnection:
    pairs = [(":status", str(status)), ("content-type", content_type)]
    pairs += [(key.replace("_", "-"), value) for key, value in headers.items()]
    *first, last = parts
    frames = [data(1, part) for part in first] + [data(1, last, end=True)]
    return observed.server_sends(observed.server.headers(1, pairs), *frames)


def messages(observed: ObservedConnection) -> list[tuple[bytes, bool, str]]:
    return [(event.data, event.compressed, event.encoding) for event in observed.sink.of(MessageSeen)]


def trailing(observed: ObservedConnection) -> list[tuple[str, str | bytes]]:
    return [
        item
        for event in observed.sink.of(MetadataSeen)
        if event.section is Section.TRAILING
        for item in event.metadata
    ]


def initial(observed: ObservedConnection) -> dict[str, str | bytes]:
    [event] = [event for event in observed.sink.of(MetadataSeen) if event.section is Section.INITIAL]
    return dict(event.metadata)


def status_of(observed: ObservedConnection) -> tuple[int, str]:
    status = observed.call_ended().status
    return status.code, status.message
