"""What has been passed on and is still to be looked at: forwarding goes first, looking takes turns with it."""

import asyncio
import time
from collections import deque
from collections.abc import Iterator

from loom.model import EndedBy

from .connection import Connection
from .event_buffer import Gathering

TURN_SECONDS = 0.000_1  # of looking, before the loop gets to see which bytes have come meanwhile
LONG_TURN_SECONDS = 0.005
FREE_LAG_SECONDS = 0.08  # bytes that have waited for longer make turns longer
MOST_LAG_SECONDS = 0.15  # ... up to here, where they are longest
MAX_WAITING = 8 * 1024 * 1024  # bytes that may wait: as small messages, about a fifth of a second
ENOUGH = 16  # parts of calls that are handed on together: with more, each costs no less
ENOUGH_BYTES = 16 * 1024  # a chunk of this size brings enough by itself

_Seen = tuple[Connection, bytes | EndedBy, int, bool]
"""A chunk, or who ended the connection; when that was, and whether the client sent it."""


class Backlog:
    """Chunks of all connections, in the order in which they passed, with the time at which they did.

    While bytes keep coming, they are looked at in turns of :data:`TURN_SECONDS` between which the loop forwards, so
    that a burst passes nearly as quickly as it would unobserved. Once the first of them have waited for longer than
    :data:`FREE_LAG_SECONDS`, turns grow with the lag, and forwarding slows down to the speed of looking; with more
    than :data:`MAX_WAITING` bytes it waits. Nothing is left out.

    What connections emit is handed on together, at the end of a turn at the latest: with few calls on each of many
    connections, a chunk brings little, and whoever records it does some things once for all that comes at once.

    What a session promises after a kill (docs/sessions.md) counts on the lag staying well below a quarter of a second.
    """

    def __init__(self, gathering: Gathering) -> None:
        self._gathering = gathering
        self._queue: deque[_Seen] = deque()
        self._waiting = 0
        self._begun: Iterator[None] | None = None  # of the first chunk: what is left of it

    def __len__(self) -> int:
        """How many chunks and ends of connections wait."""
        return len(self._queue)

    def passed(self, connection: Connection, data: bytes, *, client: bool) -> None:
        """Bytes have been handed on; look at them once the loop has sent what is to be sent."""
        if not self._queue:
            asyncio.get_running_loop().call_soon(self._turn)
        self._queue.append((connection, data, time.time_ns(), client))
        self._waiting += len(data)

    def closed(self, connection: Connection, by: EndedBy) -> None:
        """The connection is gone; it ends after what passed on it."""
        if not self._queue:
            asyncio.get_running_loop().call_soon(self._turn)
        self._queue.append((connection, by, time.time_ns(), False))

    def drain(self) -> None:
        """Look at all that waits, now."""
        for _ in self._look():
            pass
        self._gathering.hand_on()

    def settle(self) -> None:
        """Look at the rest of a chunk that has been begun, and hand on what has been seen."""
        for _ in self._begun or ():
            pass
        self._gathering.hand_on()

    def _turn(self) -> None:
        queue = self._queue
        until = time.perf_counter() + (_turn_seconds(time.time_ns() - queue[0][2]) if queue else 0)
        for _ in self._look():
            if self._waiting <= MAX_WAITING and time.perf_counter() >= until:
                break
        self._gathering.hand_on()
        if queue:
            asyncio.get_running_loop().call_soon(self._turn)

    def _look(self) -> Iterator[None]:
        """Look at what waits, in small steps; it may be left at any of them, and another goes on from there."""
        queue = self._queue
        while queue:
            connection, data, now, client = queue[0]
            if isinstance(data, bytes):
                if self._begun is None:
                    self._begun = connection.saw(data, now, client=client)
                for _ in self._begun:  # not "yield from", which would end it when this is left
                    yield
                self._begun = None
                self._waiting -= len(data)
                if len(data) >= ENOUGH_BYTES or len(self._gathering) >= ENOUGH:
                    self._gathering.hand_on()
            else:
                connection.closed(now, data)
            queue.popleft()
            yield


def _turn_seconds(lag_ns: int) -> float:
    """How long to look before the loop forwards again, where the first bytes have waited for so long."""
    late = (lag_ns / 1e9 - FREE_LAG_SECONDS) / (MOST_LAG_SECONDS - FREE_LAG_SECONDS)
    return TURN_SECONDS + (LONG_TURN_SECONDS - TURN_SECONDS) * min(max(late, 0.0), 1.0)
