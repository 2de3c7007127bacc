"""The calls that one proxy recorded, and waiting for them without polling."""

import asyncio
from collections.abc import Sequence

from loom.archive.stored_descriptors import DescriptorRegistry
from loom.decoding.call_decoder import decode_call
from loom.decoding.stored_schema import StoredSchema
from loom.model import Call, Observer
from loom.recording.query import Query, parse
from loom.runtime.terminal import terminal_safe
from loom.schema import Schema
from loom.search.matching import CallMatcher

from ._recorded_call import RecordedCall, recorded_call

_MAX_LINES = 20


class CallNotFound(AssertionError):  # noqa: N818 (a failed assertion, not an error of the program)
    """No matching call ended within the timeout; the message lists the calls that did end."""


class UnexpectedCall(AssertionError):  # noqa: N818 (as above)
    """A call was recorded that the test forbids."""


class CallLog(Observer):
    """Observes the recorder on Loom's event loop and answers a test's queries."""

    def __init__(self) -> None:
        self._ended: list[Call] = []
        self._returned: set[int] = set()
        self._changed = asyncio.Event()
        self._schema: Schema
        self._descriptors: DescriptorRegistry

    def attach(self, schema: Schema, descriptors: DescriptorRegistry) -> None:
        """Set what calls are decoded with."""
        self._schema, self._descriptors = schema, descriptors

    def ended(self, calls: Sequence[Call]) -> None:
        self._ended += calls
        self._changed.set()

    async def calls(self, query: str) -> list[RecordedCall]:
        """Every call that has ended and matches, in the order in which they ended."""
        return [await self._convert(call) for call in await self._matching(parse(query), self._ended)]

    async def wait(self, query: str, count: int, seconds: float) -> list[RecordedCall]:
        """Wait for the next ``count`` matching calls that no earlier wait returned, at most ``seconds``."""
        compiled = parse(query)
        matches: list[Call] = []
        position = 0
        try:
            async with asyncio.timeout(seconds):
                while True:
                    self._changed.clear()
                    new_calls = [call for call in self._ended[position:] if call.id not in self._returned]
                    position = len(self._ended)
                    matches += await self._matching(compiled, new_calls)
                    if len(matches) >= count:
                        break
                    if position == len(self._ended):
                        await self._changed.wait()
        except TimeoutError:
            raise CallNotFound(self._timeout_message(query, count, len(matches), seconds)) from None
        matches = matches[:count]
        self._returned.update(call.id for call in matches)
        return [await self._convert(call) for call in matches]

    async def assert_none(self, query: str) -> None:
        """Raise :class:`UnexpectedCall` if a call that has ended matches."""
        matches = await self._matching(parse(query), self._ended)
        if matches:
            raise UnexpectedCall(f"{_matching_calls(len(matches), query)} passed:\n{call_lines(matches)}")

    def clear(self) -> None:
        """Forget the calls that have ended so far."""
        self._ended.clear()
        self._returned.clear()
        self._changed.set()

    def text(self) -> str:
        """The calls that have ended, a line each."""
        return call_lines(self._ended)

    async def _matching(self, query: Query, calls: list[Call]) -> list[Call]:
        stored = await self._descriptors.stored() if query.needs_bodies else ()
        return list(CallMatcher(query, StoredSchema(stored)).select(list(calls)))

    async def _convert(self, call: Call) -> RecordedCall:
        return recorded_call(call, await decode_call(self._schema, call))

    def _timeout_message(self, query: str, count: int, match_count: int, seconds: float) -> str:
        condition = _matching_calls(count, query).removeprefix("1 ")
        partial = f"; {match_count} did" if match_count else ""
        ended = call_lines(self._ended) or "  none"
        return f"no {condition} within {seconds:g} s{partial}. Calls that have ended:\n{ended}"


def _matching_calls(count: int, query: str) -> str:
    calls, match = ("call", "matches") if count == 1 else ("calls", "match")
    return f"{count} {calls} that {match} {query!r}" if query else f"{count} {calls}"


def call_lines(calls: list[Call]) -> str:
    """Format one line per call, the newest ones if there are many."""
    lines = [f"  … {len(calls) - _MAX_LINES} earlier ones"] if len(calls) > _MAX_LINES else []
    for call in calls[-_MAX_LINES:]:
        status = call.status.name if call.status else "?"
        message = f": {call.status.message}" if call.status and call.status.message else ""
        counts = f"↑{call.request_messages} ↓{call.response_messages}"
        lines.append(f"  #{call.id} {call.method} {call.kind} {counts} {status}{message}")
    return "\n".join(map(terminal_safe, lines))
