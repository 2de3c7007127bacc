"""A call that passed, as plain values to assert on."""

from dataclasses import dataclass, field
from typing import Any

from loom.decoding.messages import DecodedMessage, Decoding
from loom.model import Call, Direction, Metadata

_NS = 1_000_000_000


@dataclass(frozen=True, slots=True)
class WatchedMessage:
    """One message: ``data`` is its payload, decompressed; ``json`` its canonical protobuf JSON.

    ``json`` is None with ``error`` saying why, where the method has no schema or the bytes do not fit it.
    ``after`` is in seconds since the call began.
    """

    data: bytes
    json: Any
    error: str
    after: float


@dataclass(frozen=True, slots=True)
class WatchedCall:
    """A call that has ended.

    ``method`` is the whole path, ``kind`` ``unary``, ``server``, ``client`` or ``bidi``, ``status`` the code's name
    and ``code`` its number. ``ended_by`` is ``backend``, ``client``, ``deadline`` or ``loom``. ``duration`` and
    ``deadline`` (None: none) are in seconds. Metadata is in pairs, in order, binary values as bytes.
    """

    id: int
    method: str
    kind: str
    status: str
    code: int
    message: str
    ended_by: str
    duration: float
    deadline: float | None
    request_metadata: Metadata
    initial_metadata: Metadata
    trailing_metadata: Metadata
    requests: tuple[WatchedMessage, ...] = field(repr=False)
    responses: tuple[WatchedMessage, ...] = field(repr=False)

    @property
    def request(self) -> WatchedMessage:
        """The only request message; an AssertionError if there is none, or more than one."""
        return self._only(self.requests, "request")

    @property
    def response(self) -> WatchedMessage:
        """The only response message; an AssertionError if there is none, or more than one."""
        return self._only(self.responses, "response")

    def metadata(self, key: str) -> list[str | bytes]:
        """The values of a key of the request's metadata, in order."""
        return [value for name, value in self.request_metadata if name == key]

    def _only(self, messages: tuple[WatchedMessage, ...], what: str) -> WatchedMessage:
        if len(messages) != 1:
            raise AssertionError(f"call {self.id} {self.method} has {len(messages)} {what} messages, not one")
        return messages[0]

    def __str__(self) -> str:
        counts = f"↑{len(self.requests)} ↓{len(self.responses)}"
        why = f": {self.message}" if self.message else ""
        return f"#{self.id} {self.method} {self.kind} {counts} {self.status}{why}"


def watched(call: Call, decoding: Decoding) -> WatchedCall:
    """An ended call with its decoded messages. What the history's budget dropped is not in it."""
    times = {item.index: item.time_ns for item in call.messages}

    def of(direction: Direction) -> tuple[WatchedMessage, ...]:
        return tuple(
            _message(item, (times[item.index] - call.started_ns) / _NS)
            for item in decoding.messages
            if item.direction is direction
        )

    status = call.status
    return WatchedCall(
        id=call.id,
        method=call.method,
        kind=call.kind.value,
        status=status.name if status else "",
        code=status.code if status else -1,
        message=status.message if status else "",
        ended_by=call.ended_by.value if call.ended_by else "",
        duration=(call.duration_ns or 0) / _NS,
        deadline=None if call.deadline_ns is None else (call.deadline_ns - call.started_ns) / _NS,
        request_metadata=call.request_metadata,
        initial_metadata=call.initial_metadata or (),
        trailing_metadata=call.trailing_metadata or (),
        requests=of(Direction.REQUEST),
        responses=of(Direction.RESPONSE),
    )


def _message(item: DecodedMessage, after: float) -> WatchedMessage:
    return WatchedMessage(item.data or b"", item.json, item.error, after)
