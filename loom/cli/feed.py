"""The live feed of a running Loom, read for as long as there is one: it reconnects and resumes."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any

import aiohttp
import msgspec

from loom.api.feed import FEED_EVENTS, FeedEvent
from loom.errors import LoomError

from .api_client import Attached

_FIRST_PAUSE = 0.25
_LONGEST_PAUSE = 5.0
_SILENCE = 40.0  # seconds; the feed sends something every 15
_NO_TIMEOUT = aiohttp.ClientTimeout(total=None, connect=5, sock_read=_SILENCE)


def live(ui: str, token: str | None) -> Attached:
    """A connection that may stay open as long as it likes."""
    return Attached(ui, token, _NO_TIMEOUT)


async def follow(attached: Attached, lost: Callable[[str], None]) -> AsyncIterator[FeedEvent]:
    """Every event of the feed, across reconnects; ``lost`` is told why the connection went.

    The first connection must succeed (:class:`LoomError` otherwise); after that this goes on until it is closed.
    """
    last = ""
    pause = _FIRST_PAUSE
    connected = False
    while True:
        try:
            headers = {"Last-Event-ID": last} if last else {}
            async with attached.open("/api/events", headers=headers) as answer:
                async for position, event in events(answer, FEED_EVENTS):
                    connected = True
                    last, pause = position or last, _FIRST_PAUSE
                    yield event
            reason = "the feed has ended"
        except LoomError as error:
            if not connected:
                raise
            reason = str(error)
        except (aiohttp.ClientError, TimeoutError) as error:
            reason = " ".join(str(error).split()) or "nothing came for too long"
        lost(f"{reason}; trying again in {pause:g} s")
        await asyncio.sleep(pause)
        pause = min(pause * 2, _LONGEST_PAUSE)


async def events(answer: aiohttp.ClientResponse, kinds: Mapping[str, Any]) -> AsyncIterator[tuple[str, Any]]:
    """The data of events of these ``kinds``, with their ids.

    Source: https://html.spec.whatwg.org/multipage/server-sent-events.html
    """
    kind, position, data = "message", "", list[str]()
    pending = b""
    async for chunk in answer.content.iter_any():
        *lines, pending = (pending + chunk).split(b"\n")
        for raw in lines:
            line = raw.decode().removesuffix("\r")
            if not line:
                if data and kind in kinds:
                    yield position, _decoded("\n".join(data), kinds[kind])
                kind, data = "message", []
                continue
            name, _, value = line.partition(":")
            value = value.removeprefix(" ")
            if name == "event":
                kind = value
            elif name == "id":
                position = value
            elif name == "data":
                data.append(value)


def _decoded(data: str, kind: Any) -> Any:
    try:
        return msgspec.json.decode(data, type=kind)
    except msgspec.DecodeError as error:
        raise LoomError(f"the feed has an event that this version of Loom does not know: {error}") from error
