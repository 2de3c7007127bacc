"""The inspection queue: forwarded chunks that wait to be parsed, in turns with further forwarding."""

import asyncio
import time
from collections import deque
from collections.abc import Callable, Iterator
from typing import NamedTuple

from loom.model import EndedBy
from loom.proxy.event_buffer import EventBuffer
from loom.proxy.loop_lag import LoopLag

from .connection import Connection

_ACTIVITY_NS = 1_000_000_000


class _HalfClose(NamedTuple):
    """A side has closed its direction of the connection."""

    by: EndedBy


_Entry = tuple[Connection, bytes | EndedBy | _HalfClose, int, bool]
"""A chunk, or who (half-)closed the connection; a timestamp in nanoseconds; whether the client sent the chunk."""


class InspectionQueue:
    """Chunks of all connections, in the order in which they were forwarded, with timestamps.

    While bytes arrive, the queue is processed in turns of ``turn`` seconds, between which the loop forwards: a burst
    passes nearly as fast as without inspection. Once the first chunk has waited for ``lag`` seconds, turns grow with
    the delay, up to ``longest_turn`` at ``longest_lag``, and forwarding slows down to the speed of inspection; while
    more than ``max_bytes`` wait, it stops. Nothing is skipped. What a session promises after a kill
    (docs/how-to/sessions.md) relies on the delay staying well below a quarter of a second.

    One connection must not slow the others down. While others have traffic, the turns of one that has ``share`` of the
    bytes that wait, and at least ``least_bytes``, are as short as possible; and if it has more than
    ``connection_bytes`` of them, or they have waited for more than ``connection_lag`` seconds, ``throttle`` is called
    with it and True: nothing more is to be read from its two ends. Once none of its bytes wait, ``throttle`` is called
    with False.

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
        throttle: Callable[[Connection, bool], None] = lambda _connection, _paused: None,
        share: float = 0.75,
        least_bytes: int = 32 * 1024,
        connection_bytes: int = 512 * 1024,
        connection_lag: float = 0.02,
    ) -> None:
        self.loop_lag = LoopLag()
        """How late the event loop's timers are while chunks arrive."""
        self._events = events
        self._turn = turn
        self._longest_turn = longest_turn
        self._lag = lag
        self._longest_lag = longest_lag
        self._max_bytes = max_bytes
        self._batch_size = batch_size
        self._batch_bytes = batch_bytes
        self._throttle = throttle
        self._share = share
        self._least_bytes = least_bytes
        self._connection_bytes = connection_bytes
        self._connection_lag_ns = int(connection_lag * 1e9)
        self._bytes_by_connection: dict[Connection, int] = {}  # of the queue
        self._throttled: set[Connection] = set()
        self._active: set[Connection] = set()  # that had traffic in the last one or two seconds
        self._last_active: set[Connection] = set()
        self._active_since_ns = 0
        self._queue: deque[_Entry] = deque()
        self._bytes = 0
        self._chunk_steps: Iterator[None] | None = (
            None  # the remaining steps of the first chunk, once started
        )

    def __len__(self) -> int:
        """The number of chunks and connection ends in the queue."""
        return len(self._queue)

    def has_bytes_of(self, connection: Connection) -> bool:
        """Whether bytes of this connection have been forwarded, and not parsed yet."""
        return connection in self._bytes_by_connection

    def put_chunk(self, connection: Connection, data: bytes, *, client: bool) -> None:
        """Queue bytes that have just been forwarded; they are parsed after the loop has written them."""
        if not self._queue:
            asyncio.get_running_loop().call_soon(self._run_turn)
        self.loop_lag.on_traffic()
        now, size = time.time_ns(), len(data)
        self._queue.append((connection, data, now, client))
        self._bytes += size
        pending = self._bytes_by_connection
        pending[connection] = size = pending.get(connection, 0) + size
        self._active.add(connection)
        if not 0 <= now - self._active_since_ns <= _ACTIVITY_NS:
            self._last_active, self._active, self._active_since_ns = self._active, {connection}, now
        if size > self._connection_bytes:
            self._throttle_if_dominant(connection)

    def put_half_close(self, connection: Connection, by: EndedBy) -> None:
        """Queue the end of a direction of a connection, behind its last bytes."""
        self._put(connection, _HalfClose(by))

    def put_close(self, connection: Connection, by: EndedBy) -> None:
        """Queue the end of a connection, behind its last bytes."""
        self._put(connection, by)
        # A closed connection needs no protection from the others.
        self._active.discard(connection)
        self._last_active.discard(connection)

    def _put(self, connection: Connection, end: EndedBy | _HalfClose) -> None:
        if not self._queue:
            asyncio.get_running_loop().call_soon(self._run_turn)
        self._queue.append((connection, end, time.time_ns(), False))

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
        end = time.perf_counter() + (self._turn_seconds(queue[0]) if queue else 0)
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
                    connection.short_steps = self._is_dominant(connection)
                    self._chunk_steps = connection.receive_data(data, now, client=client)
                    if connection.short_steps and time.time_ns() - now > self._connection_lag_ns:
                        self._throttle_if_dominant(connection)
                for _ in self._chunk_steps:  # not "yield from", which would close it with this generator
                    if connection.short_steps and len(self._events) >= self._batch_size:
                        self._events.flush()
                    yield
                self._chunk_steps = None
                if len(data) >= self._batch_bytes or len(self._events) >= self._batch_size:
                    self._events.flush()
                self._remove_bytes(connection, len(data))
            elif isinstance(data, _HalfClose):
                connection.half_close(data.by)
            else:
                connection.close(now, data)
            queue.popleft()
            yield

    def _is_dominant(self, connection: Connection) -> bool:
        """Whether a connection has most of the bytes in the queue, while others have traffic."""
        if self._active <= {connection} and self._last_active <= {connection}:
            return False
        size = self._bytes_by_connection.get(connection, 0)
        return size >= self._least_bytes and size >= self._share * self._bytes

    def _throttle_if_dominant(self, connection: Connection) -> None:
        if connection not in self._throttled and self._is_dominant(connection):
            self._throttled.add(connection)
            self._throttle(connection, True)  # noqa: FBT003 (a callback)

    def _remove_bytes(self, connection: Connection, size: int) -> None:
        self._bytes -= size
        pending = self._bytes_by_connection
        size = pending[connection] - size
        if size:
            pending[connection] = size
            return
        del pending[connection]
        if connection in self._throttled:
            self._throttled.discard(connection)
            self._throttle(connection, False)  # noqa: FBT003

    def _turn_seconds(self, first: _Entry) -> float:
        """The length of a turn that starts with this entry."""
        connection, _, then_ns, _ = first
        late = ((time.time_ns() - then_ns) / 1e9 - self._lag) / (self._longest_lag - self._lag)
        if late <= 0:
            return 0.0 if self._is_dominant(connection) else self._turn
        return self._turn + (self._longest_turn - self._turn) * min(late, 1.0)
