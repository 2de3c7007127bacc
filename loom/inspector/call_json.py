"""A recorded call as JSON for people: metadata with secrets masked, timing, notes."""

import base64
from typing import Any

from loom.api.summary import micros
from loom.model import MASK, Call, Metadata, Secrets


def metadata_items(
    metadata: Metadata | None, secrets: Secrets, *, reveal: bool
) -> list[dict[str, Any]] | None:
    """A block of metadata as the items of docs/api.md; None where it has not been seen."""
    if metadata is None:
        return None
    return [_item(key, value, masked=secrets.masks(key) and not reveal) for key, value in metadata]


def _item(key: str, value: str | bytes, *, masked: bool) -> dict[str, Any]:
    binary = isinstance(value, bytes)
    text = base64.b64encode(value).decode() if isinstance(value, bytes) else value
    return {
        "key": key,
        "value": MASK if masked else text,
        "binary": binary,
        "masked": masked,
        "decoded": None if masked or not isinstance(value, bytes) else _readable(value),
    }


def _readable(value: bytes) -> str | None:
    """Binary metadata that is plain text shows as text."""
    try:
        text = value.decode()
    except UnicodeDecodeError:
        return None
    return text if text.isprintable() and text else None


def describe(call: Call, secrets: Secrets, *, reveal: bool = False) -> dict[str, Any]:
    """What docs/api.md adds to a summary for one call, less what needs a schema."""
    return {
        "metadata": {
            "request": metadata_items(call.request_metadata, secrets, reveal=reveal),
            "initial": metadata_items(call.initial_metadata, secrets, reveal=reveal),
            "trailing": metadata_items(call.trailing_metadata, secrets, reveal=reveal),
        },
        "timing": {
            "started_us": micros(call.started_ns),
            "initial_us": micros(call.initial_ns),
            "first_request_us": micros(call.first_request_ns),
            "last_request_us": micros(call.last_request_ns),
            "first_response_us": micros(call.first_response_ns),
            "last_response_us": micros(call.last_response_ns),
            "half_closed_us": micros(call.half_closed_ns),
            "half_closed_after": call.half_closed_after,
            "ended_us": micros(call.ended_ns),
            "deadline_us": micros(call.deadline_ns),
        },
        "note": call.note,
        "wire": call.wire,
        "dropped": {"messages": call.dropped_messages, "bytes": call.dropped_bytes},
        "content_type": call.content_type,
    }
