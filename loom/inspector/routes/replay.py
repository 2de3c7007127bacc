"""Sending a call again (``/api/calls/{id}/replay``)."""

from dataclasses import replace

from starlette.requests import Request
from starlette.responses import Response

from loom.api import endpoints
from loom.api.replay import ReplayRequest, ReplaySource, ReplayStarted
from loom.decoding.any_types import with_any_types
from loom.decoding.call_decoder import decode_call
from loom.errors import ConfigError
from loom.inspector.context import inspector_of
from loom.inspector.requests import find_call, read_body
from loom.inspector.responses import ApiError, JsonResponse
from loom.inspector.routing import route
from loom.model import Address, Call, Direction
from loom.replay.plan import Edits, Plan, ReplayError, parse_metadata, plan_replay
from loom.schema import Schema

_MAX_BODY = 64 * 1024 * 1024
_MAX_DEADLINE_MS = 10**12


async def replay_call(request: Request) -> Response:
    """Send the call again, as recorded or edited; answer once it has begun."""
    inspector = inspector_of(request)
    if inspector.replays is None:
        raise ApiError(404, "calls cannot be sent from here")
    call = await find_call(request)
    body = await read_body(request, ReplayRequest, _MAX_BODY, empty=b"{}")
    try:
        plan = await _plan(call, body, inspector.decoder.schema)
        return JsonResponse(ReplayStarted(await inspector.replays.start(plan)))
    except ReplayError as error:
        raise ApiError(422, str(error), field=error.field, message_index=error.message_index) from error


async def _plan(call: Call, body: ReplayRequest, schema: Schema) -> Plan:
    edits = Edits(
        target=_parse_target(body.target or None),
        messages=body.messages,
        deadline=_parse_deadline(body.deadline_ms),
        timing=body.timing,
        source=body.source or (ReplaySource.CAME if body.through_rules else ReplaySource.WENT),
        through_rules=body.through_rules,
    )
    source = edits.source_call(call)
    if body.metadata is not None:
        edits = replace(edits, metadata=parse_metadata(body.metadata, source.request_metadata))
    if body.messages is None:
        return plan_replay(call, edits)
    decoding = await decode_call(schema, source, Direction.REQUEST)
    types = await with_any_types(body.messages, decoding.resolver, schema)
    return plan_replay(call, edits, decoding, types)


def _parse_target(text: str | None) -> Address | None:
    if text is None:
        return None
    try:
        return Address.parse_target(text)
    except ConfigError as error:
        raise ReplayError(str(error), field="target") from error


def _parse_deadline(milliseconds: float | None) -> float | None:
    """Milliseconds as seconds."""
    if milliseconds is None:
        return None
    if not 0 <= milliseconds <= _MAX_DEADLINE_MS:
        raise ReplayError("a deadline is 0 (none) or more milliseconds", field="deadline_ms")
    return milliseconds / 1000


routes = [route(endpoints.REPLAY_CALL, replay_call)]
