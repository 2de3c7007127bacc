"""Both directions of one connection become events; nothing here can stop or change what passes."""

import time
from collections.abc import Callable, Iterator

from loom.model import (
    CallEnded,
    CallIds,
    CallStarted,
    EndedBy,
    MetadataSeen,
    Section,
    Sink,
    Status,
    StatusCode,
)

from .frames import (
    END_HEADERS,
    END_STREAM,
    MAX_HELD,
    PADDED,
    PRIORITY_GIVEN,
    FrameReader,
    FrameType,
    NotFollowedError,
    unpadded,
)
from .headers import Head, HeadReader
from .preface import Preface
from .status_mapping import error_name
from .stream import Exchange, Facts
from .windows import DEFAULT_WINDOW, Window

UNOBSERVED = "(not observed)"
STEP = 64  # frames that are looked at in one go
MAX_OPEN = 100_000  # streams of one connection that are followed at a time
MAX_UNFINISHED = 256 * 1024 * 1024  # bytes of unfinished messages that one connection may hold
MAX_SETTINGS = 1000  # SETTINGS frames of one side that the other has yet to acknowledge
_SETTINGS_TABLE, _SETTINGS_WINDOW = 1, 4
_SHAPE = END_HEADERS | PADDED | PRIORITY_GIVEN
_PRIORITY_SIZE = 5
_REQUEST = Section.REQUEST
_PROMISED_SIZE = 4
_DATA, _HEADERS, _CONTINUATION = (
    0,
    1,
    9,
)  # plain numbers: an enumeration's members compare four times as slowly


class _Side:
    """What one side sends: its frames, its header blocks, and the flow control that the other side grants it."""

    def __init__(self) -> None:
        self.reader = FrameReader()
        self.heads = HeadReader()
        self.window = Window(DEFAULT_WINDOW)  # of the connection
        self.stream_window = DEFAULT_WINDOW  # that a new stream begins with
        self.tables: list[int] = []  # table sizes that the other side set and this one has yet to acknowledge
        self.block: list[bytes] = []  # a header block that goes on in CONTINUATION
        self.block_size = 0
        self.block_stream = 0
        self.block_ends = 0


class Connection:
    """Sans-IO: :meth:`saw` is told of every chunk after it has been passed on, :meth:`closed` of the end.

    Once something cannot be followed, the connection is marked as not observed from there on, the calls that are
    open end with that note, and further bytes are not looked at.
    """

    def __init__(
        self,
        number: int,
        sink: Sink,
        ids: CallIds,
        *,
        peer: str,
        target: str,
        clock: Callable[[], int] = time.time_ns,
    ) -> None:
        self.number = number
        self.unobserved = ""
        self._ids = ids
        self._sink = sink
        self.peer = peer
        self._target = target
        self._clock = clock
        self._now = 0
        self._preface = Preface()
        self._exchanges: dict[int, Exchange] = {}
        self._fresh: list[Exchange] = []  # those with events that are to be handed on
        self._client, self._server = _Side(), _Side()
        self._goaway: Facts = {}
        self._unfinished = 0
        self._record: int | None = None  # the call that stands for an unobserved connection

    @property
    def live(self) -> int:
        """How many calls are under way."""
        return len(self._exchanges)

    def saw(self, chunk: bytes, now: int, *, client: bool) -> Iterator[None]:
        """Look at bytes that the client (or else the server) sent at ``now`` (wall-clock nanoseconds).

        To be iterated to the end, before the next is asked for; between any two steps something else may be done.
        Never raises.
        """
        if self.unobserved:
            return
        self._now = now
        try:
            if client and not self._preface.whole:
                chunk = self._preface.taken_off(chunk)
            if chunk:
                yield from self._read(chunk, now, client=client)
        except NotFollowedError as error:
            self.give_up(str(error), now)
        except Exception as error:  # noqa: BLE001 (a bug in here must not reach the traffic)
            self.give_up(f"the parser failed: {type(error).__name__}: {error}", now)
        self._hand_on()

    def _read(  # noqa: C901, PLR0912 (for every frame there is: each further call would cost)
        self, chunk: bytes, now: int, *, client: bool
    ) -> Iterator[None]:
        """Look at the frames of a chunk; what nearly every one of them needs is done here."""
        side = self._client if client else self._server
        window = side.window
        heads = side.heads
        find = self._exchanges.get
        left = STEP
        fresh = self._fresh
        for kind, flags, stream, payload, size in side.reader.feed(chunk):
            exchange = find(stream)
            if exchange is not None and not exchange.events:
                fresh.append(exchange)
            if kind == _DATA:
                window.left -= size
                if window.left <= 0 or window.pending:
                    window.used(now)
                if exchange is None:
                    continue
                last = flags & END_STREAM
                if client:
                    more = exchange.on_request_data(payload, size, now, last)
                else:
                    more = exchange.on_response_data(payload, size, now, last)
                if more:
                    self._unfinished += more
                    if self._unfinished > MAX_UNFINISHED:
                        raise NotFollowedError(f"unfinished messages hold more than {MAX_UNFINISHED} bytes")
            elif side.block_stream and kind != _CONTINUATION:
                raise NotFollowedError("a header block was left unfinished")
            elif kind == _HEADERS and flags & _SHAPE == END_HEADERS:
                head = heads.known.get(payload) or heads.read(payload)
                if client or exchange is None or self._unfinished:
                    self._on_head(client, exchange, stream, head, flags & END_STREAM)
                else:
                    exchange.on_response_head(head, now, flags & END_STREAM)
            else:
                handle = _HANDLERS.get(kind)
                if handle is not None:
                    handle(self, client, flags, stream, payload)
            if exchange is not None and exchange.ended:
                self._unfinished -= exchange.held
                self._exchanges.pop(stream, None)
            left -= 1
            if not left:
                left = STEP
                yield

    def _hand_on(self) -> None:
        """Emit what has come of the calls, each call's events together, in the order in which they began to come."""
        calls = []
        for exchange in self._fresh:
            if exchange.events:
                calls.append(exchange.events)
                exchange.events = []
        self._fresh.clear()
        if calls:
            self._sink.emit_all(calls)

    def _let_go(self) -> None:
        """All calls have been ended: hand on what is left of them."""
        self._fresh += self._exchanges.values()
        self._exchanges.clear()
        self._hand_on()

    def give_up(self, reason: str, now: int) -> None:
        """Stop observing, and say why."""
        if self.unobserved:
            return
        self.unobserved = reason
        note = f"not observed from here on, because {reason}"
        for exchange in self._exchanges.values():
            exchange.facts["unobserved"] = reason
            exchange.end(now, Status(StatusCode.UNKNOWN, note), EndedBy.LOOM, note)
        self._let_go()
        self._client, self._server = _Side(), _Side()
        self._record = self._ids.reserve()
        facts: Facts = {"connection": self.number, "unobserved": reason}
        self._sink.emit(
            CallStarted(
                self._record, now, UNOBSERVED, self.peer, target=self._target, engine="wire", wire=facts
            )
        )

    def failed(self, reason: str, now: int) -> None:
        """The target could not be reached for this connection."""
        call = self._ids.take()
        facts: Facts = {"connection": self.number}
        self._sink.emit(
            CallStarted(call, now, "(connection)", self.peer, target=self._target, engine="wire", wire=facts)
        )
        note = f"Loom could not reach the target {self._target}: {reason}"
        self._sink.emit(CallEnded(call, now, Status(StatusCode.UNAVAILABLE, note), EndedBy.LOOM, note))

    def closed(self, now: int, by: EndedBy) -> None:
        """The connection is gone; calls that are open end with it."""
        if self._record is not None:
            note = f"not observed, because {self.unobserved}"
            self._sink.emit(
                CallEnded(self._record, now, Status(StatusCode.UNKNOWN, note), EndedBy.LOOM, note)
            )
            self._record = None
        for exchange in self._exchanges.values():
            exchange.facts.update(self._goaway)
            if by is EndedBy.LOOM:
                status = Status(StatusCode.UNAVAILABLE, "Loom was stopped")
                exchange.end(now, status, EndedBy.LOOM, "Loom was stopped while the call was under way")
            elif by is EndedBy.CLIENT:
                status = Status(StatusCode.CANCELLED, "the client closed the connection")
                exchange.end(now, status, EndedBy.CLIENT, "the client closed the connection")
            else:
                status = Status(StatusCode.UNAVAILABLE, "the backend closed the connection")
                exchange.end(now, status, EndedBy.BACKEND, "the backend closed the connection")
        self._let_go()

    def _on_headers(self, client: bool, flags: int, stream: int, payload: bytes) -> None:
        if flags & PADDED:
            payload = unpadded(payload, flags)
        if flags & PRIORITY_GIVEN:
            payload = payload[_PRIORITY_SIZE:]
        side = self._client if client else self._server
        last = flags & END_STREAM
        if flags & END_HEADERS:
            self._on_head(client, self._exchanges.get(stream), stream, side.heads.read(payload), last)
            return
        side.block = [payload]
        side.block_size = len(payload)
        side.block_stream = stream
        side.block_ends = last

    def _on_continuation(self, client: bool, flags: int, stream: int, payload: bytes) -> None:
        side = self._client if client else self._server
        if stream != side.block_stream or not stream:
            raise NotFollowedError("a CONTINUATION frame came without its HEADERS")
        if payload:  # empty ones cost their sender nothing, and must not pile up here
            side.block.append(payload)
        side.block_size += len(payload)
        if side.block_size > MAX_HELD:
            raise NotFollowedError(f"a header block of more than {MAX_HELD} bytes came")
        if flags & END_HEADERS:
            block, side.block, side.block_stream = b"".join(side.block), [], 0
            self._on_head(
                client, self._exchanges.get(stream), stream, side.heads.read(block), side.block_ends
            )

    def _on_head(self, client: bool, exchange: Exchange | None, stream: int, head: Head, last: int) -> None:
        if exchange is not None:
            before = exchange.held if self._unfinished else 0
            if not client:
                exchange.on_response_head(head, self._now, last)
            elif last:
                exchange.on_half_close(self._now)
            if before:
                self._unfinished += exchange.held - before  # a body may be whole now
        elif client and head.path:
            self._begin(stream, head, last)

    def _begin(self, stream: int, head: Head, last: int) -> None:
        if len(self._exchanges) >= MAX_OPEN:
            raise NotFollowedError(f"more than {MAX_OPEN} streams are open")
        now = self._now
        call = self._ids.reserve()
        deadline = None if head.timeout_ns is None else now + head.timeout_ns
        facts: Facts = {"connection": self.number, "stream": stream}
        if head.encoding:
            facts["request_encoding"] = head.encoding
        started = CallStarted(
            call,
            now,
            head.path,
            self.peer,
            head.authority,
            self._target,
            "wire",
            deadline,
            head.content_type,
            None,
            facts,
        )
        reader = head.reader
        exchange = Exchange(
            call,
            Window(self._client.stream_window),
            Window(self._server.stream_window),
            head.encoding,
            deadline,
            head.web,
            head.connect,
            reader() if reader else None,
            reader() if reader else None,
            [started, MetadataSeen(call, now, _REQUEST, head.metadata)],
        )
        self._exchanges[stream] = exchange
        self._fresh.append(exchange)
        if last:
            exchange.on_half_close(now)

    def _on_push(self, client: bool, flags: int, _stream: int, payload: bytes) -> None:
        """A promise is no gRPC call, but its header block changes the table that later blocks refer to."""
        if not flags & END_HEADERS:
            raise NotFollowedError("a PUSH_PROMISE goes on in CONTINUATION")
        if flags & PADDED:
            payload = unpadded(payload, flags)
        (self._client if client else self._server).heads.read(payload[_PROMISED_SIZE:])

    def _on_reset(self, client: bool, _flags: int, stream: int, payload: bytes) -> None:
        exchange = self._exchanges.get(stream)
        if exchange is not None:
            exchange.on_reset(int.from_bytes(payload[:4], "big"), self._now, by_client=client)

    def _on_settings(self, client: bool, flags: int, _stream: int, payload: bytes) -> None:
        side, other = (self._client, self._server) if client else (self._server, self._client)
        if flags & END_STREAM:  # ACK: what the other side asked for is in force for what this side sends
            if side.tables:
                side.heads.allow_table(side.tables.pop(0))
            return
        table = None
        for position in range(0, len(payload) - 5, 6):
            setting = int.from_bytes(payload[position : position + 2], "big")
            value = int.from_bytes(payload[position + 2 : position + 6], "big")
            if setting == _SETTINGS_TABLE:
                table = value
            elif setting == _SETTINGS_WINDOW:
                change, other.stream_window = value - other.stream_window, value
                for exchange in self._exchanges.values():
                    window = exchange.response_window if client else exchange.request_window
                    window.opened(change, self._now)
        # Every SETTINGS is acknowledged, so every one has its place in the queue.
        if len(other.tables) >= MAX_SETTINGS:
            raise NotFollowedError(f"more than {MAX_SETTINGS} SETTINGS frames were not acknowledged")
        other.tables.append(_current(other) if table is None else table)

    def _on_goaway(self, client: bool, _flags: int, _stream: int, payload: bytes) -> None:
        code = int.from_bytes(payload[4:8], "big")
        text = payload[8:200].decode(errors="replace")
        who = "client" if client else "backend"
        self._goaway = {"goaway": f"{error_name(code)} {text}".strip(), "goaway_by": who}
        last = int.from_bytes(payload[:4], "big") & 0x7FFFFFFF
        for stream, exchange in self._exchanges.items():
            exchange.facts.update(self._goaway)
            if not client and stream > last:
                exchange.facts["goaway_refused"] = 1

    def _on_window_update(self, client: bool, _flags: int, stream: int, payload: bytes) -> None:
        size = int.from_bytes(payload[:4], "big") & 0x7FFFFFFF
        if not stream:
            (self._server if client else self._client).window.opened(size, self._now)
            return
        exchange = self._exchanges.get(stream)
        if exchange is not None:
            (exchange.response_window if client else exchange.request_window).opened(size, self._now)


def _current(side: _Side) -> int:
    return side.tables[-1] if side.tables else side.heads.table_limit


_HANDLERS: dict[int, Callable[[Connection, bool, int, int, bytes], None]] = {
    FrameType.HEADERS: Connection._on_headers,  # noqa: SLF001 (the table is the class's own)
    FrameType.CONTINUATION: Connection._on_continuation,  # noqa: SLF001
    FrameType.PUSH_PROMISE: Connection._on_push,  # noqa: SLF001
    FrameType.RST_STREAM: Connection._on_reset,  # noqa: SLF001
    FrameType.SETTINGS: Connection._on_settings,  # noqa: SLF001
    FrameType.GOAWAY: Connection._on_goaway,  # noqa: SLF001
    FrameType.WINDOW_UPDATE: Connection._on_window_update,  # noqa: SLF001
}
