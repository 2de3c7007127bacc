"""Plan what a replay sends: a recorded call as it was, or with edits. No I/O.

A plan has the payloads byte for byte. Of a message whose JSON was edited, what was not edited keeps its recorded bytes.
"""

import base64
import binascii
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from loom.api.replay import MetadataEdit, ReplaySource, ReplayTiming
from loom.codec import CompressionError, EncodeError, TypeResolver, encode, parse_content_type
from loom.codec.list_alignment import align
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
from loom.model.interception import Point
from loom.model.metadata import USER_AGENT, first_text
from loom.model.originals import original_call
from loom.schema import Method

_KEY = re.compile(r"[0-9a-z_.-]+")
_TEXT = re.compile(r"[\x20-\x7e]*")
CANCEL_SLACK = 5.0
"""How many seconds longer than recorded the responses before a cancellation may take."""

THROUGH_RULES = "sent through the rules"
"""The note of a replay on which rules, faults and breakpoints could act."""

_REQUEST_POINTS = frozenset({Point.REQUEST_METADATA, Point.REQUEST_MESSAGE, Point.HALF_CLOSE})
_RECOMPRESSED = frozenset({"gzip", "deflate"})


class ReplayError(LoomError):
    """The call cannot be sent like this. ``field`` and ``message_index`` say which edit is invalid."""

    def __init__(self, message: str, *, field: str = "", message_index: int | None = None) -> None:
        super().__init__(message)
        self.field = field
        self.message_index = message_index


@dataclass(frozen=True, slots=True)
class Edits:
    """What to change in the recorded call; None leaves a part as recorded.

    ``messages`` are JSON values, ``metadata`` replaces the whole block, ``deadline`` is in seconds, with 0 for none.
    """

    target: Address | None = None
    metadata: Metadata | None = None
    messages: Sequence[Any] | None = None
    deadline: float | None = None
    timing: ReplayTiming = ReplayTiming.FAST
    source: ReplaySource = ReplaySource.WENT
    through_rules: bool = False

    def source_call(self, call: Call) -> Call:
        """The call that is sent: as it went on, or as it came."""
        return original_call(call) if self.source is ReplaySource.CAME else call


@dataclass(frozen=True, slots=True)
class PlannedMessage:
    """``offset`` is in seconds from the call's start, ``responses`` is the number of responses to await before it."""

    data: bytes
    offset: float = 0.0
    responses: int = 0


@dataclass(frozen=True, slots=True)
class Plan:
    """One call to make.

    ``target`` None is the runner's own target. ``authority`` is the one that the client sent to Loom; "" for a replay.
    ``timeout``, ``half_close_offset`` and ``cancel_offset`` are in seconds from the call's start; without a
    ``half_close_offset`` the call is never half-closed. It is cancelled after ``cancel_responses`` responses, or at
    ``cancel_offset``, as its client had cancelled the recorded call.
    """

    method: str
    parent: int | None
    target: Address | None
    authority: str
    metadata: Metadata
    user_agent: str
    messages: tuple[PlannedMessage, ...]
    timing: ReplayTiming = ReplayTiming.FAST
    timeout: float | None = None
    encoding: str = ""
    half_close_offset: float | None = 0.0
    cancel_offset: float | None = None
    cancel_responses: int | None = None
    edited: tuple[str, ...] = ()  # what of the call is not as recorded
    notes: tuple[str, ...] = ()
    through_rules: bool = False


def plan_replay(
    call: Call,
    edits: Edits,
    decoding: DecodedCall | None = None,
    types: TypeResolver | None = None,
    *,
    cancel_slack: float = CANCEL_SLACK,
) -> Plan:
    """Plan the replay of a call. Raises :class:`ReplayError` if it cannot be sent.

    ``decoding``, the decoded request messages of :meth:`Edits.source_call`, is needed for edited messages only;
    ``types`` resolves the Anys in them, beside the types that decoding used. ``cancel_slack``: see
    :data:`CANCEL_SLACK`.
    """
    notes = _source_notes(call, edits.source)
    call = edits.source_call(call)
    recorded = [item for item in call.messages if item.direction is Direction.REQUEST]
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
        authority="" if call.replay_of is not None else call.authority,
        metadata=metadata,
        user_agent=_user_agent(call.request_metadata),
        messages=messages,
        timing=edits.timing,
        timeout=_timeout(call, edits),
        encoding=encoding,
        half_close_offset=_half_close(call, cancelled=cancelled),
        cancel_offset=_cancel_offset(call, edits.timing, cancel_slack) if cancelled else None,
        cancel_responses=(call.response_messages or None)
        if cancelled and edits.timing is not ReplayTiming.RECORDED
        else None,
        edited=_edited_parts(call, edits),
        notes=(*notes, *([THROUGH_RULES] if edits.through_rules else [])),
        through_rules=edits.through_rules,
    )


def _source_notes(call: Call, source: ReplaySource) -> list[str]:
    """Which of the two is sent, if what the client had sent was altered."""
    altered = [item for item in call.interceptions if item.altered and item.point in _REQUEST_POINTS]
    if not altered:
        return []
    names = dict.fromkeys(f"{action.kind} {action.name!r}" for item in altered for action in item.actions)
    by = ", ".join(names)
    if source is ReplaySource.CAME:
        return [f"sent as it came from the client, before it was altered by {by}"]
    return [f"sent as it went on, altered by {by}"]


def _edited_parts(call: Call, edits: Edits) -> tuple[str, ...]:
    """What of the call the replay changes, beside its target and timing."""
    metadata = edits.metadata is not None and edits.metadata != application_metadata(call.request_metadata)
    parts = {
        "messages": edits.messages is not None,
        "metadata": metadata,
        "deadline": edits.deadline is not None,
    }
    return tuple(name for name, is_edited in parts.items() if is_edited)


def parse_metadata(items: Sequence[MetadataEdit], recorded: Metadata) -> Metadata:
    """Parse edited metadata. A masked value stands for the recorded value of its key.

    Raises :class:`ReplayError`.
    """
    edited: list[tuple[str, str | bytes]] = []
    masked: dict[str, int] = {}
    for index, item in enumerate(items):
        where = f"metadata[{index}]"
        key, value = item.key, item.value
        if not _KEY.fullmatch(key) or key in CONNECTION_KEYS:
            raise ReplayError(
                f"{key!r} cannot be set: a key has lower case letters, digits, '_', '-' and '.',"
                " and is not one that gRPC sets itself",
                field=f"{where}.key",
            )
        if value == MASK:
            originals = [original for name, original in recorded if name == key]
            position = masked.get(key, 0)
            masked[key] = position + 1
            if position >= len(originals):
                raise ReplayError(
                    f"{key} is masked, and the recorded call has no value for it", field=f"{where}.value"
                )
            edited.append((key, originals[position]))
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
            f"the value of {key} has characters outside printable ASCII: use a key that ends in -bin",
            field=where,
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
        planned.append(PlannedMessage(data, _offset(call, item.time_ns), responses))
    return tuple(planned)


def _responses_before(call: Call) -> list[int]:
    """For each request message in memory, the number of response messages before it.

    Indices count both directions, so an index less the number of requests before it is the number of responses.
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
    sources = align([item.json for item in decoding.messages], values)
    for position, (source, value) in enumerate(zip(sources, values, strict=True)):
        original = None if source is None else decoding.messages[source]
        try:
            data = _encoded(value, decoding.method, types or decoding.resolver, original)
        except EncodeError as error:
            raise ReplayError(str(error), field=error.path, message_index=position) from error
        if position < len(recorded):
            due = _offset(call, recorded[position].time_ns), turns[position]
        else:
            due = (planned[-1].offset, planned[-1].responses) if planned else (0.0, 0)
        planned.append(PlannedMessage(data, *due))
    return tuple(planned)


def _encoded(value: Any, method: Method, types: TypeResolver, before: DecodedMessage | None) -> bytes:
    decoded = before is not None and (not before.error or before.json is not None)
    original = before.data if before is not None and decoded else None
    return encode(value, method.request, types, original)


def _encoding(recorded: Sequence[Message]) -> tuple[str, str]:
    """The encoding to compress the messages with, or a note if Loom cannot compress like this."""
    used = {item.encoding for item in recorded if item.compressed}
    if not used:
        return "", ""
    if len(used) == 1 and used <= _RECOMPRESSED:
        return used.pop(), ""
    return "", f"sent uncompressed: Loom does not compress with {', '.join(sorted(used))}"


def _offset(call: Call, time_ns: int) -> float:
    return max(time_ns - call.started_ns, 0) / 1e9


def _cancel_offset(call: Call, timing: ReplayTiming, slack: float) -> float:
    """When to cancel, in seconds; later than recorded if the number of responses decides."""
    duration = max((call.duration_ns or 0) / 1e9, 0.001)
    by_responses = call.response_messages and timing is not ReplayTiming.RECORDED
    return duration + slack if by_responses else duration


def _half_close(call: Call, *, cancelled: bool) -> float | None:
    if call.half_closed_ns is not None:
        return _offset(call, call.half_closed_ns)
    return None if cancelled else 0.0


def _timeout(call: Call, edits: Edits) -> float | None:
    if edits.deadline is not None:
        return edits.deadline or None
    if call.deadline_ns is None:
        return None
    return max((call.deadline_ns - call.started_ns) / 1e9, 0.001)


def _user_agent(metadata: Metadata) -> str:
    return first_text(metadata, USER_AGENT)
