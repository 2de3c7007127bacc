"""Filters, and search with progress (``/api/search``)."""

import asyncio
from collections.abc import AsyncIterator, Coroutine
from typing import Any, TypeVar

from sse_starlette import EventSourceResponse, ServerSentEvent
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from loom.api import endpoints
from loom.api.errors import Problem
from loom.api.feed import SearchDone, SearchFailed, SearchFound, SearchParameters, SearchProgress
from loom.errors import LoomError
from loom.inspector.context import Inspector, inspector_of
from loom.inspector.requests import read_parameters
from loom.inspector.responses import ApiError, encode_json
from loom.inspector.routing import route
from loom.recording.query import FilterError, Query, parse
from loom.search import Done, Matches, Progress, SearchError, SearchUnavailableError

_PING_SECONDS = 15

T = TypeVar("T")


def parse_filter(text: str) -> Query:
    """The filter of a request; :class:`ApiError` 400 with the column where it is wrong."""
    try:
        return parse(text)
    except FilterError as error:
        raise ApiError(400, str(error), error.hint, column=error.column) from None


def search_error(error: LoomError) -> ApiError:
    """The answer to a request for recorded calls that could not be read: 503 if it may succeed later, else 500."""
    return ApiError(503 if isinstance(error, SearchUnavailableError) else 500, str(error))


async def run_while_connected(request: Request, work: Coroutine[Any, Any, T]) -> T:
    """The result of ``work``; if the client disconnects first, cancel it and raise :class:`ClientDisconnect`."""
    task = asyncio.ensure_future(work)
    disconnect = asyncio.ensure_future(_wait_for_disconnect(request))
    try:
        await asyncio.wait({task, disconnect}, return_when=asyncio.FIRST_COMPLETED)
        if not task.done():
            raise ClientDisconnect
        return task.result()
    finally:
        task.cancel()
        disconnect.cancel()
        await asyncio.gather(task, disconnect, return_exceptions=True)


async def _wait_for_disconnect(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass


async def _events(inspector: Inspector, parameters: SearchParameters) -> AsyncIterator[ServerSentEvent]:
    answers = inspector.archive.search(
        parameters.q, limit=parameters.limit, before=parameters.before, after=parameters.after
    )
    try:
        async for answer in answers:
            match answer:
                case Progress():
                    yield _event("progress", SearchProgress(answer.searched, answer.of))
                case Matches():
                    matches = SearchFound([call.id for call in answer.calls], answer.calls)
                    yield _event("found", matches)
                case Done():
                    yield _event("done", SearchDone(answer.searched, answer.found, answer.problems))
    except SearchError as error:
        yield _event("failed", SearchFailed(Problem(str(error), "")))


def _event(name: str, data: object) -> ServerSentEvent:
    return ServerSentEvent(encode_json(data).decode(), event=name)


async def search_calls(request: Request) -> Response:
    """Server-sent events until everything is searched."""
    parameters = read_parameters(request, SearchParameters)
    parse_filter(parameters.q)
    return EventSourceResponse(_events(inspector_of(request), parameters), ping=_PING_SECONDS)


routes = [route(endpoints.SEARCH_CALLS, search_calls)]
