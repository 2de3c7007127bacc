"""The calls that passed one Loom: waiting for them, without ever polling."""

import asyncio
from collections.abc import Sequence

from loom.archive.stored_descriptors import Remembered
from loom.decoding.messages import decoded_by
from loom.decoding.stored_schema import StoredSchema
from loom.model import Call, Observer
from loom.recording.query import Query, parse
from loom.recording.summary import summarise
from loom.schema import Schema
from loom.search.details import CallDetails

from ._client import WatchedCall, watched

_LISTED = 20


class CallNotSeen(AssertionError):  # noqa: N818 (an assertion that fails, no fault of the program)
    """No call passed that matches, within the time given; the text lists those that did."""


class UnexpectedCall(AssertionError):  # noqa: N818 (as above)
    """A call passed that should not have."""


class Passed(Observer):
    """Lives on Loom's loop: told of calls by its recorder, asked by tests."""

    def __init__(self) -> None:
        self._ended: list[Call] = []
        self._taken: set[int] = set()
        self._changed = asyncio.Event()
        self._schema: Schema
        self._remembered: Remembered

    def attach(self, schema: Schema, remembered: Remembered) -> None:
        """What calls are decoded by."""
        self._schema, self._remembered = schema, remembered

    def ended(self, calls: Sequence[Call]) -> None:
        self._ended += calls
        self._changed.set()

    async def calls(self, query: str) -> list[WatchedCall]:
        """Every call that has ended and matches, in the order in which they ended."""
        return [await self._watched(call) for call in await self._matching(parse(query), self._ended)]

    async def wait(self, query: str, count: int, seconds: float) -> list[WatchedCall]:
        """The next ``count`` calls that match and that no wait has given before; :class:`CallNotSeen` in time."""
        asked = parse(query)
        found: list[Call] = []
        position = 0
        try:
            async with asyncio.timeout(seconds):
                while True:
                    self._changed.clear()
                    fresh = [call for call in self._ended[position:] if call.id not in self._taken]
                    position = len(self._ended)
                    found += await self._matching(asked, fresh)
                    if len(found) >= count:
                        break
                    if position == len(self._ended):
                        await self._changed.wait()
        except TimeoutError:
            raise CallNotSeen(self._complaint(query, count, len(found), seconds)) from None
        found = found[:count]
        self._taken.update(call.id for call in found)
        return [await self._watched(call) for call in found]

    async def refuse(self, query: str) -> None:
        """Raise :class:`UnexpectedCall` if a call that has ended matches."""
        found = await self._matching(parse(query), self._ended)
        if found:
            raise UnexpectedCall(f"{_that_match(len(found), query)} passed:\n{listed(found)}")

    def clear(self) -> None:
        """Forget the calls that have ended so far."""
        self._ended.clear()
        self._taken.clear()
        self._changed.set()

    def text(self) -> str:
        """The calls that have ended, a line each."""
        return listed(self._ended)

    async def _matching(self, query: Query, calls: list[Call]) -> list[Call]:
        stored = StoredSchema(await self._remembered.stored()) if query.needs_bodies else StoredSchema(())
        found = []
        for call in list(calls):
            summary = summarise(call)
            answer = query.answer(summary)
            if answer is None:
                answer = query.answer(summary, CallDetails(call, stored))
            if answer:
                found.append(call)
        return found

    async def _watched(self, call: Call) -> WatchedCall:
        return watched(call, await decoded_by(self._schema, call))

    def _complaint(self, query: str, count: int, found: int, seconds: float) -> str:
        what = _that_match(count, query).removeprefix("1 ")
        some = f"; {found} did" if found else ""
        seen = listed(self._ended) or "  none"
        return f"no {what} within {seconds:g} s{some}. Calls that have ended:\n{seen}"


def _that_match(count: int, query: str) -> str:
    calls, match = ("call", "matches") if count == 1 else ("calls", "match")
    return f"{count} {calls} that {match} {query!r}" if query else f"{count} {calls}"


def listed(calls: list[Call]) -> str:
    """A line a call, the newest ones if there are many."""
    lines = [f"  … {len(calls) - _LISTED} earlier ones"] if len(calls) > _LISTED else []
    for call in calls[-_LISTED:]:
        status = call.status.name if call.status else "?"
        why = f": {call.status.message}" if call.status and call.status.message else ""
        counts = f"↑{call.request_messages} ↓{call.response_messages}"
        lines.append(f"  #{call.id} {call.method} {call.kind} {counts} {status}{why}")
    return "\n".join(lines)
