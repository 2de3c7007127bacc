"""What a replay sends: a recorded call as it was, or with edits. Pure: calls in, plans out.

A plan holds the payloads byte for byte. A message that is edited is encoded by its descriptor; one whose JSON was
left as it is goes out with its recorded bytes, and fields that the schema does not know are carried over.
"""

import base64
import binascii
import enum
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from loom.codec import CompressionError, EncodeError, TypeResolver, encode, parse_content_type
from loom.decoding.call_decoder import DecodedCall
from loom.decoding.message_decoder import DecodedMessage, decompress_message
from loom.errors import LoomError
from loom.model import (
    CONNECTION_KEYS,
    MASK,
    Address,
    Call,
    CallState,
    Direction,
    EndedBy,
    Message,
    Metadata,
    application_metadata,
    is_binary_key,
)
from loom.model.metadata import USER_AGENT, first_text
from loom.schema import Method

_KEY = re.compile(r"[0-9a-z_.-]+")
_TEXT = re.compile(r"[\x20-\x7e]*")
_LATE = 5.0  # seconds that the responses before a cancellation may take longer than they were recorded to
_RECOMPRESSED = frozenset({"gzip", "deflate"})


class ReplayError(LoomError):
    """The call cannot be sent so. ``field`` and ``message_index`` say where an edit is wrong."""

    def __init__(self, message: str, *, field: str = "", message_index: int | None = None) -> None:
        super().__init__(message)
        self.field = field
        self.message_index = message_index


class Timing(enum.StrEnum):
    """When messages are sent."""

    FAST = "fast"  # back to back
    RECORDED = "recorded"  # as long after the call's start as they were recorded
    TURNS = "turns"  # each once as many responses have come as had come before it


@dataclass(frozen=True, slots=True)
class Edits:
    """What shall differ from the recording; None leaves a part as recorded.

    ``messages`` are JSON values, ``metadata`` is the whole block, ``deadline`` is in seconds and 0 means none.
    """

    target: Address | None = None
    metadata: Metadata | None = None
    messages: Sequence[Any] | None = None
    deadline: float | None = None
    timing: Timing = Timing.FAST


@dataclass(frozen=True, slots=True)
class PlannedMessage:
    """``after`` is in seconds since the call's start; ``responses`` how many are to come before it."""

    data: bytes
    after: float = 0.0
    responses: int = 0


@dataclass(frozen=True, slots=True)
class Plan:
    """One call to be made.

    ``target`` None means the usual one; ``timeout`` is in seconds. ``half_close_after`` None never half-closes, and
    ``cancel_after`` (seconds) and ``cancel_at`` (responses) end the call as its client had.
    """

    method: str
    parent: int | None
    target: Address | None
    metadata: Metadata
    user_agent: str
    messages: tuple[PlannedMessage, ...]
    timing: Timing = Timing.FAST
    timeout: float | None = None
    encoding: str = ""
    half_close_after: float | None = 0.0
    cancel_after: float | None = None
    cancel_at: int | None = None
    notes: tuple[str, ...] = ()


def plan_replay(
    call: Call, edits: Edits, decoding: DecodedCall | None = None, types: TypeResolver | None = None
) -> Plan:
    """The plan of a replay; :class:`ReplayError` says why there can be none.

    ``decoding``, the call's decoded request messages, is needed for edited messages only; ``types`` knows what Anys
    in them hold, beside the types that were found in decoding.
    """
    recorded = [item for item in call.messages if item.direction is Direction.REQUEST]
    notes: list[str] = []
    encoding = ""
    if edits.messages is None:
        messages = _as_recorded(call, recorded)
        encoding, note = _encoding(recorded)
        notes += [note] if note else []
    else:
        messages = _edited(call, edits.messages, decoding, types, recorded)
    if not parse_content_type(call.content_type).is_protobuf or "grpc-web" in call.content_type:
        notes.append(f"sent as application/grpc, not as {call.content_type}")
    metadata = application_metadata(call.request_metadata) if edits.metadata is None else edits.metadata
    cancelled = call.state is CallState.ENDED and call.ended_by is EndedBy.CLIENT
    return Plan(
        method=call.method,
        parent=call.id,
        target=edits.target,
        metadata=metadata,
        user_agent=_user_agent(call.request_metadata),
        messages=messages,
        timing=edits.timing,
        timeout=_timeout(call, edits),
        encoding=encoding,
        half_close_after=_half_close(call, cancelled=cancelled),
        cancel_after=_cancel_after(call, edits.timing) if cancelled else None,
        cancel_at=(call.response_messages or None)
        if cancelled and edits.timing is not Timing.RECORDED
        else None,
        notes=tuple(notes),
    )


def parse_metadata(items: Sequence[Mapping[str, Any]], recorded: Metadata) -> Metadata:
    """The items of docs/api.md as metadata; a masked value stands for the recorded one of its key."""
    edited: list[tuple[str, str | bytes]] = []
    masked: dict[str, int] = {}
    for index, item in enumerate(items):
        where = f"metadata[{index}]"
        key, value = item.get("key"), item.get("value")
        if not isinstance(key, str) or not _KEY.fullmatch(key) or key in CONNECTION_KEYS:
            raise ReplayError(
                f"{key!r} cannot be set: a key is lower case letters, digits, '_', '-' and '.',"
                " and not one that a connection sets itself",
                field=f"{where}.key",
            )
        if not isinstance(value, str):
            raise ReplayError(f"the value of {key} should be a string", field=f"{where}.value")
        if value == MASK:
            known = [recorded_value for name, recorded_value in recorded if name == key]
            position = masked.get(key, 0)
            masked[key] = position + 1
            if position >= len(known):
                raise ReplayError(
                    f"{key} is masked, and the call has no such value to send", field=f"{where}.value"
                )
            edited.append((key, known[position]))
            continue
        edited.append((key, _value(key, value, f"{where}.value")))
    return tuple(edited)


def _value(key: str, value: str, where: str) -> str | bytes:
    if is_binary_key(key):
        try:
            return base64.b64decode(value + "=" * (-len(value) % 4), validate=True)
        except (binascii.Error, ValueError) as error:
            raise ReplayError(f"the value of {key} is not base64: {error}", field=where) from error
    if not _TEXT.fullmatch(value):
        raise ReplayError(
            f"the value of {key} holds more than printable ASCII: use a key that ends in -bin", field=where
        )
    return value


def _as_recorded(call: Call, recorded: Sequence[Message]) -> tuple[PlannedMessage, ...]:
    missing = call.request_messages - sum(item.data is not None for item in recorded)
    if missing > 0:
        raise ReplayError(
            f"{missing} of the call's {call.request_messages} request messages are no longer held, so it cannot "
            "be sent as recorded: raise --history-bytes, or send messages of your own"
        )
    planned = []
    for item, responses in zip(recorded, _responses_before(call), strict=True):
        try:
            data = decompress_message(item)
        except CompressionError as error:
            raise ReplayError(f"message {item.index} cannot be decompressed: {error}") from error
        planned.append(PlannedMessage(data, _after(call, item.time_ns), responses))
    return tuple(planned)


def _responses_before(call: Call) -> list[int]:
    """For each held request message, how many response messages had been seen before it.

    Messages are numbered over both directions, so an index less the requests before it is what came the other way.
    """
    return [
        item.index - position
        for position, item in enumerate(item for item in call.messages if item.direction is Direction.REQUEST)
    ]


def _edited(
    call: Call,
    values: Sequence[Any],
    decoding: DecodedCall | None,
    types: TypeResolver | None,
    recorded: Sequence[Message],
) -> tuple[PlannedMessage, ...]:
    if decoding is None or decoding.method is None:
        raise ReplayError(
            "edited messages need the method's schema, and Loom knows none: give it the .proto files, with --proto "
            "or --protoset or on the page's Schema tab, or send the messages as recorded"
        )
    turns = _responses_before(call)
    planned: list[PlannedMessage] = []
    for position, value in enumerate(values):
        before = decoding.messages[position] if position < len(decoding.messages) else None
        try:
            data = _encoded(value, decoding.method, types or decoding.resolver, before)
        except EncodeError as error:
            raise ReplayError(str(error), field=error.path, message_index=position) from error
        if position < len(recorded):
            when = _after(call, recorded[position].time_ns), turns[position]
        else:
            when = (planned[-1].after, planned[-1].responses) if planned else (0.0, 0)
        planned.append(PlannedMessage(data, *when))
    return tuple(planned)


def _encoded(value: Any, method: Method, types: TypeResolver, before: DecodedMessage | None) -> bytes:
    original = before.data if before is not None and not before.error else None
    if before is not None and original is not None and before.json == value:
        return original
    return encode(value, method.request, types, original)


def _encoding(recorded: Sequence[Message]) -> tuple[str, str]:
    """How the messages are to be compressed again, and what to say where they cannot be."""
    used = {item.encoding for item in recorded if item.compressed}
    if not used:
        return "", ""
    if len(used) == 1 and used <= _RECOMPRESSED:
        return used.pop(), ""
    return "", f"sent uncompressed: Loom does not compress with {', '.join(sorted(used))}"


def _after(call: Call, time_ns: int) -> float:
    return max(time_ns - call.started_ns, 0) / 1e9


def _cancel_after(call: Call, timing: Timing) -> float:
    """After how many seconds to cancel as the client had; where it is responses that count, later than it had."""
    duration = max((call.duration_ns or 0) / 1e9, 0.001)
    counts = call.response_messages and timing is not Timing.RECORDED
    return duration + _LATE if counts else duration


def _half_close(call: Call, *, cancelled: bool) -> float | None:
    if call.half_closed_ns is not None:
        return _after(call, call.half_closed_ns)
    return None if cancelled else 0.0


def _timeout(call: Call, edits: Edits) -> float | None:
    if edits.deadline is not None:
        return edits.deadline or None
    if call.deadline_ns is None:
        return None
    return max((call.deadline_ns - call.started_ns) / 1e9, 0.001)


def _user_agent(metadata: Metadata) -> str:
    return first_text(metadata, USER_AGENT)
