"""Breakpoints for the length of a ``with``: a test decides on each item that they hold."""

import asyncio
from collections.abc import Callable, Coroutine, Mapping, Sequence
from types import TracebackType
from typing import Any, Literal, Protocol, Self, TypeVar

from msgspec import UNSET

from loom.api.breakpoints import ReleasePolicy
from loom.api.holds import Continuation, FieldEdit, HoldAction, HoldDecision, HoldDetail, StatusEdit
from loom.api.replay import MetadataEdit
from loom.decoding.display import DisplayDecoder
from loom.errors import LoomError
from loom.inspector.hold_edits import decide_hold
from loom.inspector.hold_views import describe_content
from loom.interception.breakpoints import Breakpoint as BreakpointState
from loom.interception.hold import Hold
from loom.interception.hold_decision import HoldOverError
from loom.interception.holds import Holds
from loom.interception.matching import parse_match
from loom.interception.rule_interceptor import RuleInterceptor
from loom.model import Secrets
from loom.model.interception import MessageItem, Point

Run = Callable[[Coroutine[Any, Any, Any], float], Any]
Points = str | Sequence[str]
ReleaseTime = float | Literal["deadline", "never"]

_DECISION_SECONDS = 30.0  # for a decision, on a machine that stalls

MESSAGE_POINTS = (Point.REQUEST_MESSAGE, Point.RESPONSE_MESSAGE)
"""Where items are held by default."""


class NothingHeld(AssertionError):  # noqa: N818 (a failed assertion, not an error of the program)
    """No item was held within the timeout."""


class HoldTarget(Protocol):
    """What sets breakpoints: the parts of a running Loom that they need."""

    interceptor: RuleInterceptor | None
    decoder: DisplayDecoder
    secrets: Secrets

    def flush(self) -> None: ...


class _Item:
    """One held item, and the edits that its decision is to have."""

    def __init__(self, loom: HoldTarget, holds: Holds, hold: Hold, detail: HoldDetail) -> None:
        self._loom, self._holds, self._hold, self._detail = loom, holds, hold, detail
        self._fields: list[FieldEdit] = []
        self._json: Any = UNSET
        self._metadata: list[MetadataEdit] | None = None
        self._status: StatusEdit | None = None

    @property
    def call_id(self) -> int:
        """The number of its call."""
        return self._detail.call_id

    @property
    def method(self) -> str:
        """The full name of the method."""
        return self._detail.method

    @property
    def point(self) -> str:
        """Where in the call it is held."""
        return self._detail.point

    @property
    def index(self) -> int:
        """Of a message: its number among those that came in its direction, from 0."""
        return self._detail.index

    @property
    def json(self) -> Any:
        """The message in canonical protobuf JSON; None at other points, and without a schema."""
        return None if self._detail.message is None else self._detail.message.json

    @property
    def data(self) -> bytes:
        """The bytes of the message; empty at other points."""
        item = self._hold.item
        return item.data if isinstance(item, MessageItem) else b""

    @property
    def metadata(self) -> list[tuple[str, str]]:
        """The header block or the trailers, binary values in base64; empty at other points."""
        return [(item.key, item.value) for item in self._detail.metadata or ()]

    @property
    def status(self) -> str | None:
        """The name of the status; None at other points."""
        return None if self._detail.status is None else self._detail.status.name

    @property
    def over(self) -> bool:
        """Whether its call is over, so that it can no longer be sent."""
        return self._hold.over

    def edit(self, fields: Mapping[str, Any] | None = None, /, **more: Any) -> Self:
        """Set fields of the message: by name, by path (``{"items[0].price": 5}``), by number (``{"1.3": 5}``)."""
        self._fields += [FieldEdit(path, value) for path, value in {**(fields or {}), **more}.items()]
        return self

    def delete(self, *paths: str) -> Self:
        """Delete fields of the message."""
        self._fields += [FieldEdit(path, delete=True) for path in paths]
        return self

    def replace(self, json: Any) -> Self:
        """Set the whole message, in JSON; what is the same keeps its bytes."""
        self._json = json
        return self

    def replace_metadata(self, items: Sequence[tuple[str, str]]) -> Self:
        """Set the header block, or the trailers."""
        self._metadata = [MetadataEdit(key, value) for key, value in items]
        return self

    def replace_status(self, code: str | int, message: str = "") -> Self:
        """Set the status, where it is held."""
        self._status = StatusEdit(code, message)
        return self

    async def _decide(self, action: HoldAction, then: Continuation = Continuation.STAY) -> None:
        if self._holds.find(self._hold.id) is None:
            raise HoldOverError(f"{self!r} is not held any more: it was decided on, or sent automatically")
        decision = HoldDecision(action, self._json, self._fields, self._metadata, self._status, then=then)
        await decide_hold(self._holds, self._hold, decision, self._loom.decoder.schema)

    def __repr__(self) -> str:
        number = f" {self.index}" if self.point in MESSAGE_POINTS else ""
        return f"<{self.point}{number} of {self.method}>"


class AsyncHeldItem(_Item):
    """One held item. An edit takes effect with the decision, of which each item gets one.

    A decision raises :class:`loom.errors.LoomError` if it does not fit the item, which stays held, or if the item can
    no longer be sent: its call is over, or Loom has sent it shortly before the deadline.
    """

    async def send(self) -> None:
        """Send it, with its edits."""
        await self._decide(HoldAction.SEND)

    async def step(self) -> None:
        """Send it, and hold the next item of its call, at whatever point."""
        await self._decide(HoldAction.SEND, Continuation.STEP)

    async def run(self) -> None:
        """Send it, and hold nothing of its call any more."""
        await self._decide(HoldAction.SEND, Continuation.RUN)

    async def drop(self) -> None:
        """Send nothing in its place."""
        await self._decide(HoldAction.DROP)

    async def duplicate(self) -> None:
        """Send the message twice."""
        await self._decide(HoldAction.DUPLICATE)

    async def insert_before(self, json: Any) -> None:
        """Send another message, and then it."""
        self._json = json
        await self._decide(HoldAction.INSERT_BEFORE)

    async def insert_after(self, json: Any) -> None:
        """Send it, and then another message."""
        self._json = json
        await self._decide(HoldAction.INSERT_AFTER)

    async def answer(self, code: str | int, message: str = "", details: Sequence[Any] = ()) -> None:
        """End the call with a status."""
        self._status = StatusEdit(code, message, list(details))
        await self._decide(HoldAction.ANSWER)

    async def cancel(self) -> None:
        """Cancel the call."""
        await self._decide(HoldAction.CANCEL)


class HeldItem(_Item):
    """:class:`AsyncHeldItem` without an event loop: ``held.next().edit(text="b").send()``."""

    _run: Run

    def send(self) -> None:
        """Send it, with its edits."""
        self._wait(HoldAction.SEND)

    def step(self) -> None:
        """Send it, and hold the next item of its call, at whatever point."""
        self._wait(HoldAction.SEND, Continuation.STEP)

    def run(self) -> None:
        """Send it, and hold nothing of its call any more."""
        self._wait(HoldAction.SEND, Continuation.RUN)

    def drop(self) -> None:
        """Send nothing in its place."""
        self._wait(HoldAction.DROP)

    def duplicate(self) -> None:
        """Send the message twice."""
        self._wait(HoldAction.DUPLICATE)

    def insert_before(self, json: Any) -> None:
        """Send another message, and then it."""
        self._json = json
        self._wait(HoldAction.INSERT_BEFORE)

    def insert_after(self, json: Any) -> None:
        """Send it, and then another message."""
        self._json = json
        self._wait(HoldAction.INSERT_AFTER)

    def answer(self, code: str | int, message: str = "", details: Sequence[Any] = ()) -> None:
        """End the call with a status."""
        self._status = StatusEdit(code, message, list(details))
        self._wait(HoldAction.ANSWER)

    def cancel(self) -> None:
        """Cancel the call."""
        self._wait(HoldAction.CANCEL)

    def on_thread(self, run: Run) -> Self:
        """Make it usable on another thread: ``run`` runs a coroutine on Loom's event loop, and waits for it."""
        self._run = run
        return self

    def _wait(self, action: HoldAction, then: Continuation = Continuation.STAY) -> None:
        self._run(self._decide(action, then), _DECISION_SECONDS)


ItemT = TypeVar("ItemT", bound=_Item)


class AsyncBreakpoint:
    """A breakpoint, which holds items within ``with``, of calls that start in it.

    Whoever has entered it counts as looking. When it is left, what it still holds is sent.
    """

    def __init__(self, loom: HoldTarget, match: str, point: Points, release: ReleaseTime) -> None:
        """Raises :class:`LoomError` if an argument is not valid."""
        if loom.interceptor is None:
            raise LoomError("a breakpoint needs the relay engine, which is the default")
        self._loom = loom
        self._holds = loom.interceptor.holds
        policy = ReleasePolicy(release) if isinstance(release, str) else ReleasePolicy.AFTER
        self._breakpoint = BreakpointState(
            self._holds.breakpoints.free_name(),
            parse_match(match),
            frozenset(map(_point, [point] if isinstance(point, str) else point)),
            policy,
            release if isinstance(release, int | float) else 0.0,
        )
        self._returned: set[int] = set()
        self._stop_watch: Callable[[], None] = lambda: None

    def __enter__(self) -> Self:
        self.enter()
        return self

    def enter(self) -> None:
        """Set the breakpoint. On the thread of Loom's event loop."""
        self._stop_watch = self._holds.watch()
        self._holds.add_breakpoint(self._breakpoint)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._holds.remove_breakpoints(self._breakpoint)
        for hold in self._own():
            self._holds.discard(hold)
        self._stop_watch()

    @property
    def name(self) -> str:
        """Its name in records."""
        return self._breakpoint.name

    async def next(self, *, timeout: float = 5.0) -> AsyncHeldItem:  # noqa: ASYNC109 (a bound that callers know)
        """Wait for the next item that it holds; raises :class:`NothingHeld` after ``timeout`` seconds."""
        return await self.next_item(AsyncHeldItem, timeout)

    async def next_item(self, kind: type[ItemT], seconds: float) -> ItemT:
        """Wait for the next item, as one of ``kind``."""
        changed = asyncio.Event()
        loop = asyncio.get_running_loop()
        stop = self._holds.on_change(lambda: loop.call_soon_threadsafe(changed.set))
        try:
            async with asyncio.timeout(seconds):
                while not (waiting := [hold for hold in self._own() if hold.id not in self._returned]):
                    changed.clear()
                    await changed.wait()
        except TimeoutError:
            raise NothingHeld(self._explain(seconds)) from None
        finally:
            stop()
        hold = waiting[0]
        self._returned.add(hold.id)
        self._loom.flush()
        detail = await describe_content(
            hold, self._loom.decoder, self._loom.secrets, reveal=True, max_bytes=0
        )
        return kind(self._loom, self._holds, hold, detail)

    def _own(self) -> list[Hold]:
        return [hold for hold in self._holds if self._breakpoint in hold.breakpoints]

    def _explain(self, seconds: float) -> str:
        points = " or ".join(point for point in Point if point in self._breakpoint.points)
        match = repr(self._breakpoint.match.text) if self._breakpoint.match.text else "every call"
        return (
            f"nothing further was held of {match} at {points} within {seconds:g} s: "
            f"it has matched {self._breakpoint.calls} calls that started in the block, "
            f"and held {self._breakpoint.hits} items"
        )


class Breakpoint:
    """:class:`AsyncBreakpoint` without an event loop."""

    def __init__(
        self, made: AsyncBreakpoint, run: Run, run_function: Callable[[Callable[[], None]], None]
    ) -> None:
        self._made, self._run, self._run_function = made, run, run_function

    def __enter__(self) -> Self:
        self._run_function(self._made.enter)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._run_function(lambda: self._made.__exit__(kind, error, trace))

    @property
    def name(self) -> str:
        """Its name in records."""
        return self._made.name

    def next(self, *, timeout: float = 5.0) -> HeldItem:
        """Wait for the next item that it holds; raises :class:`NothingHeld` after ``timeout`` seconds."""
        item: HeldItem = self._run(self._made.next_item(HeldItem, timeout), timeout + _DECISION_SECONDS)
        return item.on_thread(self._run)


def _point(name: str) -> Point:
    try:
        return Point(name)
    except ValueError:
        raise LoomError(f"unknown point {name!r}: it is one of {', '.join(Point)}") from None
