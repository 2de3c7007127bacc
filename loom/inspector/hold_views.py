"""Breakpoints and holds, as the API shows them."""

from loom.api.breakpoints import Breakpoint, Breakpoints
from loom.api.calls import Status
from loom.api.holds import Hold, HoldDetail, Holds
from loom.decoding.display import DisplayDecoder
from loom.interception import breakpoints, holds
from loom.interception import hold as held
from loom.model import Call, Direction, Message, Secrets
from loom.model.interception import CallStart, FinalStatus, HeaderBlock, MessageItem, Point

from .call_detail import describe_items

_POINTS = list(Point)


def describe_breakpoint(item: breakpoints.Breakpoint) -> Breakpoint:
    """One breakpoint."""
    return Breakpoint(
        item.name,
        item.match.text,
        sorted(item.points, key=_POINTS.index),
        item.release,
        item.release_after * 1000,
        item.enabled,
        item.calls,
        item.hits,
    )


def describe_breakpoints(registry: holds.Holds) -> Breakpoints:
    """All breakpoints."""
    return Breakpoints(
        [describe_breakpoint(item) for item in registry.breakpoints],
        registry.watched,
        registry.count,
        registry.passed_unwatched,
        registry.passed_limit,
        registry.passed_deadline,
    )


def describe_holds(registry: holds.Holds) -> Holds:
    """Everything that is held."""
    return Holds(
        registry.seq,  # first: what changes meanwhile is newer
        [describe_hold(item) for item in registry],
        registry.bytes,
        registry.max_holds,
        registry.max_bytes,
        registry.watched,
        registry.passed_unwatched,
        registry.passed_limit,
        registry.passed_deadline,
    )


def describe_hold(hold: held.Hold) -> Hold:
    """One held item."""
    control, facts = hold.call.control, hold.call.facts
    return Hold(
        hold.id,
        0 if control is None else control.id,
        facts.method,
        facts.peer,
        hold.point,
        hold.index,
        list(hold.names),
        hold.came_ns // 1000,
        None if hold.deadline_ns is None else hold.deadline_ns // 1000,
        None if hold.release_ns is None else hold.release_ns // 1000,
        hold.release_reason,
        hold.size,
        hold.edit is not None,
        hold.over,
    )


async def describe_content(
    hold: held.Hold, decoder: DisplayDecoder, secrets: Secrets, *, reveal: bool, max_bytes: int
) -> HoldDetail:
    """A held item with its content, with at most ``max_bytes`` of a message in hexadecimal."""
    head = describe_hold(hold)
    detail = HoldDetail(
        **{name: getattr(head, name) for name in Hold.__struct_fields__}, added=len(hold.items) - 1
    )
    match hold.item:
        case MessageItem() as item:
            direction = Direction.REQUEST if hold.point is Point.REQUEST_MESSAGE else Direction.RESPONSE
            message = Message(
                hold.index, direction, hold.came_ns, len(item.data), item.data, item.compressed, item.encoding
            )
            call = Call(head.call_id, head.method, hold.came_ns)
            detail.message = await decoder.view(call, message, max_bytes)
        case HeaderBlock(metadata):
            detail.metadata = describe_items(metadata, secrets, reveal=reveal)
        case FinalStatus(status, trailing):
            detail.metadata = describe_items(trailing, secrets, reveal=reveal)
            detail.status = Status(status.code, status.name, status.message)
        case CallStart(timeout):
            detail.deadline_ms = None if timeout is None else timeout * 1000
        case _:
            pass
    return detail
