"""What breakpoints hold, and decisions on it (``/api/holds``)."""

import asyncio
from collections.abc import AsyncIterator

from sse_starlette import EventSourceResponse, ServerSentEvent
from starlette.requests import Request
from starlette.responses import Response

from loom.api import endpoints
from loom.api.calls import RevealParameter
from loom.api.holds import HoldDecision
from loom.inspector.context import Inspector, inspector_of
from loom.inspector.hold_edits import decide_hold as decide_on
from loom.inspector.hold_views import describe_content, describe_holds
from loom.inspector.requests import read_body, read_parameters
from loom.inspector.responses import ApiError, JsonResponse, encode_json
from loom.inspector.routing import route
from loom.interception.hold import Hold
from loom.interception.hold_decision import HoldError, HoldOverError
from loom.interception.holds import Holds
from loom.model.interception import MessageItem

from .breakpoints import holds_of

_MAX_BODY = 128 * 1024 * 1024
_MAX_HEX = 64 * 1024  # bytes
_PING_SECONDS = 15
_SEND_TIMEOUT = 30.0
_INTERVAL = 0.05  # seconds, at least, between two events


async def list_holds(request: Request) -> Response:
    """Everything that is held."""
    holds = holds_of(request)
    holds.touch()
    return JsonResponse(describe_holds(holds))


async def follow_holds(request: Request) -> Response:
    """Server-sent events until the client leaves or Loom stops; meanwhile somebody looks."""
    return EventSourceResponse(
        _snapshots(inspector_of(request), holds_of(request)), ping=_PING_SECONDS, send_timeout=_SEND_TIMEOUT
    )


async def _snapshots(inspector: Inspector, holds: Holds) -> AsyncIterator[ServerSentEvent]:
    changed = asyncio.Event()
    loop = asyncio.get_running_loop()
    is_scheduled = False

    def on_change() -> None:
        nonlocal is_scheduled
        if not is_scheduled:  # thousands of items may pass between two events
            is_scheduled = True
            loop.call_soon_threadsafe(changed.set)

    stop_watch, stop_changes = holds.watch(), holds.on_change(on_change)
    try:
        while not holds.closed:
            is_scheduled = False
            changed.clear()
            inspector.flush()  # a call has its number from then on
            yield ServerSentEvent(encode_json(describe_holds(holds)).decode(), event="holds")
            await asyncio.sleep(_INTERVAL)
            await changed.wait()
    finally:
        stop_changes()
        stop_watch()


async def resume_holds(request: Request) -> Response:
    """Send everything that is held, unedited."""
    holds = holds_of(request)
    holds.resume("sent: resumed")
    return JsonResponse(describe_holds(holds))


async def get_hold(request: Request) -> Response:
    """One held item with its content."""
    holds, inspector = holds_of(request), inspector_of(request)
    reveal = read_parameters(request, RevealParameter).reveal
    hold = _find(request, holds)
    holds.touch()
    detail = await describe_content(
        hold, inspector.decoder, inspector.secrets, reveal=reveal, max_bytes=_MAX_HEX
    )
    return JsonResponse(detail)


async def decide_hold(request: Request) -> Response:
    """Decide on one held item; if the decision does not fit, the item stays held."""
    holds = holds_of(request)
    hold = _find(request, holds)
    body = await read_body(request, HoldDecision, _MAX_BODY, empty=b"{}")
    holds.touch()
    try:
        await decide_on(holds, hold, body, inspector_of(request).decoder.schema)
    except HoldError as error:
        is_message = isinstance(hold.item, MessageItem)
        raise ApiError(
            422, str(error), field=error.field, message_index=hold.index if is_message else None
        ) from error
    except HoldOverError as error:
        raise ApiError(409, str(error)) from error
    return JsonResponse(describe_holds(holds))


def _find(request: Request, holds: Holds) -> Hold:
    hold_id: int = request.path_params["id"]
    hold = holds.find(hold_id)
    if hold is None:
        raise ApiError(404, f"item {hold_id} is not held", "it was decided on, or sent automatically")
    return hold


routes = [
    route(endpoints.LIST_HOLDS, list_holds),
    route(endpoints.FOLLOW_HOLDS, follow_holds),
    route(endpoints.RESUME_HOLDS, resume_holds),
    route(endpoints.GET_HOLD, get_hold),
    route(endpoints.DECIDE_HOLD, decide_hold),
]
