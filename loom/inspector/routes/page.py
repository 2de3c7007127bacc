"""The built page: static files, and one page for every deep link, with its first rows in it."""

from collections.abc import Callable
from importlib.resources import files
from pathlib import Path

from starlette.requests import Request
from starlette.responses import FileResponse, HTMLResponse, PlainTextResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from loom.inspector.responses import encode_json

FIRST_CALLS = 60
"""How many summaries the page comes with: more than a screen has rows."""

_BODY = b"<body>"
_NOT_BUILT = (
    "Loom runs, but its page was not built into this installation.\n"
    "In a checkout: run 'make demo' or 'pip install --editable .', which build it.\n"
    "The API is at /api/calls.\n"
)


def static_folder() -> Path:
    """Where the build hook puts the page."""
    return Path(str(files("loom.inspector") / "static"))


class _Assets(StaticFiles):
    """Files whose names carry a hash of their content: kept by the browser for good."""

    def file_response(self, *args: object, **kwargs: object) -> Response:
        response = super().file_response(*args, **kwargs)  # type: ignore[arg-type]
        response.headers["Cache-Control"] = "public, max-age=31536000, immutable"
        return response


def _embeddable(content: object) -> bytes:
    """JSON without a ``<``, which cannot end or open an element."""
    return encode_json(content).replace(b"<", b"\\u003c")


def page_routes(newest: Callable[[Request, int], object], folder: Path | None = None) -> list[Mount | Route]:
    """Routes of the page at ``/`` and at every path that it routes itself.

    ``newest`` returns a page of the newest calls, at most as many as its argument says, which is embedded in the HTML:
    the first rows are drawn without another request.
    """
    where = folder or static_folder()
    index = where / "index.html"

    async def page(request: Request) -> Response:
        if not index.is_file():
            return PlainTextResponse(_NOT_BUILT, 503)
        first = b'<script type="application/json" id="first-calls">%b</script>' % _embeddable(
            newest(request, FIRST_CALLS)
        )
        html = index.read_bytes().replace(_BODY, _BODY + first, 1)
        return HTMLResponse(html, headers={"Cache-Control": "no-store"})

    async def icon(_: Request) -> Response:
        file = where / "favicon.svg"
        return FileResponse(file) if file.is_file() else Response(status_code=404)

    return [
        Mount("/assets", _Assets(directory=where / "assets", check_dir=False)),
        Route("/favicon.svg", icon),
        Route("/", page),
        Route("/calls/{rest:path}", page),
    ]
