"""What is known of one stream: a call, from its headers to its end."""

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

from .envelopes import Found, MessageReader, whole
from .frames import Piece
from .headers import Head
from .status_mapping import ErrorCode, error_name, of_http, of_reset
from .web_bodies import BodyReader, status_at_end, status_of_error
from .windows import Window

_REQUEST, _RESPONSE = Direction.REQUEST, Direction.RESPONSE
_INITIAL, _TRAILING = Section.INITIAL, Section.TRAILING
_BACKEND, _DEADLINE_EXCEEDED = EndedBy.BACKEND, int(StatusCode.DEADLINE_EXCEEDED)
_COMPRESSED = 1
_TRAILERS = 0x80  # gRPC-Web's flag
_END_OF_STREAM = 2  # Connect's flag
_HTTP_OK = 200
_DEADLINE_SLACK_NS = 50_000_000
Facts = dict[str, str | int | float]


def _seen(call_id: int, now: int, way: Direction, message: Found, encoding: str) -> MessageSeen:
    flag, payload, size = message
    compressed = bool(flag & _COMPRESSED)
    lost = size if size != len(payload) else None
    return MessageSeen(call_id, now, way, payload, compressed, encoding if compressed else "", lost)


class Exchange(msgspec.Struct, gc=False):
    """One call on the wire: what it needs for its events, and those that are still to be handed on.

    ``request`` and ``response`` read messages that do not come whole, each in a frame of its own as most do; None until
    there is one.
    """

    call_id: int
    request_window: Window
    response_window: Window
    request_encoding: str
    deadline_ns: int | None
    web: bool  # gRPC-Web, which has trailers of its own
    connect: bool  # the Connect protocol, which has its status in a message
    request: MessageReader | None
    response: MessageReader | None
    events: list[Event]
    connect_status: Status | None = None
    response_head: Head | None = None
    response_encoding: str = ""
    half_closed: bool = False
    ended: bool = False
    facts: Facts = {}  # for the end

    @property
    def held(self) -> int:
        """Bytes of unfinished messages."""
        return (self.request.held if self.request else 0) + (self.response.held if self.response else 0)

    def on_request_data(self, payload: Piece, size: int, now: int, last: int) -> int:
        """A piece of DATA from the client; by how many bytes :attr:`held` has grown."""
        window = self.request_window
        window.left -= size
        if window.left <= 0 or window.pending:
            window.used(now)
        reader = self.request
        if reader is None:
            data = whole(payload)
            if data is not None:
                self.events.append(MessageSeen(self.call_id, now, _REQUEST, data))
                if last:
                    self.on_half_close(now)
                return 0
            reader = self.request = MessageReader()
        held = reader.held
        for message in reader.feed(payload):
            self.events.append(_seen(self.call_id, now, _REQUEST, message, self.request_encoding))
        if last:
            self.on_half_close(now)
        return reader.held - held

    def on_response_data(self, payload: Piece, size: int, now: int, last: int) -> int:
        """A piece of DATA from the server; by how many bytes :attr:`held` has grown."""
        window = self.response_window
        window.left -= size
        if window.left <= 0 or window.pending:
            window.used(now)
        reader = self.response
        if reader is None:
            data = None if last else whole(payload)
            if data is not None:
                self.events.append(MessageSeen(self.call_id, now, _RESPONSE, data))
                return 0
            reader = self.response = MessageReader()
        return self._on_response_pieces(reader, payload, now, last)

    def _on_response_pieces(self, reader: MessageReader, payload: Piece, now: int, last: int) -> int:
        held = reader.held
        for message in reader.feed(payload):
            if self.web and message[0] & _TRAILERS:
                self._on_web_trailers(message[1], now)
            elif self.connect and message[0] & _END_OF_STREAM:
                self.connect_status = status_at_end(message[1])
            elif not self.ended:
                self.events.append(_seen(self.call_id, now, _RESPONSE, message, self.response_encoding))
        if last and not self.ended:
            if type(reader) is BodyReader:
                self._on_body(reader, now)
            if not self.ended:
                self._without_trailers(now)
        return reader.held - held

    def on_half_close(self, now: int) -> None:
        """The client has ended its side."""
        if not self.half_closed and not self.ended:
            self.half_closed = True
            if type(self.request) is BodyReader:
                self._body(_REQUEST, self.request, self.request_encoding, now)
            self.events.append(HalfClosed(self.call_id, now))

    def on_response_head(self, head: Head, now: int, last: int) -> None:
        """A header block of the server's: informational, initial metadata, trailers, or both of these in one."""
        if last:
            self._on_trailers(head, now)
        elif self.response_head is None and not head.informational:
            self.response_head = head
            self.response_encoding = head.encoding
            self.events.append(MetadataSeen(self.call_id, now, _INITIAL, head.metadata))

    def on_reset(self, code: int, now: int, *, by_client: bool) -> None:
        """RST_STREAM from either side."""
        self.facts["reset"] = error_name(code)
        self.facts["reset_by"] = "client" if by_client else "backend"
        if not by_client:
            text = f"the backend reset the stream with {error_name(code)}"
            self.end(now, Status(of_reset(code), text), EndedBy.BACKEND, text)
        elif self._is_late(now):
            self.end(now, Status(StatusCode.DEADLINE_EXCEEDED, "Deadline Exceeded"), EndedBy.DEADLINE, "")
        else:
            note = "" if code == ErrorCode.CANCEL else f"the client reset the stream with {error_name(code)}"
            self.end(now, Status(StatusCode.CANCELLED, "the client cancelled"), EndedBy.CLIENT, note)

    def end(self, now: int, status: Status, by: EndedBy, note: str) -> None:
        """The call is over; what comes after is not its."""
        if self.ended:
            return
        self.ended = True
        if self.request_window.stalled_ns:
            self.facts["request_stalled_us"] = self.request_window.stalled_ns // 1000
        if self.response_window.stalled_ns:
            self.facts["response_stalled_us"] = self.response_window.stalled_ns // 1000
        self.events.append(CallEnded(self.call_id, now, status, by, note, self.facts))

    def _body(self, way: Direction, body: BodyReader, encoding: str, now: int) -> None:
        _, payload, size = body.end()
        found = (_COMPRESSED if encoding else 0, payload, size)
        self.events.append(_seen(self.call_id, now, way, found, encoding))

    def _on_body(self, body: BodyReader, now: int) -> None:
        """A whole answer that is not length-prefixed: the message, or the error of a Connect call."""
        http = self.response_head.http_status if self.response_head else None
        if http == _HTTP_OK or not self.connect:
            self._body(_RESPONSE, body, self.response_encoding, now)
        else:
            self.connect_status = status_of_error(body.end()[1], of_http(http or 0))
        if self.connect:
            self.end(now, self.connect_status or Status(StatusCode.OK), _BACKEND, "")

    def _on_trailers(self, head: Head, now: int) -> None:
        if type(self.response) is BodyReader and self.response_head is not None:
            self._on_body(self.response, now)
            if self.ended:
                return
        trailing = head.trailing
        if trailing and self.response_head is not None:
            self.events.append(MetadataSeen(self.call_id, now, _TRAILING, trailing))
        elif self.response_head is None:
            # Trailers-Only: one block that is both; what is not HTTP's is trailing metadata.
            self.facts["trailers_only"] = 1
            own = tuple(item for item in trailing if item[0] != "content-type")
            if own:
                self.events.append(MetadataSeen(self.call_id, now, _TRAILING, own))
        status = head.status
        if status is None:
            self._without_status(head, now)
        elif status.code == _DEADLINE_EXCEEDED and self._is_late(now):
            # Backends keep the deadline as well, and may be the first to say that it has passed.
            self.end(now, status, EndedBy.DEADLINE, self._cut())
        else:
            self.end(now, status, _BACKEND, self._cut())

    def _is_late(self, now: int) -> bool:
        return self.deadline_ns is not None and now >= self.deadline_ns - _DEADLINE_SLACK_NS

    def _on_web_trailers(self, payload: bytes, now: int) -> None:
        """gRPC-Web sends its trailers as a last message of header lines."""
        from .headers import digest  # noqa: PLC0415 (rare)

        lines = [line.partition(b":") for line in payload.split(b"\r\n") if line]
        self._on_trailers(digest([(key.strip().lower(), value.strip()) for key, _, value in lines]), now)

    def _without_trailers(self, now: int) -> None:
        head = self.response_head
        if head is None or head.status is None:
            self._without_status(head, now)
        else:
            self.end(now, head.status, _BACKEND, self._cut())

    def _without_status(self, head: Head | None, now: int) -> None:
        first = self.response_head or head
        if self.connect_status is not None:
            self.end(now, self.connect_status, _BACKEND, self._cut())
            return
        http = first.http_status if first else None
        kind = first.content_type if first else ""
        if http == _HTTP_OK and not kind.startswith("application/grpc"):
            note = f"not gRPC: the answer is {kind or 'of no content-type'}, HTTP status 200"
            self.end(now, Status(StatusCode.OK), EndedBy.BACKEND, note)
            return
        text = f"the backend sent no grpc-status (HTTP status {http if http is not None else 'missing'})"
        self.end(now, Status(of_http(http or 0), text), EndedBy.BACKEND, text)

    def _cut(self) -> str:
        if self.response and self.response.unfinished:
            return "the last message was cut off before its end"
        return ""
