"""Refuses whatever would change something, where calls of a file are only looked at."""

from starlette.types import ASGIApp, Receive, Scope, Send

from .responses import Json

_SAFE = frozenset(("GET", "HEAD", "OPTIONS"))
_FORBIDDEN = 403


class ReadOnly:
    """ASGI middleware; ``name`` is the file that is open."""

    def __init__(self, app: ASGIApp, name: str) -> None:
        self._app = app
        self._name = name

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["method"] not in _SAFE:
            error = {
                "message": f"{self._name} is open read-only: nothing can be changed or sent from here",
                "hint": "import the file into a running Loom to work with its calls",
            }
            await Json({"error": error}, _FORBIDDEN)(scope, receive, send)
            return
        await self._app(scope, receive, send)
