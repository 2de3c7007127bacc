"""Items that are held for a person: what there is, its limits, and when it goes on without a decision.

An item is held only while somebody looks (:meth:`Holds.watch`). It goes on by a decision, by its timer, when its
breakpoint is removed, or when nobody has looked for a while. If its call ends first, it stays, to be sent again.
"""

import logging
import threading
import time
from collections.abc import Callable, Iterator

from loom.model.interception import Decision, Item, Point, Release

from .breakpoints import Breakpoint, BreakpointSet
from .hold import Expiry, Hold, HoldingCall, size_of, subject_of
from .scheduler import Scheduler

_log = logging.getLogger(__name__)

DEFAULT_MAX_HOLDS = 100
DEFAULT_MAX_BYTES = 64 * 1024 * 1024
DEFAULT_PATIENCE = 5.0
"""For how many seconds nobody may look before everything is sent, by default."""


class Holds:
    """What is held, and the breakpoints that hold it. Thread-safe.

    At most ``max_holds`` items and ``max_bytes`` of them are held; further ones pass and are counted. If nobody looks
    for ``patience`` seconds, everything goes on. ``clock`` is the wall clock in nanoseconds.
    """

    def __init__(
        self,
        scheduler: Scheduler,
        *,
        max_holds: int = DEFAULT_MAX_HOLDS,
        max_bytes: int = DEFAULT_MAX_BYTES,
        patience: float = DEFAULT_PATIENCE,
        clock: Callable[[], int] = time.time_ns,
    ) -> None:
        self.breakpoints = BreakpointSet()
        self.scheduler = scheduler
        self.max_holds = max_holds
        self.max_bytes = max_bytes
        self.bytes = 0
        self.seq = 0  # of changes
        self.closed = False
        self.passed_unwatched = 0
        self.passed_limit = 0
        self.passed_deadline = 0
        self._patience = patience
        self._clock = clock
        self._lock = threading.RLock()
        self._holds: dict[int, Hold] = {}
        self._last_id = 0
        self._watchers = 0
        self._watched = False
        self._watch_ordinal = 0
        self._cancel_expiry: Callable[[], None] = lambda: None
        self._callbacks: list[Callable[[], object]] = []

    # Who looks

    @property
    def watched(self) -> bool:
        """Whether somebody looks, or did within the last ``patience`` seconds."""
        return self._watched

    def watch(self) -> Callable[[], None]:
        """Somebody looks, until what is returned is called."""
        with self._lock:
            self._watchers += 1
            self._look()
        self.notify()
        stopped = False

        def stop() -> None:
            nonlocal stopped
            with self._lock:
                if stopped:
                    return
                stopped = True
                self._watchers -= 1
                self._look()

        return stop

    def touch(self) -> None:
        """Somebody looks now: that counts for ``patience`` seconds."""
        with self._lock:
            is_change = not self._watched
            self._look()
        if is_change:
            self.notify()

    def _look(self) -> None:
        self._watched = not self.closed
        self._watch_ordinal += 1
        self._cancel_expiry()
        self._cancel_expiry = lambda: None
        if not self._watchers:
            ordinal = self._watch_ordinal
            self._cancel_expiry = self.scheduler.call_later(self._patience, lambda: self._end_watch(ordinal))

    def _end_watch(self, ordinal: int) -> None:
        with self._lock:
            if self._watchers or ordinal != self._watch_ordinal:
                return
            self._watched = False
        count = self.resume("sent: nobody is looking")
        if count:
            _log.warning("%d held items were sent: nobody has looked for %g s", count, self._patience)
        self.notify()

    def on_change(self, callback: Callable[[], object]) -> Callable[[], None]:
        """Call back, on any thread, after each change, until what is returned is called."""
        self._callbacks = [*self._callbacks, callback]

        def stop() -> None:
            self._callbacks = [item for item in self._callbacks if item is not callback]

        return stop

    def notify(self) -> None:
        """Call back everybody who wants to know that something has changed."""
        with self._lock:
            self.seq += 1
        for callback in self._callbacks:
            callback()

    # What is held

    def __iter__(self) -> Iterator[Hold]:
        with self._lock:
            return iter(list(self._holds.values()))

    def find(self, hold_id: int) -> Hold | None:
        """The hold of this number."""
        return self._holds.get(hold_id)

    @property
    def count(self) -> int:
        """How many items are held whose call is not over."""
        with self._lock:
            return sum(not hold.over for hold in self._holds.values())

    def add(
        self,
        call: HoldingCall,
        point: Point,
        index: int,
        decision: Decision,
        names: tuple[str, ...],
        breakpoints: tuple[Breakpoint, ...],
        expiry: Expiry,
        remaining: float | None,
        release: Release,
    ) -> bool:
        """Hold what a decision would send; False if it passes, which is counted. :meth:`notify` when it is recorded.

        ``remaining`` are the seconds until the call's deadline.
        """
        items = decision.items
        size = sum(map(size_of, items))
        with self._lock:
            if not self._watched:
                self.passed_unwatched += 1
                is_held = False
            elif expiry.seconds is not None and expiry.seconds <= 0:
                self.passed_deadline += 1
                is_held = False
            elif not self._make_room(size):
                self.passed_limit += 1
                is_held = False
            else:
                is_held = True
                now = self._clock()
                self._last_id += 1
                hold = self._holds[self._last_id] = Hold(
                    self._last_id,
                    call,
                    point,
                    index,
                    items,
                    subject_of(items),
                    decision.actions,
                    names,
                    breakpoints,
                    now,
                    None if remaining is None else now + int(remaining * 1e9),
                    None if expiry.seconds is None else now + int(expiry.seconds * 1e9),
                    expiry.reason,
                    size,
                    release,
                )
                self.bytes += size
                for item in breakpoints:
                    item.hits += 1
                if expiry.seconds is not None:
                    hold.cancel_timer = self.scheduler.call_later(
                        expiry.seconds, lambda: self._expire(hold, expiry.reason)
                    )
        return is_held

    def _make_room(self, size: int) -> bool:
        """Whether an item of this size can be held; those whose call is over make room for it."""
        over = [hold for hold in self._holds.values() if hold.over]
        needed_bytes = self.bytes + size - self.max_bytes
        needed = len(self._holds) + 1 - self.max_holds
        if len(over) < needed or sum(hold.size for hold in over) < needed_bytes:
            return False
        for hold in over:
            if needed <= 0 and needed_bytes <= 0:
                break
            needed -= 1
            needed_bytes -= hold.size
            self._remove(hold)
        return True

    def _remove(self, hold: Hold) -> bool:
        if self._holds.pop(hold.id, None) is None:
            return False
        self.bytes -= hold.size
        hold.cancel_timer()
        return True

    def _expire(self, hold: Hold, reason: str) -> None:
        self.decide(hold, hold.decision(hold.items, f"sent {reason}"))

    def decide(self, hold: Hold, decision: Decision) -> bool:
        """Let a decision go on in the place of a held item; False if that is over, or decided already."""
        with self._lock:
            if hold.over or not self._remove(hold):
                return False
        hold.release(decision)
        self.notify()
        return True

    def discard(self, hold: Hold) -> None:
        """Forget an item whose call is over."""
        with self._lock:
            if hold.over:
                self._remove(hold)
        self.notify()

    def save(self, hold: Hold, edit: Item | None) -> None:
        """Save an edit of an item, which stays held."""
        with self._lock:
            if hold.id in self._holds:
                size = hold.size + (0 if edit is None else size_of(edit))
                size -= 0 if hold.edit is None else size_of(hold.edit)
                self.bytes += size - hold.size
                hold.size, hold.edit = size, edit
        self.notify()

    def resume(self, effect: str, *, call: HoldingCall | None = None) -> int:
        """Send everything that is held, or that of one call, unedited; returns how many items that were."""
        return sum(
            self.decide(hold, hold.decision(hold.items, effect))
            for hold in list(self)
            if call is None or hold.call is call
        )

    def end(self, call: HoldingCall, *, discard: bool) -> None:
        """A call is over: its items stay, as such, or are forgotten."""
        is_change = False
        with self._lock:
            for hold in list(self._holds.values()):
                if hold.call is call:
                    is_change = True
                    hold.over, hold.release_ns, hold.release_reason = True, None, ""
                    hold.cancel_timer()
                    if discard:
                        self._remove(hold)
        if is_change:
            self.notify()

    def add_breakpoint(self, item: Breakpoint) -> None:
        """Set a breakpoint, in the place of one of the same name. Raises ValueError if there are too many."""
        self.breakpoints.add(item)
        self.touch()
        self.release_inactive()

    def remove_breakpoints(self, *items: Breakpoint) -> None:
        """Remove breakpoints, and send what only they hold."""
        self.breakpoints.remove(*items)
        self.release_inactive()

    def release_inactive(self) -> None:
        """Send what only breakpoints hold that are removed or switched off."""
        for hold in list(self):
            if hold.breakpoints and not any(item.is_active for item in hold.breakpoints):
                self.decide(hold, hold.decision(hold.items, "sent: the breakpoint is gone"))
        self.notify()

    def count_unwatched(self) -> None:
        """Count a call that passes since nobody looks."""
        with self._lock:
            self.passed_unwatched += 1
        self.notify()

    def close(self) -> None:
        """Send everything, and hold nothing from now on."""
        with self._lock:
            self._watchers = 0
            self._look()
            self._cancel_expiry()
            self._watched = False
            self.closed = True
        self.resume("sent: Loom stops")
        self.notify()
