"""Puts the inspector's parts together into one ASGI app."""

from collections.abc import Callable

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.types import ASGIApp, Receive, Scope, Send

from . import calls, exchange, feed, health, schema, search
from .context import Inspector
from .page import page_routes
from .readonly import ReadOnly
from .responses import ApiError, on_api_error
from .security import Guard


def create_app(inspector: Inspector) -> Starlette:
    """The whole HTTP side of Loom, guarded."""
    app = Starlette(
        routes=[
            *health.routes,
            *feed.routes,
            *calls.routes,
            *schema.routes,
            *search.routes,
            *exchange.routes,
            *inspector.routes,
            *page_routes(calls.newest),
        ],
        middleware=[
            Middleware(Guard, access=inspector.access),
            Middleware(_FlushBeforeRequest, flush=inspector.flush),
            *([Middleware(ReadOnly, name=inspector.read_only)] if inspector.read_only else []),
        ],
        exception_handlers={ApiError: on_api_error, HTTPException: on_api_error},
    )
    app.state.inspector = inspector
    return app


class _FlushBeforeRequest:
    """Flushes the engine's event buffer before each request, so that a client finds every call that it has seen end."""

    def __init__(self, app: ASGIApp, flush: Callable[[], None]) -> None:
        self._app = app
        self._flush = flush

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self._flush()
        await self._app(scope, receive, send)
