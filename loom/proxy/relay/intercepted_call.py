"""Forwarding of a call that something may act on: each item is offered to an interceptor, and what it decides goes on.

The two directions are queues of their own. An item is offered once the one before it has gone on, and the next message
of a direction is read only then: what is held is one message for each direction, and flow control holds its sender.
"""

import logging
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

from loom.grpc_core.core_types import Batch, Operation
from loom.grpc_core.facade import SendMessage, ServerCall
from loom.model import Direction, EndedBy, Intercepted, Metadata, Section, Status
from loom.model.decisions import describe_decision
from loom.model.interception import (
    Action,
    ActionKind,
    CallInterceptor,
    CallStart,
    Decision,
    FinalStatus,
    HalfClose,
    HeaderBlock,
    Item,
    MessageItem,
    Point,
)

from .call import RelayedCall
from .call_context import CallContext
from .serialized_callbacks import serialized

_log = logging.getLogger(__name__)

_REQUEST, _RESPONSE = Direction.REQUEST, Direction.RESPONSE


@dataclass(slots=True, eq=False)
class _Offer:
    """An item that is offered, and when it came."""

    direction: Direction
    point: Point
    index: int
    item: Item
    came_ns: int = 0
    is_decided: bool = False


@dataclass(slots=True)
class _Queue:
    """One direction: items that have come, the one that is offered, and what goes on in its place."""

    offers: deque[_Offer] = field(default_factory=deque)
    current: _Offer | None = None
    output: deque[Item] = field(default_factory=deque)
    end: FinalStatus | None = None
    count: int = 0  # messages that have come


class InterceptedCall(RelayedCall):
    """A forwarded call whose items an interceptor decides on. It is the interceptor's :class:`CallControl`, too."""

    __slots__ = (
        "_half_close_actions",
        "_initial_offered",
        "_interceptor",
        "_queues",
        "_requests_closed",
        "_status_note",
        "_status_offered",
        "_status_source",
        "_target_abandoned",
        "_target_timeout",
    )

    def __init__(
        self,
        client_call: ServerCall,
        context: CallContext,
        on_end: Callable[[RelayedCall], None],
        interceptor: CallInterceptor,
    ) -> None:
        super().__init__(client_call, context, on_end)
        self._interceptor = interceptor
        self._queues = {_REQUEST: _Queue(), _RESPONSE: _Queue()}
        self._requests_closed = False  # a half-close went on, before the client's own perhaps
        self._half_close_actions: tuple[Action, ...] = ()  # by which it went on before the client's own
        self._initial_offered = False
        self._status_offered = False
        self._status_source = EndedBy.BACKEND
        self._status_note = ""
        self._target_abandoned = False  # its call was cancelled, and the client waits on
        self._target_timeout: float | None = None

    @serialized
    def end(self, final: FinalStatus, actions: tuple[Action, ...]) -> None:
        """End the call with this status, whatever is under way; see :class:`loom.model.interception.CallControl`."""
        if not self._ended:
            now = time.time_ns()
            self._record(
                _Offer(_RESPONSE, Point.STATUS, 0, final, now), Decision((), final, actions=actions), now
            )
            self._end_by(final, actions)

    @serialized
    def cancel_target(self, actions: tuple[Action, ...]) -> None:
        """Cancel only the target's call; see :class:`loom.model.interception.CallControl`."""
        if not (self._ended or self._status_offered):
            now = time.time_ns()
            start = CallStart()
            offer = _Offer(_REQUEST, Point.START, 0, start, now)
            self._record(offer, Decision((start,), cancel_target=True, actions=actions), now)
            self._abandon_target()

    @serialized
    def note(self, point: Point, index: int, actions: tuple[Action, ...]) -> None:
        """Record what holds an item; see :class:`loom.model.interception.CallControl`."""
        for queue in self._queues.values():
            offer = queue.current
            if offer is None or offer.is_decided or self._ended:
                continue
            if (offer.point, offer.index) == (point, index):
                is_decided = any(action.kind is not ActionKind.BREAKPOINT for action in actions)
                items = () if is_decided else (offer.item,)
                self._record(offer, Decision(items, actions=actions), time.time_ns())

    # What comes

    def _acquire_permit(self) -> None:
        pass  # when the target is called: a call that is held or ended before that does not probe the breaker

    def _open(self, metadata: Metadata) -> None:
        # Right behind ReceiveClose: the order of their completions distinguishes a refusal.
        self.context.events.call_when_not_full(self._read_request)
        self._interceptor.start(self)
        self._offer(_REQUEST, Point.START, CallStart(self._timeout))
        self._offer(_REQUEST, Point.REQUEST_METADATA, HeaderBlock(metadata))

    def _forward_request(self, message: bytes) -> None:
        self._offer(_REQUEST, Point.REQUEST_MESSAGE, MessageItem(message))

    def _half_close(self) -> None:
        self._offer(_REQUEST, Point.HALF_CLOSE, HalfClose())

    def _forward_initial_metadata(self, metadata: Metadata) -> None:
        self._initial_offered = True
        self._offer(_RESPONSE, Point.RESPONSE_METADATA, HeaderBlock(metadata))

    @serialized
    def _end_trailers_only_grace(self) -> None:
        if not (self._initial_offered or self._status_offered or self._ended):
            self._forward_initial_metadata(())

    def _forward_response(self, message: bytes) -> None:
        if self._target_abandoned:
            return
        if not self._initial_offered:
            self._forward_initial_metadata(())
        self._offer(_RESPONSE, Point.RESPONSE_MESSAGE, MessageItem(message))

    def _finish_if_complete(self) -> None:
        if not (self._status_offered or self._target_abandoned):
            super()._finish_if_complete()

    def _forward_status(self, status: Status, trailing: Metadata, by: EndedBy, note: str) -> None:
        self._status_offered = True
        self._status_source, self._status_note = by, note
        self._offer(_RESPONSE, Point.STATUS, FinalStatus(status, trailing))

    # Offers and decisions

    def _offer(self, direction: Direction, point: Point, item: Item) -> None:
        queue = self._queues[direction]
        index = 0
        if type(item) is MessageItem:
            index = queue.count
            queue.count += 1
        queue.offers.append(_Offer(direction, point, index, item, time.time_ns()))
        self._offer_next(direction)

    def _offer_next(self, direction: Direction) -> None:
        queue = self._queues[direction]
        if queue.current is not None or not queue.offers or self._ended:
            return
        offer = queue.current = queue.offers.popleft()
        if offer.point not in self._interceptor.points:
            queue.output.append(offer.item)
            self._send_next(direction)
            return
        try:
            release = partial(self._on_released, offer)
            decision = self._interceptor.intercept(offer.point, offer.index, offer.item, release)
        except Exception as error:  # noqa: BLE001 (an interceptor must not break the traffic)
            _log.error("an interceptor failed on %s", self.method, exc_info=error)
            self._notes.append(f"not intercepted at {offer.point}: {type(error).__name__}: {error}")
            decision = Decision((offer.item,))
        if decision is not None:
            self._apply(offer, decision)

    @serialized
    def _on_released(self, offer: _Offer, decision: Decision) -> None:
        if self._queues[offer.direction].current is offer and not self._ended:
            self._apply(offer, decision)

    def _apply(self, offer: _Offer, decision: Decision) -> None:
        queue = self._queues[offer.direction]
        offer.is_decided = True
        self._record(offer, decision, time.time_ns())
        if decision.cancel_target:
            self._abandon_target()
        queue.output.extend(decision.items)
        queue.end = decision.end
        if decision.end is not None:
            self._notes.extend(
                f"{action.kind} {action.name!r}: {action.effect}" for action in decision.actions
            )
        self._send_next(offer.direction)

    def _abandon_target(self) -> None:
        """Cancel the target's call; the client waits on."""
        self._target_abandoned = True
        self._cancel_upstream()

    def _record(self, offer: _Offer, decision: Decision, now: int) -> None:
        """Record what came, where something acted on it."""
        item = offer.item
        items = self._before_half_close(offer.direction, decision.items)
        fields = describe_decision(item, items, decision)
        if fields is None:
            return
        if HalfClose() in items and type(item) is not HalfClose:
            self._half_close_actions = decision.actions
        event = partial(
            Intercepted,
            time_ns=now,
            point=offer.point,
            index=offer.index,
            came_ns=offer.came_ns,
            actions=decision.actions or self._half_close_actions,
            **fields,
        )
        self.context.events.put(self, event, len(fields.get("data", b"")))

    def _before_half_close(self, direction: Direction, items: tuple[Item, ...]) -> tuple[Item, ...]:
        """The items that are sent: of requests, none behind a half-close is."""
        if direction is _RESPONSE:
            return items
        sent: list[Item] = []
        is_closed = self._requests_closed
        for item in items:
            if not (is_closed and isinstance(item, MessageItem)):
                sent.append(item)
            is_closed = is_closed or isinstance(item, HalfClose)
        return tuple(sent)

    # What goes on

    def _send_next(self, direction: Direction) -> None:
        """Send what goes on in the place of the current item; continue behind a message when it is sent."""
        queue = self._queues[direction]
        offer = queue.current
        while queue.output and not self._ended:
            if self._send_item(direction, queue.output.popleft()):
                return
        if self._ended or offer is None:
            return
        if queue.end is not None:
            self._end_by(queue.end, ())
            return
        queue.current = None
        if offer.point is Point.REQUEST_MESSAGE:
            self.context.events.call_when_not_full(self._read_request)
        elif offer.point is Point.RESPONSE_MESSAGE:
            self.context.events.call_when_not_full(self._read_response)
        self._offer_next(direction)

    def _send_item(self, direction: Direction, item: Item) -> bool:
        """Send one item; True if a callback continues, or nothing more can be sent in this direction."""
        match item:
            case MessageItem():
                return self._send_message(direction, item)
            case HalfClose():
                if not self._requests_closed:
                    self._requests_closed = True
                    super()._half_close()
            case CallStart():
                self._target_timeout = item.timeout
            case HeaderBlock() if direction is _REQUEST:
                self._send_request_metadata(item.metadata)
            case HeaderBlock():
                if item.metadata:
                    super()._forward_initial_metadata(item.metadata)
                elif not self._initial_sent:
                    self._send_initial_metadata(())
            case FinalStatus():
                by = self._status_source if self._is_upstreams(item.status) else EndedBy.LOOM
                super()._forward_status(item.status, item.trailing, by, self._status_note)
        return False

    def _is_upstreams(self, status: Status) -> bool:
        current = self._queues[_RESPONSE].current
        return current is not None and isinstance(current.item, FinalStatus) and current.item.status == status

    def _send_request_metadata(self, metadata: Metadata) -> None:
        current = self._queues[_REQUEST].current
        if current is not None and current.item != HeaderBlock(metadata):
            self.context.events.put_metadata(self, time.time_ns(), Section.REQUEST, metadata)
        # The time for which the start was held has passed, unless a deadline of its own was chosen.
        timeout = self._remaining() if self._target_timeout == self._timeout else self._target_timeout
        if not self._target_abandoned:
            super()._acquire_permit()
            if self._check_admission(metadata):
                self._connect(metadata, timeout)

    def _send_message(self, direction: Direction, item: MessageItem) -> bool:
        data = item.data
        if direction is _REQUEST and self._requests_closed:
            return False  # what comes behind a half-close is read and dropped
        recorded = data if item.recorded is None else item.recorded
        self.context.events.put_message(self, time.time_ns(), direction, recorded)
        if direction is _REQUEST:
            if self._target_abandoned:
                return False
            self._send((SendMessage(data),), self._on_request_sent)
        else:
            self._send_response(data)
        return True

    @serialized
    def _on_request_sent(self, batch: Batch[Operation]) -> None:
        if batch.success:
            self._send_next(_REQUEST)

    @serialized
    def _on_response_sent(self, batch: Batch[Operation]) -> None:
        if batch.success:
            self._send_next(_RESPONSE)

    # The end

    def _end_by(self, final: FinalStatus, actions: tuple[Action, ...]) -> None:
        """End the call with a status that is not the target's."""
        self._notes.extend(f"{action.kind} {action.name!r}: {action.effect}" for action in actions)
        self._cancel_upstream()
        super()._forward_status(final.status, final.trailing, EndedBy.LOOM, "")

    def _record_end(self, status: Status, by: EndedBy, note: str) -> None:
        self._close_interceptor()
        super()._record_end(status, by, note)
        for queue in self._queues.values():
            queue.offers.clear()
            queue.output.clear()

    def _close_interceptor(self) -> None:
        """Record what is held still: it was acted on, although nothing went on in its place."""
        try:
            held = self._interceptor.close()
        except Exception as error:  # noqa: BLE001 (as above)
            _log.error("an interceptor failed to close %s", self.method, exc_info=error)
            return
        for queue in self._queues.values():
            offer = queue.current
            if offer is not None and held.get(offer.point):
                self._record(offer, Decision((), actions=held[offer.point]), time.time_ns())
