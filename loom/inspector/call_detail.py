"""What the answer about one call adds to its summary: metadata with secrets masked, timing."""

import base64

from loom.api.calls import CallMetadata, Dropped, MetadataItem, Timing
from loom.api.summary import micros
from loom.model import MASK, Call, Metadata, Secrets


def describe_metadata(call: Call, secrets: Secrets, *, reveal: bool) -> CallMetadata:
    """All metadata of a call; values that ``secrets`` masks are masked unless ``reveal``."""

    def items(metadata: Metadata) -> list[MetadataItem]:
        return [_item(key, value, masked=secrets.masks(key) and not reveal) for key, value in metadata]

    initial, trailing = call.initial_metadata, call.trailing_metadata
    return CallMetadata(
        request=items(call.request_metadata),
        initial=None if initial is None else items(initial),
        trailing=None if trailing is None else items(trailing),
    )


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
    )


def describe_dropped(call: Call) -> Dropped:
    """What is no longer held of a call."""
    return Dropped(call.dropped_messages, call.dropped_bytes)
