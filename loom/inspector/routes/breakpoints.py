"""Breakpoints (``/api/breakpoints``)."""

from starlette.requests import Request
from starlette.responses import Response

from loom.api import endpoints
from loom.api.breakpoints import BreakpointParameters, BreakpointRequest, BreakpointsSwitch
from loom.inspector.hold_views import describe_breakpoint, describe_breakpoints
from loom.inspector.requests import find_interceptor, read_body, read_parameters
from loom.inspector.responses import ApiError, JsonResponse
from loom.inspector.routing import route
from loom.interception.breakpoints import Breakpoint
from loom.interception.holds import Holds
from loom.interception.matching import parse_match
from loom.recording.query import FilterError

_MAX_BODY = 64 * 1024
_MAX_NAME = 200  # characters


def holds_of(request: Request, what: str = "a breakpoint") -> Holds:
    """The registry of holds; :class:`ApiError` 404 where ``what`` cannot act on traffic."""
    return find_interceptor(request, what).holds


async def list_breakpoints(request: Request) -> Response:
    """Every breakpoint, with what it held."""
    return JsonResponse(describe_breakpoints(holds_of(request)))


async def set_breakpoint(request: Request) -> Response:
    """Set a breakpoint for calls that start from now on."""
    body = await read_body(request, BreakpointRequest, _MAX_BODY)
    holds = holds_of(request, f"a breakpoint on {body.match!r}" if body.match else "a breakpoint")
    name = body.name.strip() or holds.breakpoints.free_name()
    if len(name) > _MAX_NAME or not name.isprintable():
        raise ApiError(400, f"a name has at most {_MAX_NAME} printable characters", field="name")
    try:
        match = parse_match(body.match)
    except FilterError as error:
        raise ApiError(400, str(error), error.hint, column=error.column, field="match") from error
    made = Breakpoint(
        name, match, frozenset(body.points), body.release, release_after=body.release_after_ms / 1000
    )
    try:
        holds.add_breakpoint(made)
    except ValueError as error:
        raise ApiError(422, str(error)) from error
    return JsonResponse(describe_breakpoint(made))


async def switch_breakpoints(request: Request) -> Response:
    """Switch all breakpoints, or one."""
    holds = holds_of(request)
    body = await read_body(request, BreakpointsSwitch, _MAX_BODY)
    for item in _named(holds, body.name):
        item.enabled = body.enabled
    holds.release_inactive()
    return JsonResponse(describe_breakpoints(holds))


async def remove_breakpoints(request: Request) -> Response:
    """Remove a breakpoint, or all."""
    holds = holds_of(request)
    holds.remove_breakpoints(*_named(holds, read_parameters(request, BreakpointParameters).name))
    return JsonResponse(describe_breakpoints(holds))


def _named(holds: Holds, name: str) -> list[Breakpoint]:
    """The breakpoint of a name, or all for an empty one."""
    if not name:
        return list(holds.breakpoints)
    found = holds.breakpoints.find(name)
    if found is None:
        raise ApiError(404, f"no breakpoint is named {name!r}", field="name")
    return [found]


routes = [
    route(endpoints.LIST_BREAKPOINTS, list_breakpoints),
    route(endpoints.SET_BREAKPOINT, set_breakpoint),
    route(endpoints.SWITCH_BREAKPOINTS, switch_breakpoints),
    route(endpoints.REMOVE_BREAKPOINTS, remove_breakpoints),
]
