"""A rule tried on the calls in memory, in slices of the event loop, between which traffic is forwarded."""

import asyncio
import time
from collections import deque
from collections.abc import Sequence
from itertools import islice

from loom.api import calls as api
from loom.api.rules import RuleTrialResult, TriedCall, TriedItem
from loom.codec import ChainResolver
from loom.interception import RuleSet
from loom.interception import dry_run as core
from loom.interception.call_rules import Types
from loom.interception.loop_scheduler import SchemaTypes
from loom.interception.rules import Rule
from loom.model import Call, Secrets
from loom.model.interception import MessageItem
from loom.replay.item_diff import diff_items

_SECONDS = 2.0
_SLICE_SECONDS = 0.002
_MAX_CALL_BYTES = 4 * 1024 * 1024
_MAX_DIFF_BYTES = 256 * 1024
_MAX_ITEMS = 100
_MAX_CHANGES = 100

_UNKNOWN = Types(None, ChainResolver(()))


class RuleTrial:
    """Tries one rule. ``seed`` is the one by which it would choose calls; the newest ``shown`` calls are described."""

    def __init__(self, rule: Rule, seed: int, types: SchemaTypes, secrets: Secrets, shown: int) -> None:
        self._rule = rule
        self._rules = RuleSet([rule], seed=seed)
        self._rules.active[0].state.enabled = True  # what it would do, even if it is to be added switched off
        self._lookup = types
        self._secrets = secrets
        self._types: dict[str, Types] = {}
        self._run = core.DryRun(self._rules, self._types.__getitem__)
        self._newest: deque[core.TriedCall] = deque(maxlen=shown)
        self._slice_end = 0.0

    async def run(self, calls: Sequence[Call]) -> RuleTrialResult:
        """Try it on calls, oldest first, until the time is over; those that are too large are left out."""
        now = time.monotonic()
        end, self._slice_end = now + _SECONDS, now + _SLICE_SECONDS
        skipped = 0
        for position, call in enumerate(calls):
            if time.monotonic() >= end:
                skipped += len(calls) - position
                break
            if call.request_bytes + call.response_bytes > _MAX_CALL_BYTES:
                skipped += 1
            else:
                await self._try(call)
        state = self._rules.active[0].state
        described = []
        for tried in reversed(self._newest):
            described.append(self._describe(tried))
            await self._pause()
        return RuleTrialResult(
            self._rule.sentence,
            self._run.tried,
            state.matched,
            state.acted,
            state.failures,
            state.last_error,
            skipped,
            described,
        )

    async def _try(self, call: Call) -> None:
        if call.method not in self._types:
            may_act = self._rule.match.may_match(call.method)
            self._types[call.method] = await self._lookup.wait(call.method) if may_act else _UNKNOWN
        result = None
        for result in self._run.steps(call):  # noqa: B007 (the last one is complete)
            await self._pause()
        await self._pause()
        if result is not None:
            self._newest.append(result)

    async def _pause(self) -> None:
        if time.monotonic() >= self._slice_end:
            await asyncio.sleep(0)
            self._slice_end = time.monotonic() + _SLICE_SECONDS

    def _describe(self, tried: core.TriedCall) -> TriedCall:
        items = [self._describe_item(tried, item) for item in tried.items[:_MAX_ITEMS]]
        return TriedCall(tried.call.id, tried.call.method, items, max(0, len(tried.items) - _MAX_ITEMS))

    def _describe_item(self, tried: core.TriedCall, item: core.TriedItem) -> TriedItem:
        status = None if item.end is None else item.end.status
        added = [other for other in item.went if other != item.came]
        changes = []
        if status is None and added and item.came not in item.went and _is_small(item.came, added[0]):
            differences = diff_items(item.came, added[0], item.point, tried.types, self._secrets)
            changes = list(islice(differences, _MAX_CHANGES))
        return TriedItem(
            item.point,
            item.index,
            [action.effect for action in item.actions],
            len(item.went),
            changes,
            None if status is None else api.Status(status.code, status.name, status.message),
            round(item.delay * 1e6),
            item.never,
        )


def _is_small(*items: object) -> bool:
    return all(len(item.data) <= _MAX_DIFF_BYTES for item in items if isinstance(item, MessageItem))
