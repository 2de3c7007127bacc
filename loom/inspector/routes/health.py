"""``/live``, ``/ready``, ``/health`` for orchestrators, ``/metrics`` for Prometheus, and the OpenAPI document."""

from prometheus_client import CONTENT_TYPE_LATEST
from starlette.requests import Request
from starlette.responses import Response

from loom.api import endpoints
from loom.api.openapi import openapi
from loom.api.stats import Health, Live, Ready
from loom.inspector.context import inspector_of
from loom.inspector.responses import JsonResponse, encode_json
from loom.inspector.routing import route


async def get_live(_: Request) -> Response:
    """200 while the process serves requests at all."""
    return JsonResponse(Live())


async def get_ready(request: Request) -> Response:
    """200 once Loom takes traffic; 503 with the reason before that and while draining."""
    reason = inspector_of(request).ready()
    if reason is None:
        return JsonResponse(Ready("ready"))
    return JsonResponse(Ready("not ready", reason), 503)


async def get_health(request: Request) -> Response:
    """Readiness; target, breaker and sinks only for a client with the token, where one is required."""
    inspector = inspector_of(request)
    reason = inspector.ready()
    status = 200 if reason is None else 503
    access = inspector.access
    if access.required and not access.authenticates(request.headers):
        return JsonResponse(Health(reason or "ok"), status)
    stats = inspector.stats()
    return JsonResponse(Health(reason or "ok", stats.target, stats.breaker, stats.sinks), status)


async def get_openapi(_: Request) -> Response:
    """The description of the API."""
    return Response(encode_json(openapi()), media_type=endpoints.JSON)


async def get_metrics(request: Request) -> Response:
    """Metrics in the Prometheus text format."""
    return Response(inspector_of(request).metrics(), media_type=CONTENT_TYPE_LATEST)


routes = [
    route(endpoints.GET_LIVE, get_live),
    route(endpoints.GET_READY, get_ready),
    route(endpoints.GET_HEALTH, get_health),
    route(endpoints.GET_METRICS, get_metrics),
    route(endpoints.GET_OPENAPI, get_openapi),
]
