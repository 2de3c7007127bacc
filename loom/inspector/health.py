"""``/live``, ``/ready``, ``/health`` for orchestrators, ``/metrics`` for Prometheus."""

from prometheus_client import CONTENT_TYPE_LATEST
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from .context import inspector_of
from .responses import Json


async def live(_: Request) -> Response:
    """200 while the process serves at all."""
    return Json({"status": "live"})


async def ready(request: Request) -> Response:
    """200 once traffic is taken; 503 with the reason before that and while draining."""
    reason = inspector_of(request).ready()
    return (
        Json({"status": "ready"}) if reason is None else Json({"status": "not ready", "reason": reason}, 503)
    )


async def health(request: Request) -> Response:
    """Readiness with target, breaker and sinks beside it; a target that is down is no fault of Loom."""
    inspector = inspector_of(request)
    reason = inspector.ready()
    stats = inspector.stats()
    body = {key: stats[key] for key in ("target", "breaker", "sinks")}
    return Json({"status": "ok" if reason is None else reason, **body}, 200 if reason is None else 503)


async def metrics(request: Request) -> Response:
    """The Prometheus text format."""
    return Response(inspector_of(request).metrics(), media_type=CONTENT_TYPE_LATEST)


routes = [
    Route("/live", live),
    Route("/ready", ready),
    Route("/health", health),
    Route("/metrics", metrics),
]
