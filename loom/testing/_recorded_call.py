"""A recorded call as plain values to assert on."""

from dataclasses import dataclass, field
from typing import Any

from loom.decoding.call_decoder import DecodedCall
from loom.decoding.message_decoder import DecodedMessage
from loom.model import Call, Direction, Metadata

_NS = 1_000_000_000


@dataclass(frozen=True, slots=True)
class RecordedMessage:
    """One message: ``data`` is its payload, decompressed; ``json`` its canonical protobuf JSON.

    ``json`` is None and ``error`` gives the reason where the method has no schema or the bytes do not match it.
    ``after`` is in seconds since the start of the call.
    """

    data: bytes
    json: Any
    error: str
    after: float


@dataclass(frozen=True, slots=True)
class RecordedCall:
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
    requests: tuple[RecordedMessage, ...] = field(repr=False)
    responses: tuple[RecordedMessage, ...] = field(repr=False)

    @property
    def request(self) -> RecordedMessage:
        """The only request message; an AssertionError if there is none, or more than one."""
        return self._single(self.requests, "request")

    @property
    def response(self) -> RecordedMessage:
        """The only response message; an AssertionError if there is none, or more than one."""
        return self._single(self.responses, "response")

    def metadata(self, key: str) -> list[str | bytes]:
        """The values of a key of the request's metadata, in order."""
        return [value for name, value in self.request_metadata if name == key]

    def _single(self, messages: tuple[RecordedMessage, ...], direction: str) -> RecordedMessage:
        if len(messages) != 1:
            raise AssertionError(
                f"call {self.id} {self.method} has {len(messages)} {direction} messages, not one"
            )
        return messages[0]

    def __str__(self) -> str:
        counts = f"↑{len(self.requests)} ↓{len(self.responses)}"
        message = f": {self.message}" if self.message else ""
        return f"#{self.id} {self.method} {self.kind} {counts} {self.status}{message}"


def recorded_call(call: Call, decoding: DecodedCall) -> RecordedCall:
    """Convert an ended call and its decoded messages. Messages dropped by the history's budget are missing."""
    timestamps = {item.index: item.time_ns for item in call.messages}

    def messages(direction: Direction) -> tuple[RecordedMessage, ...]:
        return tuple(
            _message(item, (timestamps[item.index] - call.started_ns) / _NS)
            for item in decoding.messages
            if item.direction is direction
        )

    status = call.status
    return RecordedCall(
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
        requests=messages(Direction.REQUEST),
        responses=messages(Direction.RESPONSE),
    )


def _message(item: DecodedMessage, after: float) -> RecordedMessage:
    return RecordedMessage(item.data or b"", item.json, item.error, after)
