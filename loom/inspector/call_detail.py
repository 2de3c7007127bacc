"""What the answer about one call adds to its summary: metadata with secrets masked, timing, interceptions."""

import base64

from loom.api.calls import (
    CallMetadata,
    Dropped,
    Interception,
    InterceptionAction,
    MetadataItem,
    Status,
    Timing,
)
from loom.api.summary import micros
from loom.model import MASK, Call, Metadata, Secrets
from loom.model import Interception as RecordedInterception
from loom.model.interception import Point, held_spans

_MESSAGE_POINTS = (Point.REQUEST_MESSAGE, Point.RESPONSE_MESSAGE)


def describe_metadata(call: Call, secrets: Secrets, *, reveal: bool) -> CallMetadata:
    """All metadata of a call; values that ``secrets`` masks are masked unless ``reveal``."""

    return CallMetadata(
        request=describe_items(call.request_metadata, secrets, reveal=reveal),
        initial=_optional_items(call.initial_metadata, secrets, reveal=reveal),
        trailing=_optional_items(call.trailing_metadata, secrets, reveal=reveal),
    )


def _optional_items(
    metadata: Metadata | None, secrets: Secrets, *, reveal: bool
) -> list[MetadataItem] | None:
    return None if metadata is None else describe_items(metadata, secrets, reveal=reveal)


def describe_items(metadata: Metadata, secrets: Secrets, *, reveal: bool) -> list[MetadataItem]:
    """A block of metadata; values that ``secrets`` masks are masked unless ``reveal``."""
    return [_item(key, value, masked=secrets.masks(key) and not reveal) for key, value in metadata]


def _item(key: str, value: str | bytes, *, masked: bool) -> MetadataItem:
    binary = isinstance(value, bytes)
    text = base64.b64encode(value).decode() if isinstance(value, bytes) else value
    decoded = None if masked or not isinstance(value, bytes) else _printable(value)
    return MetadataItem(key, MASK if masked else text, binary, masked, decoded)


def _printable(value: bytes) -> str | None:
    """Binary metadata as text, where it is printable text."""
    try:
        text = value.decode()
    except UnicodeDecodeError:
        return None
    return text if text.isprintable() and text else None


def describe_timing(call: Call) -> Timing:
    """When things happened in a call."""
    return Timing(
        started_us=call.started_ns // 1000,
        initial_us=micros(call.initial_ns),
        first_request_us=micros(call.first_request_ns),
        last_request_us=micros(call.last_request_ns),
        first_response_us=micros(call.first_response_ns),
        last_response_us=micros(call.last_response_ns),
        half_closed_us=micros(call.half_closed_ns),
        half_closed_after=call.half_closed_after,
        ended_us=micros(call.ended_ns),
        deadline_us=micros(call.deadline_ns),
        held=[(start // 1000, end // 1000) for start, end in held_spans(call.interceptions)],
    )


def describe_dropped(call: Call) -> Dropped:
    """What is no longer held of a call."""
    return Dropped(call.dropped_messages, call.dropped_bytes)


def describe_interceptions(call: Call, secrets: Secrets, *, reveal: bool) -> list[Interception]:
    """What acted on a call, and what came; values that ``secrets`` masks are masked unless ``reveal``."""
    return [_interception(item, secrets, reveal=reveal) for item in call.interceptions]


def _interception(item: RecordedInterception, secrets: Secrets, *, reveal: bool) -> Interception:
    is_message = item.point in _MESSAGE_POINTS
    has_original = is_message and (item.data is not None or item.size > 0)
    status = item.status
    return Interception(
        point=item.point,
        index=item.index,
        actions=[
            InterceptionAction(action.kind, action.name, action.effect, action.applied)
            for action in item.actions
        ],
        altered=item.altered,
        position=item.position if is_message and item.count else None,
        count=item.count,
        came_us=item.came_ns // 1000,
        held_us=max(item.held_ns, 0) // 1000,
        original_size=item.size if has_original else None,
        original_held=is_message and item.data is not None,
        metadata=_optional_items(item.metadata, secrets, reveal=reveal),
        status=None if status is None else Status(status.code, status.name, status.message),
    )
