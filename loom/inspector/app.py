"""Assembles routes and middleware into one ASGI app."""

from collections.abc import Callable

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.types import ASGIApp, Receive, Scope, Send

from .context import Inspector
from .read_only import ReadOnly
from .responses import ApiError, handle_error
from .routes import (
    breakpoints,
    calls,
    diff,
    feed,
    files,
    grpcurl,
    health,
    holds,
    messages,
    reload,
    replay,
    rules,
    schema,
    search,
)
from .routes.page import page_routes
from .security import Guard

API_ROUTES = [
    *health.routes,
    *feed.routes,
    *calls.routes,
    *messages.routes,
    *schema.routes,
    *search.routes,
    *files.routes,
    *grpcurl.routes,
    *diff.routes,
    *replay.routes,
    *reload.routes,
    *rules.routes,
    *breakpoints.routes,
    *holds.routes,
]


def create_app(inspector: Inspector) -> Starlette:
    """The API and the page, behind the guard."""
    app = Starlette(
        routes=[*API_ROUTES, *page_routes(calls.newest_calls)],
        middleware=[
            Middleware(Guard, access=inspector.access),
            Middleware(_FlushEvents, flush=inspector.flush),
            *([Middleware(ReadOnly, name=inspector.read_only)] if inspector.read_only else []),
        ],
        exception_handlers={ApiError: handle_error, HTTPException: handle_error, Exception: handle_error},
    )
    app.state.inspector = inspector
    return app


class _FlushEvents:
    """ASGI middleware: record what the engine has buffered, so that a client that saw a call end finds it ended."""

    def __init__(self, app: ASGIApp, flush: Callable[[], None]) -> None:
        self._app = app
        self._flush = flush

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self._flush()
        await self._app(scope, receive, send)
