"""Refuses whatever would change something, where the calls of a file are shown."""

from starlette.types import ASGIApp, Receive, Scope, Send

from .responses import error_response

_SAFE = frozenset(("GET", "HEAD", "OPTIONS"))


class ReadOnly:
    """ASGI middleware; ``name`` is the file that is open."""

    def __init__(self, app: ASGIApp, name: str) -> None:
        self._app = app
        self._name = name

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["method"] not in _SAFE:
            refusal = error_response(
                403,
                f"{self._name} is open read-only: nothing can be changed or sent from here",
                "import the file into a running Loom to work with its calls",
            )
            await refusal(scope, receive, send)
            return
        await self._app(scope, receive, send)
