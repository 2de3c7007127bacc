"""Comparing two calls, or two messages (``/api/calls/{id}/diff/{other}``)."""

import asyncio

from starlette.requests import Request
from starlette.responses import Response

from loom.api import endpoints
from loom.api.replay import Diff, DiffParameters
from loom.codec import ChainResolver
from loom.codec.field_path import PathError
from loom.decoding.call_decoder import DecodedCall, decode_call
from loom.decoding.message_decoder import DecodedMessage
from loom.inspector.context import inspector_of
from loom.inspector.requests import find_call, read_parameters
from loom.inspector.responses import ApiError, JsonResponse
from loom.inspector.routing import route
from loom.model import Call, Secrets
from loom.replay.diff import diff_calls, diff_messages
from loom.replay.ignore_paths import IgnorePaths

_MAX_CHANGES = 10_000


async def diff_two(request: Request) -> Response:
    """What differs between two calls or, with ``message``, between two of their messages."""
    inspector = inspector_of(request)
    parameters = read_parameters(request, DiffParameters)
    ignore = _parse_paths(parameters.ignore)
    left, right = await find_call(request), await find_call(request, "other")
    before = await decode_call(inspector.decoder.schema, left)
    after = await decode_call(inspector.decoder.schema, right)
    if parameters.message is None:
        secrets = Secrets(()) if parameters.reveal else inspector.secrets
        changes = await asyncio.to_thread(
            diff_calls, left, right, before, after, ignore=ignore, secrets=secrets
        )
    else:
        other_index = parameters.message if parameters.other_message is None else parameters.other_message
        one = _find_message(left, before, parameters.message)
        other = _find_message(right, after, other_index)
        where = f"{one.direction.value} {parameters.message}"
        resolver = ChainResolver((before.resolver, after.resolver))
        changes = await asyncio.to_thread(diff_messages, one, other, where, ignore, resolver)
    more = max(len(changes) - _MAX_CHANGES, 0)
    return JsonResponse(Diff(equal=not changes, changes=changes[:_MAX_CHANGES], more=more))


def _find_message(call: Call, decoded: DecodedCall, index: int) -> DecodedMessage:
    message = next((item for item in decoded.messages if item.index == index), None)
    if message is None:
        raise ApiError(404, f"call {call.id} holds no message {index}")
    return message


def _parse_paths(paths: list[str]) -> IgnorePaths:
    try:
        return IgnorePaths(paths)
    except PathError as error:
        raise ApiError(
            400, str(error), "see docs/how-to/replay.md", column=error.column, field="ignore"
        ) from error


routes = [route(endpoints.DIFF_CALLS, diff_two)]
