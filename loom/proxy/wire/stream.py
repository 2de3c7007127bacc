"""The state of one HTTP/2 stream, which carries one call, from its headers to its end."""

import msgspec

from loom.model import (
    CallEnded,
    Direction,
    EndedBy,
    Event,
    HalfClosed,
    MessageSeen,
    Metadata,
    MetadataSeen,
    Section,
    Status,
    StatusCode,
)
from loom.model.metadata import CONTENT_TYPE
from loom.model.status_mapping import ErrorCode, code_of_http_status, code_of_reset, error_name
from loom.proxy import local_status
from loom.proxy.loop_lag import LoopLag

from .connect import EndOfStream, parse_end_of_stream, parse_error, split_trailers
from .deadlines import deadline_passed
from .envelopes import COMPRESSED, Envelope, EnvelopeParser, message_event, single_payload
from .flow_control import Window
from .frames import Piece
from .headers import HeaderBlock, parse_trailer_lines
from .protocols import Protocol
from .response_checks import HTTP_OK, codec_text, doubt, has_other_codec, is_foreign, status_by_http
from .web_bodies import TextBody, UnaryBodyParser, decompress_end

_REQUEST, _RESPONSE = Direction.REQUEST, Direction.RESPONSE
_INITIAL, _TRAILING = Section.INITIAL, Section.TRAILING
_BACKEND, _DEADLINE_EXCEEDED = EndedBy.BACKEND, int(StatusCode.DEADLINE_EXCEEDED)
_OK = Status(StatusCode.OK)
_OTHER, _GRPC, _GRPC_WEB = Protocol.OTHER, Protocol.GRPC, Protocol.GRPC_WEB
_CONNECT_UNARY, _CONNECT_STREAM = Protocol.CONNECT_UNARY, Protocol.CONNECT_STREAM
_WEB_TRAILERS, _END_OF_STREAM = 0x80, 2  # flags of gRPC-Web, and of Connect
_NO_ENCODING = frozenset({"", "identity"})
_TRUNCATED = "the last message was cut off before its end"
_NO_TRAILERS = "the response ended without trailers"
_NO_END_OF_STREAM = "the response ended without an end-of-stream message"
_UNDECLARED = "a message is marked as compressed, but no encoding is named"

WireFields = dict[str, str | int | float]
"""What only the wire engine knows of a call: see :class:`loom.model.CallStarted`."""


class Stream(msgspec.Struct, gc=False):
    """One call on the wire: the state from which its events are made, and those that are not yet emitted.

    The status is the one that a client of the call's protocol reports for what passed. ``request`` and ``response``
    parse messages that do not come as one frame each, as most do; they are None until the first of them. Timestamps are
    wall-clock nanoseconds.
    """

    call_id: int
    request_window: Window
    response_window: Window
    request_headers: HeaderBlock
    deadline_ns: int | None
    request: EnvelopeParser | None
    response: EnvelopeParser | None
    events: list[Event]
    max_message: int
    loop_lag: LoopLag
    end_of_stream: EndOfStream | None = None
    response_headers: HeaderBlock | None = None
    response_encoding: str = ""
    headers_pending: bool = False  # the response's headers have a status, and may turn out to be its trailers
    violation: str = ""  # of the protocol by the response, for which a client reports INTERNAL
    half_closed: bool = False
    ended: bool = False
    half_closed_by: EndedBy | None = None  # the first to close its direction of the connection
    fields: WireFields = {}  # for the end

    @property
    def buffered(self) -> int:
        """The size of unfinished messages in bytes."""
        request, response = self.request, self.response
        return (request.buffered if request else 0) + (response.buffered if response else 0)

    def on_request_data(self, payload: Piece, size: int, now: int, end_stream: int) -> int:
        """Handle a piece of DATA from the client; return the change of :attr:`buffered`."""
        window = self.request_window
        window.available -= size
        if window.available <= 0 or window.pending_ns:
            window.update_stall(now)
        parser = self.request
        if parser is None:
            data = single_payload(payload, self.max_message)
            if data is not None:
                self.events.append(MessageSeen(self.call_id, now, _REQUEST, data))
                if end_stream:
                    self.on_half_close(now)
                return 0
            parser = self.request = EnvelopeParser(self.max_message)
        before = parser.buffered
        for envelope in parser.feed(payload):
            self.events.append(
                message_event(self.call_id, now, _REQUEST, envelope, self.request_headers.encoding)
            )
        if end_stream:
            self.on_half_close(now)
        return parser.buffered - before

    def on_response_data(self, payload: Piece, size: int, now: int, end_stream: int) -> int:
        """Handle a piece of DATA from the server; return the change of :attr:`buffered`."""
        window = self.response_window
        window.available -= size
        if window.available <= 0 or window.pending_ns:
            window.update_stall(now)
        parser = self.response
        if parser is None:
            data = None if end_stream else single_payload(payload, self.max_message)
            if data is not None:
                self.events.append(MessageSeen(self.call_id, now, _RESPONSE, data))
                return 0
            parser = self.response = EnvelopeParser(self.max_message)
        return self._parse_response(parser, payload, now, end_stream)

    def _parse_response(self, parser: EnvelopeParser, payload: Piece, now: int, end_stream: int) -> int:
        before = parser.buffered
        if self.headers_pending and len(payload):
            self._emit_pending_headers(now)
        protocol = self.request_headers.protocol
        for envelope in parser.feed(payload):
            flags = envelope[0]
            if self.ended or self.end_of_stream is not None:
                break
            if protocol is _GRPC_WEB and flags & _WEB_TRAILERS:
                self._on_web_trailers(envelope, now)
            elif protocol is _CONNECT_STREAM and flags & _END_OF_STREAM:
                self._on_end_of_stream(envelope, now)
            else:
                if flags & COMPRESSED and self.response_encoding in _NO_ENCODING:
                    self.violation = self.violation or _UNDECLARED
                self.events.append(
                    message_event(self.call_id, now, _RESPONSE, envelope, self.response_encoding)
                )
        if end_stream and not self.ended:
            self._end_without_trailers(now)
        return parser.buffered - before

    def on_half_close(self, now: int) -> None:
        """The client ended its side of the stream."""
        if not self.half_closed and not self.ended:
            self.half_closed = True
            if type(self.request) is UnaryBodyParser:
                self._add_body(_REQUEST, self.request, self.request_headers.encoding, now)
            self.events.append(HalfClosed(self.call_id, now))

    def on_response_headers(self, block: HeaderBlock, now: int, end_stream: int) -> None:
        """Handle a header block from the server: informational, initial metadata, trailers, or the last two in one."""
        if end_stream:
            self._on_last_headers(block, now)
        elif self.response_headers is None and not block.informational:
            self.response_headers = block
            if block.encoding:
                self.response_encoding = block.encoding
            if block.begins_grpc and self.request_headers.protocol is _GRPC:
                self.events.append(MetadataSeen(self.call_id, now, _INITIAL, block.metadata))
            else:
                self._on_unusual_headers(block, now)

    def _on_unusual_headers(self, block: HeaderBlock, now: int) -> None:
        """Handle initial headers of anything but the usual gRPC response."""
        protocol = self.request_headers.protocol
        if protocol is _OTHER:
            self.events.append(MetadataSeen(self.call_id, now, _INITIAL, block.metadata))
            return
        if block.http_status != HTTP_OK:
            self.fields["http_status"] = block.http_status or 0
        if is_foreign(self.request_headers, block):
            self.response = TextBody(self.max_message)
        elif block.status is not None and protocol in {_GRPC, _GRPC_WEB}:
            self.headers_pending = True
            self.response = self.response or EnvelopeParser(self.max_message)
            return
        if protocol is _CONNECT_UNARY:
            initial, _ = split_trailers(block.metadata)
            self.events.append(MetadataSeen(self.call_id, now, _INITIAL, initial))
        else:
            self.events.append(MetadataSeen(self.call_id, now, _INITIAL, block.metadata))

    def _emit_pending_headers(self, now: int) -> None:
        self.headers_pending = False
        if self.response_headers is not None:
            self.events.append(MetadataSeen(self.call_id, now, _INITIAL, self.response_headers.metadata))

    def on_reset(self, code: int, now: int, *, by_client: bool) -> None:
        """Handle RST_STREAM."""
        self.fields["reset"] = error_name(code)
        self.fields["reset_by"] = "client" if by_client else "backend"
        if self._deadline_passed(now) and (by_client or code == ErrorCode.CANCEL):
            # grpc-go's server resets the stream at the deadline; whichever comes first, the client reports it.
            self.end(now, local_status.deadline_exceeded(), EndedBy.DEADLINE, "")
        elif not by_client:
            text = f"the backend reset the stream with {error_name(code)}"
            self.end(now, Status(code_of_reset(code), text), EndedBy.BACKEND, text)
        else:
            note = "" if code == ErrorCode.CANCEL else f"the client reset the stream with {error_name(code)}"
            self.end(now, local_status.client_cancelled(), EndedBy.CLIENT, note)

    def on_connection_closed(self, now: int, by: EndedBy, goaway: str) -> None:
        """Handle the end of the connection by the client or the backend; ``goaway`` is its reason, or empty."""
        if by is EndedBy.CLIENT and self._deadline_passed(now):
            self.end(
                now, local_status.deadline_exceeded(), EndedBy.DEADLINE, "the client closed the connection"
            )
            return
        code = StatusCode.CANCELLED if by is EndedBy.CLIENT else StatusCode.UNAVAILABLE
        text = f"the {by.value} closed the connection{goaway}"
        self.end(now, Status(code, text), by, text)

    def end(self, now: int, status: Status, by: EndedBy, note: str) -> None:
        """End the call; whatever follows on the stream is ignored.

        A side that has closed its direction of the connection ended a call that fails afterwards: C-core's server then
        answers UNAVAILABLE on the direction that is still open. OK is kept, as such a client may still read.
        """
        if self.ended:
            return
        closed_by, self.half_closed_by = self.half_closed_by, None
        if closed_by is not None and status.code and by not in {closed_by, EndedBy.DEADLINE, EndedBy.LOOM}:
            self.on_connection_closed(now, closed_by, "")
            return
        self.ended = True
        if self.headers_pending:
            self._emit_pending_headers(now)
        if self.request_window.stalled_ns:
            self.fields["request_stalled_us"] = self.request_window.stalled_ns // 1000
        if self.response_window.stalled_ns:
            self.fields["response_stalled_us"] = self.response_window.stalled_ns // 1000
        self.events.append(CallEnded(self.call_id, now, status, by, note, self.fields))

    def add_message(self, direction: Direction, payload: bytes, encoding: str, now: int) -> None:
        """Add a message that did not come in an envelope."""
        envelope = (COMPRESSED if encoding else 0, payload, len(payload))
        self.events.append(message_event(self.call_id, now, direction, envelope, encoding))

    def _add_body(self, direction: Direction, parser: UnaryBodyParser, encoding: str, now: int) -> None:
        _, payload, size = parser.end()
        envelope = (COMPRESSED if encoding else 0, payload, size)
        self.events.append(message_event(self.call_id, now, direction, envelope, encoding))

    def _on_web_trailers(self, envelope: Envelope, now: int) -> None:
        """Handle gRPC-Web's last message: the trailers."""
        payload = self._decompressed(envelope)
        if isinstance(payload, Status):
            self.end(now, payload, _BACKEND, payload.message)
            return
        block = parse_trailer_lines(payload)
        self._emit_trailing(block.trailing, now)
        if block.status is None:
            text = f"the backend sent no grpc-status (HTTP status {HTTP_OK})"
            self.end(now, Status(StatusCode.UNKNOWN, text), _BACKEND, text)
        else:
            self._end_with(block.status, now)

    def _on_end_of_stream(self, envelope: Envelope, now: int) -> None:
        """Handle Connect's last message: the status and the trailers."""
        payload = self._decompressed(envelope)
        self.end_of_stream = (
            EndOfStream(payload) if isinstance(payload, Status) else parse_end_of_stream(payload)
        )
        self._emit_trailing(self.end_of_stream.metadata, now)

    def _decompressed(self, envelope: Envelope) -> bytes | Status:
        return decompress_end(envelope[1], self.response_encoding if envelope[0] & COMPRESSED else "")

    def _emit_trailing(self, metadata: Metadata, now: int) -> None:
        if metadata:
            self.events.append(MetadataSeen(self.call_id, now, _TRAILING, metadata))

    def _on_last_headers(self, block: HeaderBlock, now: int) -> None:
        """Handle the header block that ends the stream: trailers, or a response without a body."""
        headers = self.response_headers
        protocol = self.request_headers.protocol
        if headers is None:
            self._on_only_headers(block, now)
            return
        if self.headers_pending:
            self._emit_pending_headers(now)
        parser = self.response
        if protocol is _OTHER and type(parser) is UnaryBodyParser:
            self._add_body(_RESPONSE, parser, self.response_encoding, now)
        if block.trailing:
            self.events.append(MetadataSeen(self.call_id, now, _TRAILING, block.trailing))
        if block.status is not None and (protocol is _GRPC or not protocol.is_connect):
            self._end_with(block.status, now)
        elif protocol is _GRPC and type(parser) is not TextBody:
            self._end_without_status(headers, now)
        else:
            self._end_without_trailers(now)

    def _on_only_headers(self, block: HeaderBlock, now: int) -> None:
        protocol = self.request_headers.protocol
        if block.http_status != HTTP_OK and protocol is not _OTHER:
            self.fields["http_status"] = block.http_status or 0
        if protocol is _CONNECT_UNARY:
            self.response_headers = block
            self._on_unusual_headers(block, now)
            self._end_without_trailers(now)
            return
        # Trailers-Only: headers and trailers in one block; what is not HTTP's is trailing metadata.
        self.fields["trailers_only"] = 1
        self._emit_trailing(tuple(item for item in block.trailing if item[0] != CONTENT_TYPE), now)
        self.response_headers = block
        if block.status is not None and not protocol.is_connect:
            self._end_with(block.status, now)
        elif protocol is _CONNECT_STREAM and not is_foreign(self.request_headers, block):
            self._end_by_violation(now, _NO_END_OF_STREAM)
        else:
            self._end_without_status(block, now)

    def _end_without_trailers(self, now: int) -> None:
        """The response's body ended, and with it the stream."""
        headers, parser = self.response_headers, self.response
        protocol = self.request_headers.protocol
        if type(parser) is TextBody or headers is None:
            self._end_without_status(headers, now)
        elif protocol is _CONNECT_UNARY:
            self._on_unary_body(headers, now)
        elif protocol is _CONNECT_STREAM:
            self._on_stream_end(headers, now)
        elif protocol is _OTHER:
            if type(parser) is UnaryBodyParser:
                self._add_body(_RESPONSE, parser, self.response_encoding, now)
            self._end_without_status(headers, now)
        elif self.headers_pending and headers.status is not None:
            # Trailers-Only, in HEADERS that an empty DATA frame follows
            self.headers_pending = False
            self.fields["trailers_only"] = 1
            self._emit_trailing(tuple(item for item in headers.trailing if item[0] != CONTENT_TYPE), now)
            self._end_with(headers.status, now)
        elif headers.http_status != HTTP_OK:
            self._end_without_status(headers, now)
        else:
            self._end_by_violation(now, _TRUNCATED if self._truncated() else _NO_TRAILERS)

    def _on_unary_body(self, headers: HeaderBlock, now: int) -> None:
        """Handle the end of a unary Connect response: a message, or an error."""
        parser = self.response
        if headers.http_status == HTTP_OK:
            if type(parser) is UnaryBodyParser:
                self._add_body(_RESPONSE, parser, self.response_encoding, now)
            status = _OK
        else:
            body = parser.end()[1] if type(parser) is UnaryBodyParser else b""
            error = decompress_end(body, self.response_encoding)
            default = code_of_http_status(headers.http_status or 0)
            status = (
                Status(default, error.message) if isinstance(error, Status) else parse_error(error, default)
            )
        self._emit_trailing(split_trailers(headers.metadata)[1], now)
        if status is _OK and has_other_codec(self.request_headers, headers):
            self._end_by_violation(now, codec_text(self.request_headers, headers))
        else:
            self._end_with(status, now)

    def _on_stream_end(self, headers: HeaderBlock, now: int) -> None:
        """Handle the end of a Connect stream."""
        if has_other_codec(self.request_headers, headers):
            self._end_by_violation(now, codec_text(self.request_headers, headers))
        elif self.end_of_stream is None:
            self._end_by_violation(now, _TRUNCATED if self._truncated() else _NO_END_OF_STREAM)
        else:
            self._end_with(self.end_of_stream.status, now)

    def _end_with(self, status: Status, now: int) -> None:
        """End the call with the status that the backend sent, unless what came before it breaks the protocol."""
        parser = self.response
        note = _TRUNCATED if parser is not None and parser.unfinished else self.violation
        if note and not status.code:
            self._end_by_violation(now, note)
            return
        # The backend enforces the deadline, too, and may be the first to report it.
        late = status.code == _DEADLINE_EXCEEDED and self._deadline_passed(now)
        headers, request = self.response_headers, self.request_headers
        if not note and headers is not None and (headers.codec != request.codec or headers.encoding):
            note = doubt(request, headers)
        self.end(now, status, EndedBy.DEADLINE if late else _BACKEND, note)

    def _end_by_violation(self, now: int, text: str) -> None:
        self.end(now, Status(StatusCode.INTERNAL, text), _BACKEND, text)

    def _deadline_passed(self, now: int) -> bool:
        return deadline_passed(now, self.deadline_ns, self.request_headers.timeout_ns, self.loop_lag.seconds)

    def _end_without_status(self, headers: HeaderBlock | None, now: int) -> None:
        """End the call by the HTTP status: what came is not a response in the call's protocol."""
        parser = self.response
        body = parser.text(headers.content_encoding) if type(parser) is TextBody and headers else ""
        status, note = status_by_http(self.request_headers, headers, body)
        self.end(now, status, _BACKEND, note)

    def _truncated(self) -> bool:
        return self.response is not None and self.response.unfinished
