"""Settings that are loaded again (``/api/reload``)."""

from starlette.requests import Request
from starlette.responses import Response

from loom.api import endpoints
from loom.errors import ReloadError
from loom.inspector.context import inspector_of
from loom.inspector.responses import ApiError, JsonResponse
from loom.inspector.routing import route


async def reload(request: Request) -> Response:
    """Load the settings again."""
    load = inspector_of(request).reload
    if load is None:
        raise ApiError(404, "there are no settings to load again: a file is open")
    try:
        return JsonResponse(await load())
    except ReloadError as error:
        raise ApiError(
            422,
            "nothing was reloaded, as the settings have errors",
            "correct them, and reload again",
            problems=list(error.problems),
        ) from error


routes = [route(endpoints.RELOAD, reload)]
