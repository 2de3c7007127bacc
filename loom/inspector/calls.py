"""The list of calls, one call, its messages (``/api/calls…``)."""

import asyncio
from typing import Any

import msgspec
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route

from loom.api.summary import summarise
from loom.archive.archive import CallPage
from loom.inspector.call_json import describe
from loom.model import Call, Direction
from loom.publishing import Feed
from loom.search import SearchError

from .context import Inspector, inspector_of
from .responses import ApiError, Json, flag, integer
from .search import read_filter, reading_error, while_wanted

_PAUSE_EVERY = 500  # summaries made before the traffic gets its turn
_MAX_LIST = 10_000
_MAX_MESSAGES = 1000
_MAX_POINTS = 5000
_MAX_BYTES = 64 * 1024 * 1024
_MAX_SEARCH_SECONDS = 120


async def found(request: Request, inspector: Inspector, name: str = "id") -> Call:
    """The call that the path names, from memory or from the session.

    :class:`ApiError` 404 tells one that is gone from one that never was.
    """
    call_id: int = request.path_params[name]
    call = await inspector.archive.find(call_id)
    if call is not None:
        return call
    if 0 < call_id <= inspector.archive.cleared:
        kept = inspector.archive.on_disk
        hint = "the session still has it until it is pruned: 'loom sessions export'" if kept else ""
        raise ApiError(404, f"call {call_id} was cleared", hint, evicted=True)
    evicted = 0 < call_id <= inspector.history.last_id
    if evicted:
        raise ApiError(
            404,
            f"call {call_id} is no longer held",
            "raise --history-bytes to hold more in memory, or --session-bytes on disk",
            evicted=True,
        )
    newest = inspector.history.last_id
    hint = f"the newest is {newest}" if newest else "none has passed yet"
    raise ApiError(404, f"there is no call {call_id}", hint, evicted=False)


async def list_calls(request: Request) -> Response:
    """A page of summaries, of memory and session alike; ``after``, and ``memory``, look into memory only."""
    inspector = inspector_of(request)
    limit = integer(request, "limit", 1000, 1, _MAX_LIST) or 1
    before = integer(request, "before", None)
    after = integer(request, "after", None)
    position = inspector.hub.position
    history = inspector.history
    text = request.query_params.get("q", "")
    if text.strip() or (after is None and not flag(request, "memory")):
        read_filter(text)
        try:
            listed = await while_wanted(request, _listed(inspector, text, limit, before, after))
        except ClientDisconnect:
            return Response(status_code=499)
        return Json(_content(inspector, position, listed))
    calls = history.newest(limit + 1, before) if after is None else history.after(after, limit + 1)
    more = len(calls) > limit
    calls = calls[-limit:] if after is None else calls[:limit]
    summaries = []
    for start in range(0, len(calls), _PAUSE_EVERY):
        summaries += [summarise(call) for call in calls[start : start + _PAUSE_EVERY]]
        await asyncio.sleep(0)
    return Json(_content(inspector, position, CallPage(summaries, more)))


def newest(request: Request, limit: int) -> dict[str, Any]:
    """A page of the newest summaries, so few that they are made at once."""
    inspector = inspector_of(request)
    position = inspector.hub.position
    calls = [summarise(call) for call in inspector.history.newest(limit, None)]
    return _content(inspector, position, CallPage(calls, len(inspector.history) > limit))


async def _listed(
    inspector: Inspector, text: str, limit: int, before: int | None, after: int | None
) -> CallPage:
    """Over memory and session alike, within a time that a person would wait."""
    try:
        async with asyncio.timeout(_MAX_SEARCH_SECONDS):
            if not text.strip() and after is None:
                return await inspector.archive.list_newest(limit, before)
            return await inspector.archive.list_matching(text, limit, before, after)
    except TimeoutError:
        raise ApiError(
            504, f"the filter took longer than {_MAX_SEARCH_SECONDS} s", "narrow it, or use /api/search"
        ) from None
    except SearchError as error:
        raise reading_error(error) from error


def _content(inspector: Inspector, position: Feed, listed: CallPage) -> dict[str, Any]:
    history = inspector.history
    return {
        "calls": listed.calls,
        "total": len(history),
        "oldest_id": history.oldest_id,
        "evicted": history.evicted,
        "boot": position.boot,
        "seq": position.seq,
        "more": listed.more,
        "problems": listed.problems,
    }


async def one_call(request: Request) -> Response:
    """Everything of a call but its messages."""
    inspector = inspector_of(request)
    call = await found(request, inspector)
    described = describe(call, inspector.secrets, reveal=flag(request, "reveal"))
    return Json(
        msgspec.structs.asdict(summarise(call))
        | described
        | {
            "status_details": await inspector.decoder.status_details(call),
            "schema": await inspector.decoder.schema_info(call),
            "replays": inspector.history.replays_of(call.id),
        }
    )


async def messages(request: Request) -> Response:
    """A page of message rows."""
    inspector = inspector_of(request)
    call = await found(request, inspector)
    start = integer(request, "from", 0) or 0
    limit = integer(request, "limit", 100, 1, _MAX_MESSAGES) or 1
    rows = [await inspector.decoder.row(call, message) for message in call.messages.page(start, limit)]
    gap = call.messages.gap()
    return Json(
        {
            "total": call.request_messages + call.response_messages,
            "gap": [gap.start, gap.stop] if gap else None,
            "half_closed_after": call.half_closed_after,
            "messages": rows,
        }
    )


async def rail(request: Request) -> Response:
    """Where a stream's messages lie in time, from evenly spaced samples: as cheap for a million as for a few."""
    inspector = inspector_of(request)
    call = await found(request, inspector)
    points = integer(request, "points", 600, 2, _MAX_POINTS) or 2
    total = call.request_messages + call.response_messages
    step = max(1.0, (total - 1) / (points - 1))
    wanted = sorted({min(total - 1, round(at * step)) for at in range(min(points, total))})
    held = (call.messages.get(index) for index in wanted)
    samples = [
        [message.index, message.time_ns // 1000, int(message.direction is Direction.RESPONSE), message.size]
        for message in held
        if message is not None
    ]
    return Json({"total": total, "samples": samples})


async def one_message(request: Request) -> Response:
    """One message in every view, or its bytes (``raw=1``)."""
    inspector = inspector_of(request)
    call = await found(request, inspector)
    index: int = request.path_params["index"]
    message = call.messages.get(index)
    if message is None:
        if index in call.messages.gap():
            raise ApiError(
                410, f"message {index} of call {call.id} was dropped to stay within the history's budget",
                "raise --history-bytes to hold more",
            )  # fmt: skip
        raise ApiError(404, f"call {call.id} has no message {index}")
    if flag(request, "raw"):
        if message.data is None:
            raise ApiError(410, f"the bytes of message {index} of call {call.id} are not held")
        name = f"call-{call.id}-message-{index}.bin"
        return Response(
            message.data,
            media_type="application/octet-stream",
            headers={"Content-Disposition": f'attachment; filename="{name}"', "Cache-Control": "no-store"},
        )
    limit = integer(request, "bytes", 65536, 0, _MAX_BYTES) or 0
    text = integer(request, "text", None, 0, _MAX_BYTES)
    return Json(await inspector.decoder.view(call, message, limit, text))


async def clear(request: Request) -> Response:
    """Let go of the history; calls in flight stay."""
    inspector = inspector_of(request)
    cleared = inspector.history.clear()
    inspector.on_clear()
    inspector.hub.send("cleared", {})
    return Json({"cleared": cleared})


routes = [
    Route("/api/calls", list_calls, methods=["GET"]),
    Route("/api/calls", clear, methods=["DELETE"]),
    Route("/api/calls/{id:int}", one_call),
    Route("/api/calls/{id:int}/messages", messages),
    Route("/api/calls/{id:int}/rail", rail),
    Route("/api/calls/{id:int}/messages/{index:int}", one_message),
]
