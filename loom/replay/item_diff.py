"""What rules change of an item, as differences of decoded values. No I/O."""

from collections.abc import Iterator
from typing import Any, cast

from loom.api.replay import Change
from loom.codec.field_path import FieldNames
from loom.decoding.message_decoder import MessageDecoder
from loom.interception.call_rules import Types
from loom.model import MASK, Direction, Message, Metadata, Secrets
from loom.model.interception import CallStart, FinalStatus, HalfClose, HeaderBlock, Item, MessageItem, Point
from loom.schema import Method
from loom.units import format_bytes

from .diff import diff_values

_REQUEST_POINTS = frozenset({Point.REQUEST_MESSAGE, Point.HALF_CLOSE})
_SHOWN_BYTES = 64


def item_value(item: Item, point: Point, types: Types, secrets: Secrets) -> Any:
    """An item as JSON: a message decoded if it can be, else its size and bytes."""
    match item:
        case MessageItem():
            direction = Direction.REQUEST if point in _REQUEST_POINTS else Direction.RESPONSE
            message = Message(0, direction, 0, len(item.data), item.data, item.compressed, item.encoding)
            method = cast("Method | None", types.method)
            decoded = MessageDecoder(method, types.resolver, types.problem).decode(message)
            if decoded.error:
                return f"{format_bytes(len(item.data))}: {item.data[:_SHOWN_BYTES].hex()}"
            return decoded.json
        case HeaderBlock():
            return _metadata(item.metadata, secrets)
        case FinalStatus():
            status = item.status
            return {
                "code": status.name,
                "message": status.message,
                "trailers": _metadata(item.trailing, secrets),
            }
        case CallStart():
            return {"deadline": None if item.timeout is None else f"{item.timeout:g} s"}
        case HalfClose():
            return "half-close"


def diff_items(came: Item, went: Item, point: Point, types: Types, secrets: Secrets) -> Iterator[Change]:
    """The differences between an item and what goes on in its place."""
    before, after = (item_value(item, point, types, secrets) for item in (came, went))
    names = FieldNames()
    descriptor = types.of(point)
    if isinstance(came, MessageItem) and descriptor is not None:
        names = FieldNames(descriptor)
    yield from diff_values(before, after, "", names=names)


def _metadata(metadata: Metadata, secrets: Secrets) -> dict[str, list[str]]:
    values: dict[str, list[str]] = {}
    for key, value in metadata:
        shown = MASK if secrets.masks(key) else value.hex() if isinstance(value, bytes) else value
        values.setdefault(key, []).append(shown)
    return values
