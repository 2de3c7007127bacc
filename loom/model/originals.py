"""What came in a call, where something acted on it: the messages, metadata and status ahead of any rule.

A recorded call has what went on; its interceptions keep what came instead.
"""

from collections.abc import Iterator, Sequence

import msgspec

from .call import Call
from .interception import Interception, Point
from .message import Direction, Message, Messages
from .metadata import Metadata
from .status import EndedBy, Status

_DIRECTIONS = {
    Point.REQUEST_MESSAGE: Direction.REQUEST,
    Point.RESPONSE_MESSAGE: Direction.RESPONSE,
    Point.HALF_CLOSE: Direction.REQUEST,
    Point.STATUS: Direction.RESPONSE,
}


def original_call(call: Call) -> Call:
    """The call as it came: what the client sent, and what the target answered. The same call if nothing was altered.

    A message whose bytes were dropped, or left out of the record, has none here, either. What was altered of messages
    in the gap (see :class:`.message.Messages`) is not known.
    """
    if not call.modified:
        return call
    messages = Messages()
    gap = call.messages.gap()
    counts = {direction: call.count(direction) for direction in Direction}
    sizes = {Direction.REQUEST: call.request_bytes, Direction.RESPONSE: call.response_bytes}
    for message in call.messages:  # what remains are those of the gap
        counts[message.direction] -= 1
        sizes[message.direction] -= message.size
    index = 0
    for message in original_messages(call):
        if gap and index <= gap.start <= message.index:
            messages.skip(len(gap))
            index += len(gap)
            gap = range(0)
        messages.append(msgspec.structs.replace(message, index=index))
        index += 1
        counts[message.direction] += 1
        sizes[message.direction] += message.size
    status, trailing = original_status(call)
    is_targets = has_original_status(call) and not call.note  # Loom's own statuses have a note
    half_close = next(
        (item for item in call.interceptions if item.point is Point.HALF_CLOSE and not item.count), None
    )
    return msgspec.structs.replace(
        call,
        messages=messages,
        request_messages=counts[Direction.REQUEST],
        response_messages=counts[Direction.RESPONSE],
        request_bytes=sizes[Direction.REQUEST],
        response_bytes=sizes[Direction.RESPONSE],
        request_metadata=original_metadata(call, Point.REQUEST_METADATA) or call.request_metadata,
        initial_metadata=original_metadata(call, Point.RESPONSE_METADATA) or call.initial_metadata,
        trailing_metadata=trailing,
        status=status,
        ended_by=EndedBy.BACKEND if is_targets else call.ended_by,
        half_closed_ns=call.half_closed_ns if half_close is None else half_close.came_ns,
        interceptions=[],
    )


def with_original_answer(call: Call) -> Call:
    """The call with its requests as they went on, and what the target answered to them, as it came."""
    if not call.modified:
        return call
    original = original_call(call)
    messages = Messages()
    requests = (message for message in call.messages if message.direction is Direction.REQUEST)
    responses = (message for message in original.messages if message.direction is Direction.RESPONSE)
    for index, message in enumerate((*requests, *responses)):
        messages.append(msgspec.structs.replace(message, index=index))
    return msgspec.structs.replace(
        original,
        messages=messages,
        request_messages=call.request_messages,
        request_bytes=call.request_bytes,
        request_metadata=call.request_metadata,
        half_closed_ns=call.half_closed_ns,
    )


def has_original_status(call: Call) -> bool:
    """Whether a status came that another one took the place of."""
    return any(item.point is Point.STATUS and item.status is not None for item in call.interceptions)


def original_metadata(call: Call, point: Point) -> Metadata | None:
    """The header block that came at a point; None if the same went on."""
    for item in call.interceptions:
        if item.point is point and item.metadata is not None:
            return item.metadata
    return None


def original_status(call: Call) -> tuple[Status | None, Metadata | None]:
    """The status and the trailers that came."""
    for item in call.interceptions:
        if item.point is Point.STATUS and item.status is not None:
            return item.status, item.metadata
    return call.status, call.trailing_metadata


def original_messages(call: Call) -> Iterator[Message]:
    """The messages that came, in order. Their indices are those of the messages that went on in their place."""
    gap = call.messages.gap()
    waiting = [
        item
        for item in call.interceptions
        if item.point in _DIRECTIONS and item.altered and item.position not in gap
    ]
    skips = dict.fromkeys(Direction, 0)
    kept: dict[Direction, int | None] = dict.fromkeys(Direction)
    for message in call.messages:
        while waiting and waiting[0].position <= message.index:
            yield from _originals(waiting.pop(0), skips, kept)
        direction = message.direction
        if skips[direction]:
            skips[direction] -= 1
            place = kept[direction]
            if place is not None:
                kept[direction] = place - 1
            if place != 0:
                continue
        yield message
    for item in waiting:
        yield from _originals(item, skips, kept)


def _originals(
    item: Interception, skips: dict[Direction, int], kept: dict[Direction, int | None]
) -> Sequence[Message]:
    """The message that came at an interception; which of those behind it did not come is noted."""
    direction = _DIRECTIONS[item.point]
    if item.point in {Point.HALF_CLOSE, Point.STATUS}:
        has_item = item.kept is not None or (item.point is Point.STATUS and item.count > 0)
        skips[direction] += item.count - has_item
        return ()
    skips[direction] += item.count
    kept[direction] = item.kept
    if item.kept is not None:
        return ()
    return [
        Message(item.position, direction, item.came_ns, item.size, item.data, item.compressed, item.encoding)
    ]
