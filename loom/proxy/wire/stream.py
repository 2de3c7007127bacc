"""The state of one HTTP/2 stream, which carries one call, from its headers to its end."""

import msgspec

from loom.model import (
    CallEnded,
    Direction,
    EndedBy,
    Event,
    HalfClosed,
    MessageSeen,
    MetadataSeen,
    Section,
    Status,
    StatusCode,
)
from loom.model.metadata import CONTENT_TYPE
from loom.model.status_mapping import ErrorCode, code_of_http_status, code_of_reset, error_name
from loom.proxy import local_status

from .envelopes import Envelope, EnvelopeParser, single_payload
from .flow_control import Window
from .frames import Piece
from .headers import HeaderBlock, parse_trailer_lines
from .web_bodies import UnaryBodyParser, parse_end_of_stream, parse_error

_REQUEST, _RESPONSE = Direction.REQUEST, Direction.RESPONSE
_INITIAL, _TRAILING = Section.INITIAL, Section.TRAILING
_BACKEND, _DEADLINE_EXCEEDED = EndedBy.BACKEND, int(StatusCode.DEADLINE_EXCEEDED)
_COMPRESSED = 1
_WEB_TRAILERS = 0x80  # gRPC-Web's flag
_END_OF_STREAM = 2  # Connect's flag
_HTTP_OK = 200
_DEADLINE_TOLERANCE_NS = 50_000_000

WireFields = dict[str, str | int | float]
"""What only the wire engine knows of a call: see :class:`loom.model.CallStarted`."""


def _message_event(
    call_id: int, now: int, direction: Direction, envelope: Envelope, encoding: str
) -> MessageSeen:
    flags, payload, size = envelope
    compressed = bool(flags & _COMPRESSED)
    lost = size if size != len(payload) else None
    return MessageSeen(call_id, now, direction, payload, compressed, encoding if compressed else "", lost)


class Stream(msgspec.Struct, gc=False):
    """One call on the wire: the state from which its events are made, and those that are not yet emitted.

    ``request`` and ``response`` parse messages that do not come as one frame each, as most do; they are None until
    the first of them. Timestamps are wall-clock nanoseconds.
    """

    call_id: int
    request_window: Window
    response_window: Window
    request_encoding: str
    deadline_ns: int | None
    web: bool  # gRPC-Web, which sends trailers as a message
    connect: bool  # the Connect protocol, which sends the status as a message
    request: EnvelopeParser | None
    response: EnvelopeParser | None
    events: list[Event]
    max_message: int
    connect_status: Status | None = None
    response_headers: HeaderBlock | None = None
    response_encoding: str = ""
    half_closed: bool = False
    ended: bool = False
    fields: WireFields = {}  # for the end

    @property
    def buffered(self) -> int:
        """The size of unfinished messages in bytes."""
        return (self.request.buffered if self.request else 0) + (
            self.response.buffered if self.response else 0
        )

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
            self.events.append(_message_event(self.call_id, now, _REQUEST, envelope, self.request_encoding))
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
        for envelope in parser.feed(payload):
            if self.web and envelope[0] & _WEB_TRAILERS:
                self._on_trailers(parse_trailer_lines(envelope[1]), now)
            elif self.connect and envelope[0] & _END_OF_STREAM:
                self.connect_status = parse_end_of_stream(envelope[1])
            elif not self.ended:
                self.events.append(
                    _message_event(self.call_id, now, _RESPONSE, envelope, self.response_encoding)
                )
        if end_stream and not self.ended:
            if type(parser) is UnaryBodyParser:
                self._on_response_body(parser, now)
            if not self.ended:
                self._end_without_trailers(now)
        return parser.buffered - before

    def on_half_close(self, now: int) -> None:
        """The client ended its side of the stream."""
        if not self.half_closed and not self.ended:
            self.half_closed = True
            if type(self.request) is UnaryBodyParser:
                self._add_body(_REQUEST, self.request, self.request_encoding, now)
            self.events.append(HalfClosed(self.call_id, now))

    def on_response_headers(self, block: HeaderBlock, now: int, end_stream: int) -> None:
        """Handle a header block from the server: informational, initial metadata, trailers, or the last two in one."""
        if end_stream:
            self._on_trailers(block, now)
        elif self.response_headers is None and not block.informational:
            self.response_headers = block
            self.response_encoding = block.encoding
            self.events.append(MetadataSeen(self.call_id, now, _INITIAL, block.metadata))

    def on_reset(self, code: int, now: int, *, by_client: bool) -> None:
        """Handle RST_STREAM."""
        self.fields["reset"] = error_name(code)
        self.fields["reset_by"] = "client" if by_client else "backend"
        if not by_client:
            text = f"the backend reset the stream with {error_name(code)}"
            self.end(now, Status(code_of_reset(code), text), EndedBy.BACKEND, text)
        elif self._deadline_passed(now):
            self.end(now, local_status.deadline_exceeded(), EndedBy.DEADLINE, "")
        else:
            note = "" if code == ErrorCode.CANCEL else f"the client reset the stream with {error_name(code)}"
            self.end(now, local_status.client_cancelled(), EndedBy.CLIENT, note)

    def end(self, now: int, status: Status, by: EndedBy, note: str) -> None:
        """End the call; whatever follows on the stream is ignored."""
        if self.ended:
            return
        self.ended = True
        if self.request_window.stalled_ns:
            self.fields["request_stalled_us"] = self.request_window.stalled_ns // 1000
        if self.response_window.stalled_ns:
            self.fields["response_stalled_us"] = self.response_window.stalled_ns // 1000
        self.events.append(CallEnded(self.call_id, now, status, by, note, self.fields))

    def _add_body(self, direction: Direction, parser: UnaryBodyParser, encoding: str, now: int) -> None:
        _, payload, size = parser.end()
        envelope = (_COMPRESSED if encoding else 0, payload, size)
        self.events.append(_message_event(self.call_id, now, direction, envelope, encoding))

    def _on_response_body(self, parser: UnaryBodyParser, now: int) -> None:
        """Handle the end of a body that is not length-prefixed: a message, or the error of a Connect call."""
        http_status = self.response_headers.http_status if self.response_headers else None
        if http_status == _HTTP_OK or not self.connect:
            self._add_body(_RESPONSE, parser, self.response_encoding, now)
        else:
            self.connect_status = parse_error(parser.end()[1], code_of_http_status(http_status or 0))
        if self.connect:
            self.end(now, self.connect_status or Status(StatusCode.OK), _BACKEND, "")

    def _on_trailers(self, block: HeaderBlock, now: int) -> None:
        if type(self.response) is UnaryBodyParser and self.response_headers is not None:
            self._on_response_body(self.response, now)
            if self.ended:
                return
        trailing = block.trailing
        if trailing and self.response_headers is not None:
            self.events.append(MetadataSeen(self.call_id, now, _TRAILING, trailing))
        elif self.response_headers is None:
            # Trailers-Only: headers and trailers in one block; what is not HTTP's is trailing metadata.
            self.fields["trailers_only"] = 1
            custom = tuple(item for item in trailing if item[0] != CONTENT_TYPE)
            if custom:
                self.events.append(MetadataSeen(self.call_id, now, _TRAILING, custom))
        status = block.status
        if status is None:
            self._end_without_status(block, now)
        elif status.code == _DEADLINE_EXCEEDED and self._deadline_passed(now):
            # The backend enforces the deadline, too, and may be the first to report it.
            self.end(now, status, EndedBy.DEADLINE, self._truncation_note())
        else:
            self.end(now, status, _BACKEND, self._truncation_note())

    def _deadline_passed(self, now: int) -> bool:
        return self.deadline_ns is not None and now >= self.deadline_ns - _DEADLINE_TOLERANCE_NS

    def _end_without_trailers(self, now: int) -> None:
        block = self.response_headers
        if block is None or block.status is None:
            self._end_without_status(block, now)
        else:
            self.end(now, block.status, _BACKEND, self._truncation_note())

    def _end_without_status(self, block: HeaderBlock | None, now: int) -> None:
        headers = self.response_headers or block
        if self.connect_status is not None:
            self.end(now, self.connect_status, _BACKEND, self._truncation_note())
            return
        http_status = headers.http_status if headers else None
        content_type = headers.content_type if headers else ""
        if http_status == _HTTP_OK and not content_type.startswith("application/grpc"):
            note = f"not gRPC: the answer is {content_type or 'of no content-type'}, HTTP status 200"
            self.end(now, Status(StatusCode.OK), EndedBy.BACKEND, note)
            return
        shown = "missing" if http_status is None else http_status
        text = f"the backend sent no grpc-status (HTTP status {shown})"
        self.end(now, Status(code_of_http_status(http_status or 0), text), EndedBy.BACKEND, text)

    def _truncation_note(self) -> str:
        if self.response and self.response.unfinished:
            return "the last message was cut off before its end"
        return ""
