"""Send the calls of a recording again, and compare the answers with the recorded ones."""

import asyncio
import enum
import heapq
from collections.abc import AsyncIterator, Coroutine, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from loom.api.replay import Change, ChangeKind, ReplaySource, ReplayTiming
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
from loom.model.interception import Interceptor
from loom.model.originals import has_original_status, with_original_answer
from loom.model.projection import INTERRUPTED
from loom.proxy.target import Target
from loom.recording.history import History
from loom.recording.recorder import Recorder
from loom.schema import Schema

from .diff import diff_calls
from .ignore_paths import IgnorePaths
from .plan import Edits, ReplayError, plan_replay
from .runner import ReplayRunner

ANSWER_BYTES = 1024 * 1024 * 1024
"""How many bytes of replayed calls are kept while they are in flight; an ended call is compared and freed."""


class Outcome(enum.StrEnum):
    """The outcome of one call."""

    SAME = "same"
    DIFFERENT = "different"
    FAILED = "failed"  # it could not be sent, or did not end in time
    SKIPPED = "skipped"  # the recording lacks a part that would be sent or compared


@dataclass(frozen=True, slots=True)
class ReplayResult:
    """``call`` as recorded and as sent again (``replay``); ``reason`` says why it failed or was skipped."""

    call: Call
    outcome: Outcome
    changes: tuple[Change, ...] = ()
    replay: Call | None = None
    reason: str = ""


@dataclass(frozen=True, slots=True)
class BatchOptions:
    """How calls are sent and compared.

    ``metadata`` replaces the recorded values of its keys. ``patience`` is how many seconds a call may take, whatever
    its own deadline. ``secrets`` are the metadata keys whose values are masked in the differences. What is sent
    ``through_rules`` is compared with what the clients got, and otherwise with what the target had answered.
    """

    timing: ReplayTiming = ReplayTiming.FAST
    source: ReplaySource = ReplaySource.WENT
    ignore: IgnorePaths = field(default_factory=IgnorePaths)
    metadata: Metadata = ()
    patience: float = 60.0
    concurrency: int = 1
    secrets: Secrets = field(default_factory=Secrets)
    through_rules: bool = False
    answer_bytes: int = ANSWER_BYTES


class ReplayBatch:
    """Sends calls to ``target`` and compares their answers, decoded with ``schema``. ``interceptor`` has the rules."""

    def __init__(
        self,
        target: Target,
        schema: Schema,
        options: BatchOptions,
        interceptor: Interceptor | None = None,
    ) -> None:
        self._schema = schema
        self._options = options
        self._history = History(options.answer_bytes)
        self._ended_calls = _EndedCalls()
        recorder = Recorder(self._history, [self._ended_calls])
        self._runner = ReplayRunner(target, recorder, CallIds().allocate, _spawn, interceptor=interceptor)

    async def results(self, calls: Iterable[Call]) -> AsyncIterator[ReplayResult]:
        """Send the calls in order, at most ``concurrency`` at a time, and yield each result when its call has ended."""
        source = iter(calls)
        running: set[asyncio.Task[ReplayResult]] = set()
        try:
            while True:
                while len(running) < self._options.concurrency:
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

    async def _result(self, call: Call) -> ReplayResult:
        if reason := _skip_reason(call, through_rules=self._options.through_rules):
            return ReplayResult(call, Outcome.SKIPPED, reason=reason)
        through_rules = self._options.through_rules
        edits = Edits(timing=self._options.timing, source=self._options.source, through_rules=through_rules)
        edits = replace(edits, metadata=self._metadata(edits.source_call(call)))
        try:
            plan = plan_replay(call, edits)
        except ReplayError as error:
            return ReplayResult(call, Outcome.SKIPPED, reason=str(error))
        try:
            async with asyncio.timeout(self._options.patience):
                replay = self._pop(await self._runner.run(replace(plan, parent=None)))
        except TimeoutError:
            reason = f"it did not end within {self._options.patience:g} s"
            return ReplayResult(call, Outcome.FAILED, reason=reason)
        if replay.ended_by is EndedBy.LOOM and not replay.acted:
            return ReplayResult(call, Outcome.FAILED, replay=replay, reason=replay.note)
        if replay.dropped_messages or call.dropped_messages:
            return ReplayResult(call, Outcome.SKIPPED, replay=replay, reason="too large to be compared whole")
        recorded = call if through_rules else with_original_answer(edits.source_call(call))
        changes = await self._compare(recorded, replay)
        return ReplayResult(call, Outcome.DIFFERENT if changes else Outcome.SAME, changes, replay)

    async def _compare(self, call: Call, replay: Call) -> tuple[Change, ...]:
        left, right = await decode_call(self._schema, call), await decode_call(self._schema, replay)
        metadata = replay.request_metadata
        replay.request_metadata = call.request_metadata  # replaced metadata is not a difference
        try:
            changes = diff_calls(
                call, replay, left, right,
                ignore=self._options.ignore, secrets=self._options.secrets,
            )  # fmt: skip
        finally:
            replay.request_metadata = metadata
        return tuple(change for change in changes if not _is_unsent_request(change))

    def _metadata(self, call: Call) -> Metadata:
        """The recorded metadata with the replaced keys, and without values that were masked in the recording."""
        replaced_keys = {key for key, _ in self._options.metadata}
        recorded = (
            item
            for item in application_metadata(call.request_metadata)
            if item[0] not in replaced_keys and item[1] != MASK
        )
        return (*recorded, *self._options.metadata)

    def _pop(self, call_id: int) -> Call:
        call = self._ended_calls.pop(call_id)
        self._history.clear()
        return call


def _skip_reason(call: Call, *, through_rules: bool) -> str:
    """Why a call that Loom ended is not sent again; "" for all others."""
    if call.ended_by is not EndedBy.LOOM:
        return ""
    if not call.request_messages and call.half_closed_ns is None:
        # Loom had stopped reading, so the recording does not have what the client sent.
        return "Loom ended it before it received a request message"
    if call.modified and not through_rules and not has_original_status(call):
        return "Loom ended it, not the target, so it has no answer to compare"
    return ""


class _EndedCalls(Observer):
    """Keeps calls from their end until they are compared."""

    def __init__(self) -> None:
        self._calls: dict[int, Call] = {}

    def ended(self, calls: Sequence[Call]) -> None:
        self._calls |= {call.id: call for call in calls}

    def pop(self, call_id: int) -> Call:
        return self._calls.pop(call_id)


def _is_unsent_request(change: Change) -> bool:
    """Whether it is a request message that the replay did not send: a backend may answer before it has read all."""
    return change.kind is ChangeKind.REMOVED and not change.path and change.where.startswith("request ")


def _spawn(coroutine: Coroutine[Any, Any, Any], name: str) -> asyncio.Task[Any]:
    return asyncio.create_task(coroutine, name=name)


def is_replayable(call: Call, *, replays: bool) -> bool:
    """Whether a recorded call can be sent again: it had ended, and is not a replay itself unless ``replays`` is set."""
    return (
        call.state is CallState.ENDED
        and call.note != INTERRUPTED
        and (replays or call.replay_of is None)
        and not call.method.startswith("/grpc.reflection.")
    )


def by_start_time(calls: Iterable[Call], starts: Sequence[tuple[int, int]]) -> Iterator[Call]:
    """Reorder calls from the order of their ends to the order of their starts.

    ``starts`` are the sorted (started_ns, id) of all of them. Only calls that ended before an earlier one are buffered.
    """
    heap: list[tuple[int, int, int]] = []
    buffer: dict[int, Call] = {}
    position = 0
    for number, call in enumerate(calls):
        heapq.heappush(heap, (call.started_ns, call.id, number))
        buffer[number] = call
        while heap and position < len(starts) and heap[0][:2] == starts[position]:
            position += 1
            yield buffer.pop(heapq.heappop(heap)[2])
    while heap:
        yield buffer.pop(heapq.heappop(heap)[2])


def masked_request_keys(calls: Iterable[Call]) -> set[str]:
    """The request metadata keys whose values are masked in the recording."""
    return {key for call in calls for key, value in call.request_metadata if value == MASK}


def masked_response_keys(call: Call) -> set[str]:
    """The initial and trailing metadata keys whose values are masked in the recording."""
    answer = (*(call.initial_metadata or ()), *(call.trailing_metadata or ()))
    return {key for key, value in answer if value == MASK}
