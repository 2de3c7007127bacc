"""Search with progress (``GET /api/search``); ending the connection cancels it."""

import asyncio
from collections.abc import AsyncIterator, Coroutine
from typing import Any, TypeVar

import msgspec
from sse_starlette import EventSourceResponse, ServerSentEvent
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route

from loom.errors import LoomError
from loom.recording.query import FilterError, Query, parse
from loom.search import Answer, Done, Matches, Progress, SearchError, SearchUnavailableError

from .context import Inspector, inspector_of
from .responses import ApiError, integer

_PING_SECONDS = 15
_MOST_FOUND = 10_000  # where only the newest are asked for
_encode = msgspec.json.Encoder().encode


def read_filter(text: str) -> Query:
    """The filter of a request; :class:`ApiError` 400 with the column where it is wrong."""
    try:
        return parse(text)
    except FilterError as error:
        raise ApiError(400, str(error), error.hint, column=error.column) from None


def reading_error(error: LoomError) -> ApiError:
    """The answer to a request for recorded calls that could not be read: 503 if it may succeed later, else 500."""
    return ApiError(503 if isinstance(error, SearchUnavailableError) else 500, str(error))


T = TypeVar("T")


async def while_wanted(request: Request, work: Coroutine[Any, Any, T]) -> T:
    """The result of work that may take long; cancelled, and :class:`ClientDisconnect`, once nobody waits for it."""
    working = asyncio.ensure_future(work)
    leaving = asyncio.ensure_future(_left(request))
    try:
        await asyncio.wait({working, leaving}, return_when=asyncio.FIRST_COMPLETED)
        if not working.done():
            raise ClientDisconnect
        return working.result()
    finally:
        working.cancel()
        leaving.cancel()
        await asyncio.gather(working, leaving, return_exceptions=True)


async def _left(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass


async def _events(
    inspector: Inspector, text: str, limits: dict[str, int | None]
) -> AsyncIterator[ServerSentEvent]:
    try:
        async for answer in inspector.archive.search(text, **limits):
            event = _event(answer)
            if event is not None:
                yield event
    except SearchError as error:
        yield _sent("failed", {"error": {"message": str(error), "hint": ""}})


def _event(answer: Answer) -> ServerSentEvent | None:
    if isinstance(answer, Progress):
        return _sent("progress", {"searched": answer.searched, "of": answer.of})
    if isinstance(answer, Matches):
        return _sent("found", {"ids": [call.id for call in answer.calls], "calls": answer.calls})
    if isinstance(answer, Done):
        body = {"searched": answer.searched, "found": answer.found, "problems": answer.problems}
        return _sent("done", body)
    return None


def _sent(event: str, body: object) -> ServerSentEvent:
    return ServerSentEvent(_encode(body).decode(), event=event)


async def search(request: Request) -> Response:
    """Server-sent events until all is searched."""
    text = request.query_params.get("q", "")
    read_filter(text)
    limits = {
        "limit": integer(request, "limit", None, 1, _MOST_FOUND),
        "before": integer(request, "before", None),
        "after": integer(request, "after", None),
    }
    return EventSourceResponse(_events(inspector_of(request), text, limits), ping=_PING_SECONDS)


routes = [Route("/api/search", search, methods=["GET"])]
