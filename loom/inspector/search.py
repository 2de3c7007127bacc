"""Search with progress (``GET /api/search``); ending the connection cancels it."""

from collections.abc import AsyncIterator

import msgspec
from sse_starlette import EventSourceResponse, ServerSentEvent
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from loom.actions.reading import Answer, Done, Found, Progress, ReadingError
from loom.recording.query import FilterError, Query, parse

from .context import Inspector, inspector_of
from .responses import ApiError

_PING_SECONDS = 15
_encode = msgspec.json.Encoder().encode


def read_filter(text: str) -> Query:
    """The filter of a request; :class:`ApiError` 400 with the column where it is wrong."""
    try:
        return parse(text)
    except FilterError as error:
        raise ApiError(400, str(error), error.hint, column=error.column) from None


async def _events(inspector: Inspector, text: str) -> AsyncIterator[ServerSentEvent]:
    try:
        async for answer in inspector.archive.search(text):
            event = _event(answer)
            if event is not None:
                yield event
    except ReadingError as error:
        yield _sent("failed", {"error": {"message": str(error), "hint": ""}})


def _event(answer: Answer) -> ServerSentEvent | None:
    if isinstance(answer, Progress):
        return _sent("progress", {"searched": answer.searched, "of": answer.of})
    if isinstance(answer, Found):
        return _sent("found", {"ids": [call["id"] for call in answer.calls], "calls": answer.calls})
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
    return EventSourceResponse(_events(inspector_of(request), text), ping=_PING_SECONDS)


routes = [Route("/api/search", search, methods=["GET"])]
