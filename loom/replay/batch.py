"""A whole recording sent again, call by call, and compared with what came back when it was recorded."""

import asyncio
import enum
import heapq
from collections.abc import AsyncIterator, Coroutine, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from loom.decoding.call_decoder import decode_call
from loom.model import (
    MASK,
    Call,
    CallIds,
    CallState,
    EndedBy,
    Metadata,
    Observer,
    Secrets,
    application_metadata,
)
from loom.model.projection import INTERRUPTED
from loom.proxy.target import Target
from loom.recording.history import History
from loom.recording.recorder import Recorder
from loom.schema import Schema

from .diff import CLIENT_ENDED, Change, ChangeKind, diff_calls
from .ignore_paths import IgnorePaths
from .plan import Edits, ReplayError, Timing, plan_replay
from .runner import ReplayRunner

_BUDGET = 1024 * 1024 * 1024  # bytes of one answer; ended calls are let go of at once


class Outcome(enum.StrEnum):
    """What came of one call."""

    SAME = "same"
    DIFFERENT = "different"
    FAILED = "failed"  # it could not be sent, or did not end
    SKIPPED = "skipped"  # the recording does not hold what is to be sent


@dataclass(frozen=True, slots=True)
class Result:
    """``call`` is the recorded one, ``replay`` what was made of it; ``reason`` says why it failed or was skipped."""

    call: Call
    outcome: Outcome
    changes: tuple[Change, ...] = ()
    replay: Call | None = None
    reason: str = ""


@dataclass(frozen=True, slots=True)
class BatchOptions:
    """How calls are sent and compared.

    ``metadata`` replaces the recorded values of its keys. ``patience`` is how many seconds a call may take, whatever
    its own deadline.
    """

    timing: Timing = Timing.FAST
    ignored: IgnorePaths = field(default_factory=IgnorePaths)
    metadata: Metadata = ()
    patience: float = 60.0
    concurrency: int = 1
    secrets: Secrets = field(default_factory=Secrets)


class ReplayBatch:
    """Sends calls to ``target``; ``schema`` decodes both sides of each comparison."""

    def __init__(self, target: Target, schema: Schema, rules: BatchOptions) -> None:
        self._schema = schema
        self._rules = rules
        self._history = History(_BUDGET)
        self._ended = _Ended()
        recorder = Recorder(self._history, [self._ended])
        self._replayer = ReplayRunner(target, recorder, CallIds().allocate, _spawn)

    async def results(self, calls: Iterable[Call]) -> AsyncIterator[Result]:
        """Send the calls in their order, at most ``concurrency`` at a time; results come as calls end."""
        source = iter(calls)
        running: set[asyncio.Task[Result]] = set()
        try:
            while True:
                while len(running) < self._rules.concurrency:
                    call = await asyncio.to_thread(next, source, None)
                    if call is None:
                        break
                    running.add(asyncio.create_task(self._result(call)))
                if not running:
                    return
                done, running = await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
                for task in done:
                    yield task.result()
        finally:
            for task in running:
                task.cancel()
            await asyncio.gather(*running, return_exceptions=True)

    async def _result(self, call: Call) -> Result:
        if call.ended_by is EndedBy.LOOM and not call.request_messages and call.half_closed_ns is None:
            # What its client sent was not read any more: to send nothing is not to send it again.
            return Result(call, Outcome.SKIPPED, reason="Loom ended it before it saw a request message")
        try:
            plan = plan_replay(call, Edits(metadata=self._metadata(call), timing=self._rules.timing))
        except ReplayError as error:
            return Result(call, Outcome.SKIPPED, reason=str(error))
        try:
            async with asyncio.timeout(self._rules.patience):
                replay = self._take(await self._replayer.run(replace(plan, parent=None)))
        except TimeoutError:
            reason = f"it did not end within {self._rules.patience:g} s"
            return Result(call, Outcome.FAILED, reason=reason)
        if replay.ended_by is EndedBy.LOOM:
            return Result(call, Outcome.FAILED, replay=replay, reason=replay.note)
        if replay.dropped_messages or call.dropped_messages:
            return Result(call, Outcome.SKIPPED, replay=replay, reason="too large to be compared whole")
        changes = await self._compare(call, replay)
        return Result(call, Outcome.DIFFERENT if changes else Outcome.SAME, changes, replay)

    async def _compare(self, call: Call, replay: Call) -> tuple[Change, ...]:
        left, right = await decode_call(self._schema, call), await decode_call(self._schema, replay)
        sent = replay.request_metadata
        replay.request_metadata = call.request_metadata  # what Loom was told to send otherwise is no finding
        try:
            changes = diff_calls(
                call, replay, left, right,
                ignored=self._rules.ignored, secrets=self._rules.secrets,
            )  # fmt: skip
        finally:
            replay.request_metadata = sent
        if replay.ended_by in CLIENT_ENDED and call.ended_by in CLIENT_ENDED:
            changes = [item for item in changes if not _unsent(item)]
        return tuple(changes)

    def _metadata(self, call: Call) -> Metadata:
        """The recorded metadata with the replaced keys; masked values, which nobody knows, are left out."""
        given = {key for key, _ in self._rules.metadata}
        kept = (
            item
            for item in application_metadata(call.request_metadata)
            if item[0] not in given and item[1] != MASK
        )
        return (*kept, *self._rules.metadata)

    def _take(self, call_id: int) -> Call:
        call = self._ended.take(call_id)
        self._history.clear()
        return call


class _Ended(Observer):
    """Keeps ended calls until they are taken."""

    def __init__(self) -> None:
        self._calls: dict[int, Call] = {}

    def ended(self, calls: Sequence[Call]) -> None:
        self._calls |= {call.id: call for call in calls}

    def take(self, call_id: int) -> Call:
        return self._calls.pop(call_id)


def _unsent(change: Change) -> bool:
    """Whether it is a request message that had not gone out yet when the replay was cut short."""
    return change.kind is ChangeKind.REMOVED and not change.path and change.where.startswith("request ")


def _spawn(work: Coroutine[Any, Any, Any], name: str) -> asyncio.Task[Any]:
    return asyncio.create_task(work, name=name)


def is_replayable(call: Call, *, replays: bool) -> bool:
    """Whether a recorded call is to be sent again: it had ended, and it was a client's, or ``replays`` are wanted."""
    return (
        call.state is CallState.ENDED
        and call.note != INTERRUPTED
        and (replays or call.replay_of is None)
        and not call.method.startswith("/grpc.reflection.")
    )


def by_start_time(calls: Iterable[Call], starts: Sequence[tuple[int, int]]) -> Iterator[Call]:
    """Calls that come as they ended, in the order in which they began; ``starts`` are all (started_ns, id), sorted.

    Only calls that ended before one that began earlier wait in memory.
    """
    waiting: list[tuple[int, int, int]] = []
    held: dict[int, Call] = {}
    position = 0
    for number, call in enumerate(calls):
        heapq.heappush(waiting, (call.started_ns, call.id, number))
        held[number] = call
        while waiting and position < len(starts) and waiting[0][:2] == starts[position]:
            position += 1
            yield held.pop(heapq.heappop(waiting)[2])
    while waiting:
        yield held.pop(heapq.heappop(waiting)[2])


def masked_request_keys(calls: Iterable[Call]) -> set[str]:
    """The metadata keys whose values were masked when the calls were written."""
    return {key for call in calls for key, value in call.request_metadata if value == MASK}


def masked_response_keys(call: Call) -> set[str]:
    """The same for the metadata of its answer."""
    answer = (*(call.initial_metadata or ()), *(call.trailing_metadata or ()))
    return {key for key, value in answer if value == MASK}
