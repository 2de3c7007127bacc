"""Puts the inspector's parts together into one ASGI app."""

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware

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
            *([Middleware(ReadOnly, name=inspector.read_only)] if inspector.read_only else []),
        ],
        exception_handlers={ApiError: on_api_error, HTTPException: on_api_error},
    )
    app.state.inspector = inspector
    return app
