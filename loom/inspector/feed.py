"""The live feed (``GET /api/events``): see "The feed" in docs/api.md."""

from collections.abc import AsyncIterator

from sse_starlette import EventSourceResponse, ServerSentEvent
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from loom.api.summary import summarise
from loom.publishing import Feed, Subscriber

from .context import Inspector, inspector_of
from .responses import Json

_RESUME_BATCH = 1000
_PING_SECONDS = 15
_SEND_TIMEOUT = 30.0


async def _updates(inspector: Inspector, last: Feed | None) -> AsyncIterator[ServerSentEvent]:
    hub = inspector.hub
    subscriber = Subscriber()
    hub.subscribe(subscriber)
    try:
        # Subscribed first, looked up second: what changes in between comes twice, never not at all.
        position = hub.position
        missed = hub.changes_since(last, inspector.history.get) if last is not None else None
        hello = inspector.hello() | {
            "boot": hub.boot,
            "seq": position.seq,
            "oldest_id": inspector.history.oldest_id,
            "resumed": missed is not None,
            "stats": inspector.stats(),
        }
        yield ServerSentEvent(hub.encode(hello), event="hello", id=str(position))
        if last is not None and missed is None:
            yield ServerSentEvent('{"missed":null}', event="gap", id=str(position))
        for start in range(0, len(missed or ()), _RESUME_BATCH):
            batch = (missed or [])[start : start + _RESUME_BATCH]
            yield ServerSentEvent(
                hub.encode([summarise(call) for call in batch]), event="calls", id=str(position)
            )
        while (update := await subscriber.next()) is not None:
            yield ServerSentEvent(update.data, event=update.event, id=f"{hub.boot}:{update.seq}")
    finally:
        hub.unsubscribe(subscriber)


async def events(request: Request) -> Response:
    """Server-sent events until the client leaves or Loom stops."""
    text = request.headers.get("last-event-id") or request.query_params.get("last")
    return EventSourceResponse(
        _updates(inspector_of(request), Feed.parse(text)),
        ping=_PING_SECONDS,
        send_timeout=_SEND_TIMEOUT,
    )


async def stats(request: Request) -> Response:
    """The numbers of this moment."""
    inspector = inspector_of(request)
    series = [
        [second.at_us, second.calls, second.errors, second.p50_us, second.p95_us, second.in_flight]
        for second in inspector.hub.rates.series
    ]
    return Json(inspector.stats() | {"series": series})


routes = [Route("/api/events", events), Route("/api/stats", stats)]
