"""The live feed, and the figures of this moment (``/api/events``, ``/api/stats``)."""

from collections.abc import AsyncIterator

import msgspec
from sse_starlette import EventSourceResponse, ServerSentEvent
from starlette.requests import Request
from starlette.responses import Response

from loom.api import endpoints
from loom.api.feed import FeedParameters, Gap, Hello
from loom.api.stats import StatsSeries
from loom.api.summary import summarise
from loom.inspector.context import Inspector, inspector_of
from loom.inspector.requests import read_parameters
from loom.inspector.responses import JsonResponse
from loom.inspector.routing import route
from loom.publishing import FeedPosition, Subscriber

_RESUME_BATCH = 1000
_PING_SECONDS = 15
_SEND_TIMEOUT = 30.0


async def _updates(inspector: Inspector, last: FeedPosition | None) -> AsyncIterator[ServerSentEvent]:
    hub = inspector.hub
    subscriber = Subscriber()
    hub.subscribe(subscriber)
    try:
        # Subscribe before looking up what was missed: a change in between is sent twice rather than never.
        position = hub.position
        missed = hub.changes_since(last, inspector.history.get) if last is not None else None
        hello = Hello(
            **msgspec.structs.asdict(inspector.launch()),
            boot=hub.boot,
            seq=position.seq,
            oldest_id=inspector.history.oldest_id,
            resumed=missed is not None,
            stats=inspector.stats(),
        )
        yield ServerSentEvent(hub.encode(hello), event="hello", id=str(position))
        if last is not None and missed is None:
            yield ServerSentEvent(hub.encode(Gap(None)), event="gap", id=str(position))
        for start in range(0, len(missed or ()), _RESUME_BATCH):
            batch = (missed or [])[start : start + _RESUME_BATCH]
            calls = hub.encode([summarise(call) for call in batch])
            yield ServerSentEvent(calls, event="calls", id=str(position))
        while (update := await subscriber.next()) is not None:
            yield ServerSentEvent(update.data, event=update.event, id=f"{hub.boot}:{update.seq}")
    finally:
        hub.unsubscribe(subscriber)


async def follow_feed(request: Request) -> Response:
    """Server-sent events until the client leaves or Loom stops."""
    last = request.headers.get("last-event-id") or read_parameters(request, FeedParameters).last
    return EventSourceResponse(
        _updates(inspector_of(request), FeedPosition.parse(last)),
        ping=_PING_SECONDS,
        send_timeout=_SEND_TIMEOUT,
    )


async def get_stats(request: Request) -> Response:
    """The figures of this moment and of the seconds before."""
    inspector = inspector_of(request)
    series = [
        (second.at_us, second.calls, second.errors, second.p50_us, second.p95_us, second.in_flight)
        for second in inspector.hub.rates.series
    ]
    return JsonResponse(StatsSeries(**msgspec.structs.asdict(inspector.stats()), series=series))


routes = [
    route(endpoints.FOLLOW_FEED, follow_feed),
    route(endpoints.GET_STATS, get_stats),
]
