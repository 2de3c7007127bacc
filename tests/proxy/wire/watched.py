"""A connection under test, fed by hand, and what it told."""

from loom.model import CallEnded, CallIds
from loom.proxy.wire.connection import Connection
from tests.proxy.wire import streams
from tests.proxy.wire.streams import PREFACE, Side


class Sink:
    def __init__(self) -> None:
        self.events = []

    def emit(self, *events):
        self.emit_all([events])

    def emit_all(self, calls):
        for events in calls:
            self.events += events

    def of(self, kind):
        return [event for event in self.events if isinstance(event, kind)]


class Watched:
    """A connection under test, with a clock that the test moves."""

    def __init__(self) -> None:
        self.sink = Sink()
        self.now = 1_000
        self.connection = Connection(7, self.sink, CallIds(), peer="ipv4:127.0.0.1:5", target="localhost:1")
        self.client, self.server = Side(), Side()

    def sent(self, *parts: bytes) -> "Watched":
        list(self.connection.saw(b"".join(parts), self.now, client=True))
        return self

    def answered(self, *parts: bytes) -> "Watched":
        list(self.connection.saw(b"".join(parts), self.now, client=False))
        return self

    def opened(self) -> "Watched":
        return self.sent(PREFACE, streams.settings()).answered(streams.settings())

    def end(self) -> CallEnded:
        [ended] = self.sink.of(CallEnded)
        return ended
