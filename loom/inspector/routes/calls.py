"""Lists of calls, one call, clearing the history (``/api/calls``)."""

import asyncio

import msgspec
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from loom.api import endpoints
from loom.api.calls import CallDetail, CallsPage, CallsParameters, Cleared, RevealParameter, Summary
from loom.api.feed import HistoryCleared
from loom.api.summary import summarise
from loom.archive.archive import CallPage
from loom.inspector.call_detail import (
    describe_dropped,
    describe_interceptions,
    describe_metadata,
    describe_timing,
)
from loom.inspector.context import Inspector, inspector_of
from loom.inspector.requests import find_call, read_parameters
from loom.inspector.responses import ApiError, JsonResponse
from loom.inspector.routing import route
from loom.model import Call
from loom.publishing import FeedPosition
from loom.search import SearchError

from .search import parse_filter, run_while_connected, search_error

_BATCH = 500  # summaries made before other tasks get a turn
_MAX_SEARCH_SECONDS = 120


async def list_calls(request: Request) -> Response:
    """A page of summaries, from memory and session; with ``memory``, or ``after`` alone, from memory."""
    inspector = inspector_of(request)
    parameters = read_parameters(request, CallsParameters)
    position = inspector.hub.position
    if parameters.q.strip() or (parameters.after is None and not parameters.memory):
        parse_filter(parameters.q)
        try:
            listed = await run_while_connected(request, _list(inspector, parameters))
        except ClientDisconnect:
            return Response(status_code=499)
    else:
        listed = await _list_in_memory(inspector, parameters)
    return JsonResponse(_page(inspector, position, listed))


def newest_calls(request: Request, limit: int) -> CallsPage:
    """A page of the newest calls in memory; ``limit`` is small enough to build it at once."""
    inspector = inspector_of(request)
    position = inspector.hub.position
    calls = [summarise(call) for call in inspector.history.newest(limit, None)]
    return _page(inspector, position, CallPage(calls, len(inspector.history) > limit))


async def _list_in_memory(inspector: Inspector, parameters: CallsParameters) -> CallPage:
    history, limit = inspector.history, parameters.limit
    if parameters.after is None:
        calls = history.newest(limit + 1, parameters.before)
        more, calls = len(calls) > limit, calls[-limit:]
    else:
        before = parameters.before
        calls = history.after(parameters.after, limit + 1)
        calls = [call for call in calls if before is None or call.id < before]
        more, calls = len(calls) > limit, calls[:limit]
    return CallPage(await _summarise(calls), more)


async def _summarise(calls: list[Call]) -> list[Summary]:
    summaries: list[Summary] = []
    for start in range(0, len(calls), _BATCH):
        summaries += [summarise(call) for call in calls[start : start + _BATCH]]
        await asyncio.sleep(0)
    return summaries


async def _list(inspector: Inspector, parameters: CallsParameters) -> CallPage:
    """From memory and session, within the time that a person would wait."""
    try:
        async with asyncio.timeout(_MAX_SEARCH_SECONDS):
            if not parameters.q.strip() and parameters.after is None:
                return await inspector.archive.list_newest(parameters.limit, parameters.before)
            return await inspector.archive.list_matching(
                parameters.q, parameters.limit, parameters.before, parameters.after
            )
    except TimeoutError:
        raise ApiError(
            504, f"the filter took longer than {_MAX_SEARCH_SECONDS} s", "narrow it, or use /api/search"
        ) from None
    except SearchError as error:
        raise search_error(error) from error


def _page(inspector: Inspector, position: FeedPosition, listed: CallPage) -> CallsPage:
    history = inspector.history
    return CallsPage(
        calls=listed.calls,
        total=len(history),
        oldest_id=history.oldest_id,
        evicted=history.evicted,
        boot=position.boot,
        seq=position.seq,
        more=listed.more,
        problems=listed.problems,
    )


async def get_call(request: Request) -> Response:
    """A call in full, but for its messages."""
    inspector = inspector_of(request)
    reveal = read_parameters(request, RevealParameter).reveal
    call = await find_call(request)
    status_details = await inspector.decoder.status_details(call)
    schema = await inspector.decoder.schema_info(call)
    return JsonResponse(
        CallDetail(
            **msgspec.structs.asdict(summarise(call)),
            metadata=describe_metadata(call, inspector.secrets, reveal=reveal),
            timing=describe_timing(call),
            status_details=status_details,
            schema=schema,
            note=call.note,
            wire=call.wire,
            dropped=describe_dropped(call),
            replays=inspector.history.replays_of(call.id),
            content_type=call.content_type,
            interceptions=describe_interceptions(call, inspector.secrets, reveal=reveal),
            dropped_interceptions=call.dropped_interceptions,
        )
    )


async def clear_calls(request: Request) -> Response:
    """Clear the history; calls under way stay."""
    inspector = inspector_of(request)
    cleared = inspector.history.clear()
    inspector.on_clear()
    inspector.hub.send("cleared", HistoryCleared())
    return JsonResponse(Cleared(cleared))


routes = [
    route(endpoints.LIST_CALLS, list_calls),
    route(endpoints.CLEAR_CALLS, clear_calls),
    route(endpoints.GET_CALL, get_call),
]
