"""What is known of one stream: a call, from its headers to its end."""

from collections.abc import Sequence

from loom.model import (
    CallEnded,
    Direction,
    EndedBy,
    HalfClosed,
    MessageSeen,
    MetadataSeen,
    Section,
    Sink,
    Status,
    StatusCode,
)

from .bodies import BodyReader, reader_of, status_at_end, status_of_error
from .codes import ErrorCode, error_name, of_http, of_reset
from .heads import Head
from .messages import Found
from .windows import Window

_REQUEST, _RESPONSE = Direction.REQUEST, Direction.RESPONSE
_INITIAL, _TRAILING = Section.INITIAL, Section.TRAILING
_COMPRESSED = 1
_TRAILERS = 0x80  # gRPC-Web's flag
_END_OF_STREAM = 2  # Connect's flag
_HTTP_OK = 200
_DEADLINE_SLACK_NS = 50_000_000
Facts = dict[str, str | int | float]


class Exchange:
    """One call on the wire. Emits its events, from the request's head on, until it has ended."""

    __slots__ = (
        "_connect",
        "_connect_status",
        "_deadline_ns",
        "_emit",
        "_half_closed",
        "_request_encoding",
        "_response_encoding",
        "_response_head",
        "_web",
        "call_id",
        "ended",
        "facts",
        "request",
        "request_window",
        "response",
        "response_window",
    )

    def __init__(
        self, call_id: int, sink: Sink, request: Head, deadline_ns: int | None, windows: tuple[int, int]
    ) -> None:
        self.call_id = call_id
        self.ended = False
        self.facts: Facts = {}
        self.request_window = Window(windows[0])
        self.response_window = Window(windows[1])
        self._emit = sink.emit
        self._deadline_ns = deadline_ns
        self._request_encoding = request.encoding or _connect_encoding(request)
        self._response_encoding = ""
        self._response_head: Head | None = None
        self._half_closed = False
        self._web = request.content_type.startswith("application/grpc-web")
        self._connect = _is_connect(request)
        self._connect_status: Status | None = None
        self.request = reader_of(request.content_type)
        self.response = reader_of(request.content_type)

    @property
    def held(self) -> int:
        """Bytes of unfinished messages."""
        return self.request.held + self.response.held

    def on_requests(self, found: Sequence[Found], now: int) -> None:
        """Messages of the client's are whole."""
        for flag, payload, size in found:
            self._message(_REQUEST, flag, payload, size, self._request_encoding, now)

    def on_half_close(self, now: int) -> None:
        """The client has ended its side."""
        if not self._half_closed and not self.ended:
            self._half_closed = True
            if isinstance(self.request, BodyReader):
                self._body(_REQUEST, self.request, self._request_encoding, now)
            self._emit(HalfClosed(self.call_id, now))

    def on_responses(self, found: Sequence[Found], now: int) -> None:
        """Messages of the server's are whole."""
        for flag, payload, size in found:
            if flag & _TRAILERS and self._web:
                self._on_web_trailers(payload, now)
                continue
            if flag & _END_OF_STREAM and self._connect:
                self._connect_status = status_at_end(payload)
                continue
            self._message(_RESPONSE, flag, payload, size, self._response_encoding, now)

    def on_response_end(self, now: int) -> None:
        """The server has ended the stream with DATA: it sent no trailers."""
        if self.ended:
            return
        if isinstance(self.response, BodyReader):
            self._on_body(self.response, now)
        if not self.ended:
            self._without_trailers(now)

    def on_response_head(self, head: Head, now: int, *, last: bool) -> None:
        """A header block of the server's: informational, initial metadata, trailers, or both of these in one."""
        http = head.http_status
        if http is not None and 100 <= http < 200:  # noqa: PLR2004 (informational)
            return
        if last:
            self._on_trailers(head, now)
        elif self._response_head is None:
            self._response_head = head
            self._response_encoding = head.encoding or _connect_encoding(head)
            self._emit(MetadataSeen(self.call_id, now, _INITIAL, head.metadata))

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
        for name, window in (("request", self.request_window), ("response", self.response_window)):
            if window.stalled_ns:
                self.facts[f"{name}_stalled_us"] = window.stalled_ns // 1000
        self._emit(CallEnded(self.call_id, now, status, by, note, self.facts))

    def _body(self, way: Direction, body: BodyReader, encoding: str, now: int) -> None:
        _, payload, size = body.end()
        self._message(way, _COMPRESSED if encoding else 0, payload, size, encoding, now)

    def _on_body(self, body: BodyReader, now: int) -> None:
        """A whole answer that is not length-prefixed: the message, or the error of a Connect call."""
        http = self._response_head.http_status if self._response_head else None
        if http == _HTTP_OK or not self._connect:
            self._body(_RESPONSE, body, self._response_encoding, now)
        else:
            self._connect_status = status_of_error(body.end()[1], of_http(http or 0))
        if self._connect:
            self.end(now, self._connect_status or Status(StatusCode.OK), EndedBy.BACKEND, "")

    def _message(self, way: Direction, flag: int, payload: bytes, size: int, encoding: str, now: int) -> None:
        compressed = bool(flag & _COMPRESSED)
        lost = size if size != len(payload) else None
        self._emit(
            MessageSeen(self.call_id, now, way, payload, compressed, encoding if compressed else "", lost)
        )

    def _on_trailers(self, head: Head, now: int) -> None:
        if isinstance(self.response, BodyReader) and self._response_head is not None:
            self._on_body(self.response, now)
            if self.ended:
                return
        trailing = head.trailing
        if trailing and self._response_head is not None:
            self._emit(MetadataSeen(self.call_id, now, _TRAILING, trailing))
        elif self._response_head is None:
            # Trailers-Only: one block that is both; what is not HTTP's is trailing metadata.
            self.facts["trailers_only"] = 1
            own = tuple(item for item in trailing if item[0] != "content-type")
            if own:
                self._emit(MetadataSeen(self.call_id, now, _TRAILING, own))
        if head.status is None:
            self._without_status(head, now)
            return
        # Backends keep the deadline as well, and may be the first to say that it has passed.
        late = head.status == StatusCode.DEADLINE_EXCEEDED and self._is_late(now)
        by = EndedBy.DEADLINE if late else EndedBy.BACKEND
        self.end(now, Status(head.status, head.message, head.details), by, self._cut())

    def _is_late(self, now: int) -> bool:
        return self._deadline_ns is not None and now >= self._deadline_ns - _DEADLINE_SLACK_NS

    def _on_web_trailers(self, payload: bytes, now: int) -> None:
        """gRPC-Web sends its trailers as a last message of header lines."""
        from .heads import digest  # noqa: PLC0415 (rare)

        lines = [line.partition(b":") for line in payload.split(b"\r\n") if line]
        self._on_trailers(digest([(key.strip().lower(), value.strip()) for key, _, value in lines]), now)

    def _without_trailers(self, now: int) -> None:
        head = self._response_head
        if head is None or head.status is None:
            self._without_status(head, now)
        else:
            self.end(now, Status(head.status, head.message, head.details), EndedBy.BACKEND, self._cut())

    def _without_status(self, head: Head | None, now: int) -> None:
        first = self._response_head or head
        if self._connect_status is not None:
            self.end(now, self._connect_status, EndedBy.BACKEND, self._cut())
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
        if self.response.unfinished:
            return "the last message was cut off before its end"
        return ""


def _is_connect(request: Head) -> bool:
    """Whether a request is a call of the Connect protocol: streams say so by type, unary calls by version."""
    if request.content_type.startswith("application/connect"):
        return True
    return any(key == "connect-protocol-version" for key, _ in request.metadata)


def _connect_encoding(head: Head) -> str:
    """How Connect says that messages are compressed: of a unary call it is the body."""
    if head.content_type.startswith("application/grpc"):
        return ""
    name = (
        "connect-content-encoding"
        if head.content_type.startswith("application/connect")
        else "content-encoding"
    )
    found = next((value for key, value in head.metadata if key == name and isinstance(value, str)), "")
    return "" if found == "identity" else found
