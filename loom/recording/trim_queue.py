"""The order in which live calls give up messages when they alone fill the history's budget."""

from collections import OrderedDict
from collections.abc import Iterable

from loom.model import Call


class TrimQueue:
    """Live calls that have messages, in turn: long streams, which have messages to spare, before all others.

    Every operation takes constant time. A call that has no messages any more leaves the queue until it is :meth:`put`
    again, so that the queue is walked over no more calls than there were events.
    """

    def __init__(self, calls: Iterable[Call] = ()) -> None:
        # OrderedDict: removals at the front are O(1), which a dict's are not.
        self._streams: OrderedDict[int, Call] = OrderedDict()
        self._others: OrderedDict[int, Call] = OrderedDict()
        for call in calls:
            self.put(call)

    def __len__(self) -> int:
        return len(self._streams) + len(self._others)

    def put(self, call: Call) -> None:
        """Queue a call that may have got messages; one that is queued already keeps its place."""
        call_id = call.id
        if call_id in self._streams:
            return
        if call.messages.has_middle:
            self._streams[call_id] = call
            self._others.pop(call_id, None)
        elif call_id not in self._others and call.messages:
            self._others[call_id] = call

    def pop(self) -> Call | None:
        """Take out the call whose turn it is; None if no call has messages."""
        while self._streams:
            call_id, call = self._streams.popitem(last=False)
            if call.messages.has_middle:
                return call
            self._others[call_id] = call
        while self._others:
            _, call = self._others.popitem(last=False)
            if call.messages:
                return call
        return None

    def discard(self, call_id: int) -> None:
        """Take out a call, if it is queued: it has ended."""
        self._streams.pop(call_id, None)
        self._others.pop(call_id, None)
