"""Decisions on held items, as the API takes them: with the schema of the call's messages where they need it."""

import asyncio

from msgspec import UNSET

from loom.api.holds import HoldDecision, StatusEdit
from loom.codec import ChainResolver
from loom.decoding.any_types import with_any_types
from loom.interception.call_rules import Types
from loom.interception.final_status import make_final
from loom.interception.hold import Hold
from loom.interception.hold_decision import NOTHING, HoldError, ItemEdit, decide
from loom.interception.holds import Holds
from loom.model import CONNECTION_KEYS, Metadata
from loom.model.interception import FinalStatus, HeaderBlock, Item
from loom.replay.plan import ReplayError, parse_metadata
from loom.schema import Schema, SchemaError

DEFAULT_SCHEMA_TIMEOUT = 3.0
"""How many seconds an edit waits for the schema that it needs, by default."""

DEFAULT_INLINE_BYTES = 256 * 1024
"""The largest message that is edited on the event loop, by default."""


async def decide_hold(
    holds: Holds,
    hold: Hold,
    decision: HoldDecision,
    schema: Schema,
    *,
    schema_timeout: float = DEFAULT_SCHEMA_TIMEOUT,
    inline_bytes: int = DEFAULT_INLINE_BYTES,
) -> None:
    """Carry out a decision on a held item; an edit of one of more than ``inline_bytes`` on a thread.

    Raises :class:`~loom.interception.hold_decision.HoldError`, which leaves the item held, and
    :class:`~loom.interception.hold_decision.HoldOverError`.
    """
    edit = ItemEdit(
        json=NOTHING if decision.json is UNSET else decision.json,
        fields=tuple(decision.fields),
        metadata=None if decision.metadata is None else _metadata(decision, hold.item),
        final=None if decision.status is None else _final(decision.status),
        timeout=None if decision.deadline_ms is None else decision.deadline_ms / 1000,
    )
    types = None
    if edit.has_message:
        types = await _find_types(schema, hold.call.facts.method, edit, schema_timeout)
    if edit.has_message and hold.size > inline_bytes:
        await asyncio.to_thread(decide, holds, hold, decision.action, edit, types, decision.then)
    else:
        decide(holds, hold, decision.action, edit, types, decision.then)


async def _find_types(schema: Schema, path: str, edit: ItemEdit, timeout: float) -> Types:  # noqa: ASYNC109 (of the schema's fetch alone)
    built_in = schema.built_in_types.pool
    try:
        async with asyncio.timeout(timeout):
            method = await schema.method(path)
            resolver = ChainResolver([method.pool, built_in])
            return Types(method, await with_any_types(edit.json, resolver, schema))
    except SchemaError as error:
        return Types(None, ChainResolver([built_in]), str(error))
    except TimeoutError:
        return Types(None, ChainResolver([built_in]), f"not known within {timeout:g} s")


def _metadata(decision: HoldDecision, item: Item) -> Metadata:
    """The edited block; what gRPC sets itself stays as it came."""
    match item:
        case HeaderBlock(metadata):
            original = metadata
        case FinalStatus(_, trailing):
            original = trailing
        case _:
            original = ()
    items = [item for item in decision.metadata or () if item.key not in CONNECTION_KEYS]
    try:
        edited = parse_metadata(items, original)
    except ReplayError as error:
        raise HoldError(str(error), error.field) from error
    return (*(pair for pair in original if pair[0] in CONNECTION_KEYS), *edited)


def _final(status: StatusEdit) -> FinalStatus:
    try:
        return make_final(status.code, status.message, status.details)
    except ValueError as error:
        raise HoldError(str(error), "status") from error
