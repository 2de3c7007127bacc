"""Routes of :mod:`loom.api.endpoints`."""

import re
from collections.abc import Awaitable, Callable

from starlette.convertors import IntegerConvertor, register_url_convertor
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from loom.api.endpoints import Endpoint

Handler = Callable[[Request], Awaitable[Response]]

_PARAMETER = re.compile(r"\{(\w+)\}")


class _Number(IntegerConvertor):
    """An id or an index: few enough digits that SQLite and JSON can represent it."""

    regex = "[0-9]{1,15}"


register_url_convertor("number", _Number())


def route(endpoint: Endpoint, handler: Handler) -> Route:
    """The route by which ``handler`` answers an endpoint."""
    return Route(_PARAMETER.sub(r"{\1:number}", endpoint.path), handler, methods=[endpoint.method])
