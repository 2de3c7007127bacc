"""The projection of events to calls, and its inverse.

* :func:`new_call` and :func:`apply_events`: one call, event by event; the recorder and :class:`Projection` use them.
* :class:`Projection` and :func:`project`: a stream of stored events to calls, with nothing dropped.
* :func:`events_of`: a call to the events that give it again.
* :func:`end_interrupted`: the end of a call whose Loom stopped first.
"""

import sys
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from types import MappingProxyType

from .call import Call, CallState, Kind
from .events import (
    CallEnded,
    CallStarted,
    Event,
    HalfClosed,
    Intercepted,
    KindDeclared,
    MessageSeen,
    MetadataSeen,
    Section,
    StoredEvent,
)
from .interception import HELD, ActionKind, Interception
from .memory import MESSAGE_COST, metadata_cost
from .message import Direction, Message
from .status import EndedBy, Status, StatusCode

INTERRUPTED = "Loom stopped before this call ended"
"""The note and the status message of a call whose end was not recorded."""

DEFAULT_MAX_INTERCEPTIONS = 1000
"""How many interceptions are kept of a call, by default; further ones are counted."""

_MAX_ACTED = 100  # names of rules on one call
_REQUEST = Direction.REQUEST
_REQUEST_SECTION, _INITIAL = Section.REQUEST, Section.INITIAL


def new_call(event: CallStarted, declared_kind: Kind | None = None) -> Call:
    """The call that this event starts."""
    call = Call(
        event.call_id,
        event.method,
        event.time_ns,
        event.peer,
        event.authority,
        event.target,
        event.engine,
        event.content_type,
        event.deadline_ns,
        event.replay_of,
        declared_kind,
    )
    if event.wire:
        call.wire = event.wire
    return call


def apply_events(
    call: Call,
    events: Sequence[Event],
    message_limit: int = sys.maxsize,
    max_interceptions: int = DEFAULT_MAX_INTERCEPTIONS,
) -> int:
    """Apply events of one call, in order; return the bytes of memory by which it grew (see :mod:`.memory`).

    :class:`CallStarted` is passed over: it is what :func:`new_call` takes. Of a message larger than
    ``message_limit`` bytes only the size is kept, and the call counts it as dropped. That also limits the bytes of all
    originals of intercepted messages together; of interceptions the first ``max_interceptions`` are kept.
    """
    cost = 0
    for event in events:
        if type(event) is MessageSeen:
            cost += _apply_message(call, event, message_limit)
        elif type(event) is MetadataSeen:
            metadata = event.metadata
            cost += metadata_cost(metadata)
            section = event.section
            if section is _REQUEST_SECTION:
                call.request_metadata = metadata
            elif section is _INITIAL:
                call.initial_metadata = metadata
                call.initial_ns = event.time_ns
            else:
                call.trailing_metadata = metadata
        elif type(event) is HalfClosed:
            call.half_closed_ns = event.time_ns
            call.half_closed_after = call.request_messages + call.response_messages
        elif type(event) is CallEnded:
            call.ended_ns = event.time_ns
            call.status = event.status
            call.ended_by = event.ended_by
            call.note = event.note
            if event.wire:
                call.wire = call.wire | event.wire
        elif type(event) is Intercepted:
            cost += _apply_interception(call, event, message_limit, max_interceptions)
    call.version += 1
    return cost


def _apply_message(call: Call, event: MessageSeen, limit: int) -> int:
    lost = event.lost
    data: bytes | None = event.data
    size = len(event.data) if lost is None else lost
    time_ns = event.time_ns
    requests, responses = call.request_messages, call.response_messages
    if event.direction is _REQUEST:
        if not requests:
            call.first_request_ns = time_ns
        call.last_request_ns = time_ns
        call.request_messages = requests + 1
        call.request_bytes += size
    else:
        if not responses:
            call.first_response_ns = time_ns
        call.last_response_ns = time_ns
        call.response_messages = responses + 1
        call.response_bytes += size
    cost = MESSAGE_COST + size
    if lost is not None or size > limit:
        data = None
        cost = MESSAGE_COST
        call.dropped_messages += 1
        call.dropped_bytes += size
    call.messages.append(
        Message(requests + responses, event.direction, time_ns, size, data, event.compressed, event.encoding)
    )
    return cost


def _apply_interception(call: Call, event: Intercepted, bytes_limit: int, max_interceptions: int) -> int:
    call.modified = call.modified or event.altered
    for action in event.actions:
        name = (action.kind, action.name)
        if name not in call.acted and len(call.acted) < _MAX_ACTED:
            call.acted = (*call.acted, name)
    _remove_hold(call, event)
    if len(call.interceptions) >= max_interceptions:
        call.dropped_interceptions += 1
        return 0
    data = event.data
    size = len(data or b"") if event.lost is None else event.lost
    if event.lost is not None or call.original_bytes + size > bytes_limit:
        data = None
    kept = len(data or b"")
    call.original_bytes += kept
    call.interceptions.append(
        Interception(
            event.point,
            event.index,
            event.came_ns,
            event.time_ns,
            event.actions,
            call.request_messages + call.response_messages,
            event.count,
            data,
            size,
            event.compressed,
            event.encoding,
            event.metadata,
            event.status,
            event.altered,
            event.kept,
        )
    )
    return MESSAGE_COST + kept + metadata_cost(event.metadata or ())


def _remove_hold(call: Call, event: Intercepted) -> None:
    """Remove what says that the item is still held."""
    if not any(action.kind is ActionKind.BREAKPOINT for action in event.actions):
        return
    for place in range(len(call.interceptions) - 1, -1, -1):
        item = call.interceptions[place]
        is_same = (item.point, item.index, item.came_ns) == (event.point, event.index, event.came_ns)
        if is_same and all(action.effect == HELD for action in item.actions):
            del call.interceptions[place]
            return


class Projection:
    """Applies stored events to the calls that they belong to, and returns each call when it ends.

    ``kinds`` maps methods to their declared kinds, for calls without a :class:`KindDeclared` of their own.
    """

    def __init__(self, kinds: Mapping[str, Kind] = MappingProxyType({})) -> None:
        self._kinds = kinds
        self._live: dict[int, Call] = {}
        self._own_kinds: dict[int, Kind | None] = {}

    def apply(self, event: StoredEvent) -> Call | None:
        """Apply one event; return the call if it has ended. Events of calls that never started are passed over."""
        if type(event) is KindDeclared:
            self._own_kinds[event.call_id] = event.kind
            return None
        if type(event) is CallStarted:
            call = self._live[event.call_id] = new_call(event)
        elif (live := self._live.get(event.call_id)) is not None:
            call = live
        else:
            return None
        apply_events(call, (event,))  # type: ignore[arg-type]  # mypy does not narrow by "type(…) is"
        if call.ended_ns is None:
            return None
        del self._live[call.id]
        return self._declare(call)

    def live_calls(self) -> list[Call]:
        """The calls that have not ended, in order of id."""
        return sorted(map(self._declare, self._live.values()), key=lambda call: call.id)

    def _declare(self, call: Call) -> Call:
        if call.id in self._own_kinds:
            call.declared_kind = self._own_kinds.pop(call.id)
        else:
            call.declared_kind = self._kinds.get(call.method)
        return call


def project(
    events: Iterable[StoredEvent], kinds: Mapping[str, Kind] = MappingProxyType({})
) -> Iterator[Call]:
    """The calls of these events: each when it ends, then those that have not."""
    projection = Projection(kinds)
    for event in events:
        call = projection.apply(event)
        if call is not None:
            yield call
    yield from projection.live_calls()


def end_interrupted(call: Call) -> Call:
    """End a live call whose Loom stopped before it: at the time of its last event, with status UNKNOWN."""
    if call.state is CallState.LIVE:
        times = (
            call.started_ns,
            call.last_request_ns,
            call.last_response_ns,
            call.half_closed_ns,
            call.initial_ns,
        )
        call.ended_ns = max(time for time in times if time is not None)
        call.status = Status(StatusCode.UNKNOWN, INTERRUPTED)
        call.ended_by = EndedBy.LOOM
        call.note = INTERRUPTED
    return call


def events_of(call: Call, call_id: int | None = None, replay_of: int | None = None) -> Iterator[StoredEvent]:
    """The events of a call, in order; the inverse of :func:`project`. ``call_id`` and ``replay_of`` renumber it.

    Dropped messages come without their bytes, with ``lost``. Of those in the gap (see :class:`~.message.Messages`)
    only the sums are known: requests come before responses, and the first of each direction has all of the bytes.
    """
    number = call.id if call_id is None else call_id
    parent = replay_of if call_id is not None else call.replay_of
    yield CallStarted(
        number,
        call.started_ns,
        call.method,
        call.peer,
        call.authority,
        call.target,
        call.engine,
        call.deadline_ns,
        call.content_type,
        parent,
        call.wire,
    )
    yield MetadataSeen(number, call.started_ns, Section.REQUEST, call.request_metadata)
    if call.initial_metadata is not None:
        time_ns = call.started_ns if call.initial_ns is None else call.initial_ns
        yield MetadataSeen(number, time_ns, Section.INITIAL, call.initial_metadata)
    yield from _message_events(call, number)
    if call.trailing_metadata is not None:
        yield MetadataSeen(number, call.ended_ns or call.started_ns, Section.TRAILING, call.trailing_metadata)
    if call.ended_ns is not None:
        yield KindDeclared(number, call.ended_ns, call.declared_kind)
        yield CallEnded(
            number,
            call.ended_ns,
            call.status or Status(StatusCode.UNKNOWN),
            call.ended_by or EndedBy.BACKEND,
            call.note,
        )


def _message_events(call: Call, number: int) -> Iterator[StoredEvent]:
    """The messages, those of the gap included, and the half-close and the interceptions between them."""
    count = 0
    interceptions = deque(call.interceptions)
    gap = call.messages.gap()
    gap_events = list(_gap_events(call, number)) if gap else []
    for message in call.messages:
        if gap_events and message.index >= gap.stop:
            yield from gap_events
            count += len(gap_events)
            gap_events = []
        while interceptions and interceptions[0].position <= count:
            yield _intercepted(interceptions.popleft(), number)
        if call.half_closed_ns is not None and count == call.half_closed_after:
            yield HalfClosed(number, call.half_closed_ns)
        yield MessageSeen(
            number,
            message.time_ns,
            message.direction,
            message.data or b"",
            message.compressed,
            message.encoding,
            message.size if message.data is None else None,
        )
        count += 1
    yield from gap_events
    count += len(gap_events)
    for interception in interceptions:
        yield _intercepted(interception, number)
    if call.half_closed_ns is not None and (
        call.half_closed_after is None or call.half_closed_after >= count
    ):
        yield HalfClosed(number, call.half_closed_ns)


def _intercepted(interception: Interception, number: int) -> Intercepted:
    size = interception.size
    return Intercepted(
        number,
        interception.time_ns,
        interception.point,
        interception.index,
        interception.came_ns,
        interception.actions,
        interception.altered,
        interception.count,
        interception.data,
        interception.compressed,
        interception.encoding,
        interception.metadata,
        interception.status,
        size if interception.data is None and size else None,
        interception.kept,
    )


def _gap_events(call: Call, number: int) -> Iterator[MessageSeen]:
    for direction, count, size in (
        (Direction.REQUEST, call.request_messages, call.request_bytes),
        (Direction.RESPONSE, call.response_messages, call.response_bytes),
    ):
        messages = [message for message in call.messages if message.direction is direction]
        size_in_gap = size - sum(message.size for message in messages)
        after = (message.time_ns for message in messages if message.index >= call.messages.gap().stop)
        time_ns = next(after, call.started_ns)
        for index in range(count - len(messages)):
            yield MessageSeen(number, time_ns, direction, b"", lost=0 if index else size_in_gap)
