"""The inspection queue: forwarded chunks that wait to be parsed, in turns with further forwarding."""

import asyncio
import time
from collections import deque
from collections.abc import Iterator

from loom.model import EndedBy
from loom.proxy.event_buffer import EventBuffer

from .connection import Connection

_Entry = tuple[Connection, bytes | EndedBy, int, bool]
"""A chunk, or who ended the connection; a timestamp in nanoseconds; whether the client sent the chunk."""


class InspectionQueue:
    """Chunks of all connections, in the order in which they were forwarded, with timestamps.

    While bytes arrive, the queue is processed in turns of ``turn`` seconds, between which the loop forwards: a burst
    passes nearly as fast as without inspection. Once the first chunk has waited for ``lag`` seconds, turns grow with
    the delay, up to ``longest_turn`` at ``longest_lag``, and forwarding slows down to the speed of inspection; while
    more than ``max_bytes`` wait, it stops. Nothing is skipped. What a session promises after a kill
    (docs/how-to/sessions.md) relies on the delay staying well below a quarter of a second.

    Events are flushed at the end of a turn at the latest, and as soon as ``batch_size`` sequences are buffered (larger
    batches save nothing more) or a chunk of ``batch_bytes`` was processed (which fills a batch).
    """

    def __init__(
        self,
        events: EventBuffer,
        *,
        turn: float = 0.000_1,
        longest_turn: float = 0.005,
        lag: float = 0.08,
        longest_lag: float = 0.15,
        max_bytes: int = 8 * 1024 * 1024,  # small messages of this size take about a fifth of a second
        batch_size: int = 16,
        batch_bytes: int = 16 * 1024,
    ) -> None:
        self._events = events
        self._turn = turn
        self._longest_turn = longest_turn
        self._lag = lag
        self._longest_lag = longest_lag
        self._max_bytes = max_bytes
        self._batch_size = batch_size
        self._batch_bytes = batch_bytes
        self._queue: deque[_Entry] = deque()
        self._bytes = 0
        self._chunk_steps: Iterator[None] | None = (
            None  # the remaining steps of the first chunk, once started
        )

    def __len__(self) -> int:
        """The number of chunks and connection ends in the queue."""
        return len(self._queue)

    def put_chunk(self, connection: Connection, data: bytes, *, client: bool) -> None:
        """Queue bytes that have just been forwarded; they are parsed after the loop has written them."""
        if not self._queue:
            asyncio.get_running_loop().call_soon(self._run_turn)
        self._queue.append((connection, data, time.time_ns(), client))
        self._bytes += len(data)

    def put_close(self, connection: Connection, by: EndedBy) -> None:
        """Queue the end of a connection, behind its last bytes."""
        if not self._queue:
            asyncio.get_running_loop().call_soon(self._run_turn)
        self._queue.append((connection, by, time.time_ns(), False))

    def drain(self) -> None:
        """Process the whole queue now, and flush."""
        for _ in self._process():
            pass
        self._events.flush()

    def flush(self) -> None:
        """Finish the chunk that is being processed, and flush the event buffer; queued chunks keep their turn."""
        for _ in self._chunk_steps or ():
            pass
        self._events.flush()

    def _run_turn(self) -> None:
        queue = self._queue
        end = time.perf_counter() + (self._turn_seconds(time.time_ns() - queue[0][2]) if queue else 0)
        for _ in self._process():
            if self._bytes <= self._max_bytes and time.perf_counter() >= end:
                break
        self._events.flush()
        if queue:
            asyncio.get_running_loop().call_soon(self._run_turn)

    def _process(self) -> Iterator[None]:
        """Process the queue in small steps; a generator that is abandoned at one is continued by the next."""
        queue = self._queue
        while queue:
            connection, data, now, client = queue[0]
            if isinstance(data, bytes):
                if self._chunk_steps is None:
                    self._chunk_steps = connection.receive_data(data, now, client=client)
                for _ in self._chunk_steps:  # not "yield from", which would close it with this generator
                    yield
                self._chunk_steps = None
                self._bytes -= len(data)
                if len(data) >= self._batch_bytes or len(self._events) >= self._batch_size:
                    self._events.flush()
            else:
                connection.close(now, data)
            queue.popleft()
            yield

    def _turn_seconds(self, delay_ns: int) -> float:
        """The length of a turn when the first chunk has waited for ``delay_ns``."""
        late = (delay_ns / 1e9 - self._lag) / (self._longest_lag - self._lag)
        return self._turn + (self._longest_turn - self._turn) * min(max(late, 0.0), 1.0)
