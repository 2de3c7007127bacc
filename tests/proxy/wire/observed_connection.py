"""A connection under test that is fed with bytes, and the events that it emits."""

from collections.abc import Sequence
from typing import TypeVar

from loom.model import CallEnded, CallIds, Event
from loom.proxy.wire.connection import Connection
from loom.proxy.wire.limits import ConnectionLimits, Usage
from tests.proxy.wire import http2_bytes
from tests.proxy.wire.http2_bytes import PREFACE, Peer

E = TypeVar("E")


class Sink:
    def __init__(self) -> None:
        self.events: list[Event] = []

    def emit(self, *events: Event) -> None:
        self.emit_all([events])

    def emit_all(self, calls: Sequence[Sequence[Event]]) -> None:
        for events in calls:
            self.events += events

    def of(self, kind: type[E]) -> list[E]:
        return [event for event in self.events if isinstance(event, kind)]


class ObservedConnection:
    """A connection under test, with a clock that the test moves."""

    def __init__(self, limits: ConnectionLimits | None = None) -> None:
        self.sink = Sink()
        self.now = 1_000
        self.usage = Usage()
        self.connection = Connection(
            7,
            self.sink,
            CallIds(),
            peer="ipv4:127.0.0.1:5",
            target="localhost:1",
            limits=limits,
            usage=self.usage,
        )
        self.client, self.server = Peer(), Peer()

    def client_sends(self, *parts: bytes) -> "ObservedConnection":
        list(self.connection.receive_data(b"".join(parts), self.now, client=True))
        return self

    def server_sends(self, *parts: bytes) -> "ObservedConnection":
        list(self.connection.receive_data(b"".join(parts), self.now, client=False))
        return self

    def handshake(self) -> "ObservedConnection":
        return self.client_sends(PREFACE, http2_bytes.settings()).server_sends(http2_bytes.settings())

    def call_ended(self) -> CallEnded:
        [ended] = self.sink.of(CallEnded)
        return ended
