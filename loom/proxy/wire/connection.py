"""Turns both directions of one connection into events; nothing here can stop or change the traffic."""

import time
from collections.abc import Callable, Iterator

from loom.model import (
    CallEnded,
    CallIds,
    CallStarted,
    Direction,
    EndedBy,
    MetadataSeen,
    Section,
    Sink,
    Status,
    StatusCode,
)
from loom.model.status_mapping import error_name
from loom.proxy import local_status

from .flow_control import Window
from .frames import (
    END_HEADERS,
    END_STREAM,
    PADDED,
    PRIORITY,
    FrameType,
    ParseError,
    strip_padding,
)
from .headers import HeaderBlock
from .limits import ConnectionLimits, IdleAllowance, Usage, unfinished_error
from .preface import Preface
from .sender import Sender
from .stream import Stream, WireFields

UNOBSERVED = "(not observed)"
FRAMES_PER_STEP, FRAMES_PER_SHORT_STEP = 64, 16
_HEADERS_SHAPE = END_HEADERS | PADDED | PRIORITY
_PRIORITY_SIZE, _PROMISED_ID_SIZE = 5, 4
_REQUEST, _REQUEST_DIRECTION = Section.REQUEST, Direction.REQUEST
# Plain numbers: an enumeration's members compare four times as slowly.
_DATA, _HEADERS, _CONTINUATION = 0, 1, 9
_STREAMS_PER_FRAME = 64  # streams that are updated in the time that parsing a frame takes
_FRAMES_PER_DECODING = 15  # frames that are parsed in the time that decoding a header block takes


class Connection:
    """Sans-IO: call :meth:`receive_data` with every chunk after it was forwarded, then :meth:`close`.

    If something cannot be parsed, the connection is marked as unobserved: its open calls end with a note, and further
    bytes are ignored; so past one of the ``limits``, of which ``usage`` counts those of all connections in sum.
    """

    def __init__(
        self,
        number: int,
        sink: Sink,
        ids: CallIds,
        *,
        peer: str,
        target: str,
        limits: ConnectionLimits | None = None,
        usage: Usage | None = None,
        clock: Callable[[], int] = time.time_ns,
    ) -> None:
        self.number = number
        self.peer = peer
        self.unobserved = ""
        """Why the connection is unobserved; "" while it is observed."""
        self.short_steps = False
        """Whether steps are short, and each emits its events, for the sake of other connections."""
        self._ids = ids
        self._sink = sink
        self._target = target
        self._limits = limits or ConnectionLimits()
        self._usage = usage or Usage()
        self._max_unfinished = self._limits.unfinished_bytes
        self._max_total_unfinished = self._limits.total_unfinished_bytes
        self._idle = IdleAllowance(self._limits)
        self._clock = clock
        self._now = 0
        self._preface = Preface()
        self._streams: dict[int, Stream] = {}
        self._pending: list[Stream] = []  # streams with events to emit
        self._client, self._server = Sender(), Sender()
        self._goaway_fields: WireFields = {}
        self._failed_by: EndedBy | None = None  # the first to send GOAWAY with an error
        self._unfinished = 0
        self._unobserved_call_id: int | None = None  # of the call that represents an unobserved connection

    @property
    def open_calls(self) -> int:
        """The number of open calls."""
        return len(self._streams)

    @property
    def is_between_frames(self) -> bool:
        """Whether a frame may follow the last byte of the server that was parsed."""
        return not self.unobserved and self._client.has_settings and self._server.is_between_frames

    def receive_data(self, chunk: bytes, now: int, *, client: bool) -> Iterator[None]:
        """Parse bytes that the client (or else the server) sent at ``now`` (wall-clock nanoseconds).

        A generator, which must be exhausted before the next call; the caller may do other work between its steps.
        Never raises.
        """
        if self.unobserved:
            return
        self._now = now
        try:
            if client and not self._preface.complete:
                chunk = self._preface.strip(chunk)
                self._idle.start(now)
            if chunk:
                yield from self._handle_frames(chunk, now, client=client)
        except ParseError as error:
            self.stop_observing(str(error), now)
        except Exception as error:  # noqa: BLE001 (a bug in here must not reach the traffic)
            self.stop_observing(f"the parser failed: {type(error).__name__}: {error}", now)
        self._emit()

    def _handle_frames(  # noqa: C901, PLR0912, PLR0915 (the loop over all frames: each further call would cost)
        self, chunk: bytes, now: int, *, client: bool
    ) -> Iterator[None]:
        sender = self._client if client else self._server
        window = sender.window
        headers = sender.headers
        get_stream = self._streams.get
        usage = self._usage
        frames_per_step = FRAMES_PER_SHORT_STEP if self.short_steps else FRAMES_PER_STEP
        frames_left = frames_per_step
        pending = self._pending
        for kind, flags, stream_id, payload, size in sender.frames.feed(chunk):
            stream = get_stream(stream_id)
            if stream is not None and not stream.events:
                pending.append(stream)
            if kind == _DATA:
                window.available -= size
                if window.available <= 0 or window.pending_ns:
                    window.update_stall(now)
                end_stream = flags & END_STREAM
                if stream is None or not (payload or end_stream):
                    self._idle.frames += 1
                if stream is not None:
                    if client:
                        growth = stream.on_request_data(payload, size, now, end_stream)
                    else:
                        growth = stream.on_response_data(payload, size, now, end_stream)
                    if growth:
                        self._unfinished += growth
                        usage.unfinished_bytes += growth
                        if (
                            self._unfinished > self._max_unfinished
                            or usage.unfinished_bytes > self._max_total_unfinished
                        ):
                            raise unfinished_error(self._unfinished, self._limits)
            elif sender.block_stream_id and kind != _CONTINUATION:
                raise ParseError("a header block was left unfinished")
            elif kind == _HEADERS and flags & _HEADERS_SHAPE == END_HEADERS:
                block = headers.cache.get(payload)
                if block is None:
                    block = self._decode(sender, payload)
                    frames_left -= _FRAMES_PER_DECODING
                if client or stream is None or self._unfinished:
                    self._on_header_block(client, stream, stream_id, block, flags & END_STREAM)
                else:
                    stream.on_response_headers(block, now, flags & END_STREAM)
            else:
                self._idle.frames += 1
                handle = _HANDLERS.get(kind)
                if handle is not None:
                    handle(self, client, flags, stream_id, payload)
            if stream is not None and stream.ended and self._streams.pop(stream_id, None) is not None:
                buffered = stream.buffered
                self._unfinished -= buffered
                usage.unfinished_bytes -= buffered
                usage.streams -= 1
            frames_left -= 1
            if frames_left <= 0:
                frames_left = frames_per_step
                self._idle.update(frames_per_step, now)
                if self.short_steps:
                    self._emit()
                yield
        self._idle.update(frames_per_step - frames_left, now)

    def _emit(self) -> None:
        """Emit pending events, one sequence per call, in the order of each call's first pending event."""
        calls = []
        for stream in self._pending:
            if stream.events:
                calls.append(stream.events)
                stream.events = []
        self._pending.clear()
        if calls:
            self._sink.emit_all(calls)

    def _emit_ended_streams(self) -> None:
        """Emit what is pending of all streams, which have ended, and remove them."""
        self._pending += self._streams.values()
        self._usage.streams -= len(self._streams)
        self._usage.unfinished_bytes -= self._unfinished
        self._unfinished = 0
        self._streams.clear()
        self._emit()

    def stop_observing(self, reason: str, now: int) -> None:
        """End open calls with a note, and ignore further bytes."""
        if self.unobserved:
            return
        self.unobserved = reason
        note = f"not observed from here on, because {reason}"
        for stream in self._streams.values():
            stream.fields["unobserved"] = reason
            stream.end(now, Status(StatusCode.UNKNOWN, note), EndedBy.LOOM, note)
        self._emit_ended_streams()
        self._client, self._server = Sender(), Sender()
        self._unobserved_call_id = self._ids.allocate()
        fields: WireFields = {"connection": self.number, "unobserved": reason}
        self._emit_started(self._unobserved_call_id, now, UNOBSERVED, fields)

    def record_connect_failure(self, reason: str, now: int) -> None:
        """Record a call for this connection, for which the target could not be reached."""
        call_id = self._ids.allocate()
        self._emit_started(call_id, now, "(connection)", {"connection": self.number})
        status = local_status.target_unreachable(self._target, reason)
        self._sink.emit(CallEnded(call_id, now, status, EndedBy.LOOM, status.message))

    def half_close(self, by: EndedBy) -> None:
        """Note that a side has closed its direction of the connection: it ended the calls that fail from then on."""
        for stream in self._streams.values():
            stream.half_closed_by = by

    def close(self, now: int, by: EndedBy) -> None:
        """End the connection and its open calls, which ``by`` ended, the side that closed first.

        Unless a GOAWAY with an error has announced the end: then its sender did.
        """
        if self._unobserved_call_id is not None:
            note = f"not observed, because {self.unobserved}"
            status = Status(StatusCode.UNKNOWN, note)
            self._sink.emit(CallEnded(self._unobserved_call_id, now, status, EndedBy.LOOM, note))
            self._unobserved_call_id = None
        by = by if by is EndedBy.LOOM else self._failed_by or by
        goaway = f" (GOAWAY {self._goaway_fields['goaway']})" if self._failed_by is by else ""
        for stream in self._streams.values():
            stream.fields.update(self._goaway_fields)
            stream.on_connection_closed(now, by, goaway)
        self._emit_ended_streams()

    def _emit_started(self, call_id: int, now: int, method: str, fields: WireFields) -> None:
        self._sink.emit(CallStarted(call_id, now, method, self.peer, "", self._target, "wire", wire=fields))

    def _on_headers(self, client: bool, flags: int, stream_id: int, payload: bytes) -> None:
        if flags & PADDED:
            payload = strip_padding(payload, flags)
        if flags & PRIORITY:
            payload = payload[_PRIORITY_SIZE:]
        sender = self._client if client else self._server
        end_stream = flags & END_STREAM
        if flags & END_HEADERS:
            block = self._decode(sender, payload)
            self._on_header_block(client, self._streams.get(stream_id), stream_id, block, end_stream)
            return
        sender.start_block(stream_id, payload, end_stream)

    def _on_continuation(self, client: bool, flags: int, stream_id: int, payload: bytes) -> None:
        sender = self._client if client else self._server
        if stream_id != sender.block_stream_id or not stream_id:
            raise ParseError("a CONTINUATION frame came without its HEADERS")
        sender.continue_block(payload, self._limits)
        if flags & END_HEADERS:
            block = self._decode(sender, sender.end_block())
            stream = self._streams.get(stream_id)
            self._on_header_block(client, stream, stream_id, block, sender.block_end_stream)

    def _decode(self, sender: Sender, payload: bytes) -> HeaderBlock:
        """Decode a header block, and count the fields that it has too many of."""
        block = sender.headers.decode(payload)
        if block.field_count > self._limits.header_fields:
            self._idle.frames += block.field_count - self._limits.header_fields
        return block

    def _on_header_block(
        self, client: bool, stream: Stream | None, stream_id: int, block: HeaderBlock, end_stream: int
    ) -> None:
        if stream is not None:
            before = stream.buffered if self._unfinished else 0
            if not client:
                stream.on_response_headers(block, self._now, end_stream)
            elif end_stream:
                stream.on_half_close(self._now)
            else:
                self._idle.frames += _FRAMES_PER_DECODING
            if before:
                change = stream.buffered - before  # a body may be complete now
                self._unfinished += change
                self._usage.unfinished_bytes += change
        elif client and block.path:
            self._open_stream(stream_id, block, end_stream)
        else:
            self._idle.frames += _FRAMES_PER_DECODING

    def _open_stream(self, stream_id: int, block: HeaderBlock, end_stream: int) -> None:
        limits = self._limits
        self._usage.open_stream(len(self._streams), limits)
        now = self._now
        call_id = self._ids.allocate()
        deadline = None if block.timeout_ns is None else now + block.timeout_ns
        fields: WireFields = {"connection": self.number, "stream": stream_id}
        if block.encoding:
            fields["request_encoding"] = block.encoding
        started = CallStarted(
            call_id, now, block.path, self.peer, block.authority, self._target, "wire", deadline, block.content_type,
            None, fields,
        )  # fmt: skip
        parser = block.body_parser
        stream = Stream(
            call_id,
            Window(self._client.initial_window),
            Window(self._server.initial_window),
            block,
            deadline,
            None if block.get is not None else parser(limits.message_bytes) if parser else None,
            parser(limits.message_bytes) if parser else None,
            [started, MetadataSeen(call_id, now, _REQUEST, block.metadata)],
            limits.message_bytes,
            self._usage.loop_lag,
        )
        self._streams[stream_id] = stream
        self._pending.append(stream)
        if block.get is not None:
            fields["http_method"] = "GET"
            stream.add_message(_REQUEST_DIRECTION, block.get.message, block.encoding, now)
        if end_stream:
            stream.on_half_close(now)

    def _on_push_promise(self, client: bool, flags: int, _stream_id: int, payload: bytes) -> None:
        """Decode the header block, for its effect on the HPACK table; a pushed response is not a gRPC call."""
        if not flags & END_HEADERS:
            raise ParseError("a PUSH_PROMISE continues in CONTINUATION")
        if flags & PADDED:
            payload = strip_padding(payload, flags)
        self._decode(self._client if client else self._server, payload[_PROMISED_ID_SIZE:])

    def _on_rst_stream(self, client: bool, _flags: int, stream_id: int, payload: bytes) -> None:
        if (stream := self._streams.get(stream_id)) is not None:
            if client and stream.response_headers is None:
                self._idle.count_reset(self._now)
            stream.on_reset(int.from_bytes(payload[:4], "big"), self._now, by_client=client)

    def _on_settings(self, client: bool, flags: int, _stream_id: int, payload: bytes) -> None:
        sender, other = (self._client, self._server) if client else (self._server, self._client)
        if flags & END_STREAM:  # ACK
            sender.acknowledge_settings()
            return
        change = other.receive_settings(payload, self._limits)
        if change:
            self._idle.frames += len(self._streams) // _STREAMS_PER_FRAME
            for stream in self._streams.values():
                window = stream.response_window if client else stream.request_window
                window.grant(change, self._now)

    def _on_goaway(self, client: bool, _flags: int, _stream_id: int, payload: bytes) -> None:
        code = int.from_bytes(payload[4:8], "big")
        text = payload[8:200].decode(errors="replace")
        side = "client" if client else "backend"
        self._goaway_fields = {"goaway": f"{error_name(code)} {text}".strip(), "goaway_by": side}
        if code and self._failed_by is None:
            self._failed_by = EndedBy.CLIENT if client else EndedBy.BACKEND
        last_stream_id = int.from_bytes(payload[:4], "big") & 0x7FFFFFFF
        self._idle.frames += len(self._streams) // _STREAMS_PER_FRAME
        for stream_id, stream in self._streams.items():
            stream.fields.update(self._goaway_fields)
            if not client and stream_id > last_stream_id:
                stream.fields["goaway_refused"] = 1

    def _on_window_update(self, client: bool, _flags: int, stream_id: int, payload: bytes) -> None:
        size = int.from_bytes(payload[:4], "big") & 0x7FFFFFFF
        if not stream_id:
            (self._server if client else self._client).window.grant(size, self._now)
            return
        if (stream := self._streams.get(stream_id)) is not None:
            (stream.response_window if client else stream.request_window).grant(size, self._now)


_HANDLERS: dict[int, Callable[[Connection, bool, int, int, bytes], None]] = {
    FrameType.HEADERS: Connection._on_headers,  # noqa: SLF001 (the table belongs to the class)
    FrameType.CONTINUATION: Connection._on_continuation,  # noqa: SLF001
    FrameType.PUSH_PROMISE: Connection._on_push_promise,  # noqa: SLF001
    FrameType.RST_STREAM: Connection._on_rst_stream,  # noqa: SLF001
    FrameType.SETTINGS: Connection._on_settings,  # noqa: SLF001
    FrameType.GOAWAY: Connection._on_goaway,  # noqa: SLF001
    FrameType.WINDOW_UPDATE: Connection._on_window_update,  # noqa: SLF001
}
