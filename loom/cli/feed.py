"""The live feed of a running Loom: server-sent events, followed across reconnects."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any

import aiohttp
import msgspec

from loom.api.feed import FEED_EVENTS, FeedEvent
from loom.errors import LoomError

from .api_client import ApiClient

_MIN_DELAY = 0.25
_MAX_DELAY = 5.0
_READ_TIMEOUT = 40.0  # seconds; the feed sends something every 15
_STREAM_TIMEOUT = aiohttp.ClientTimeout(total=None, connect=5, sock_read=_READ_TIMEOUT)


def streaming_client(ui: str, token: str | None) -> ApiClient:
    """Return a client whose requests may take any time, as long as something is received."""
    return ApiClient(ui, token, _STREAM_TIMEOUT)


async def follow(client: ApiClient, on_disconnect: Callable[[str], None]) -> AsyncIterator[FeedEvent]:
    """Yield every event of the feed; reconnect and resume when the connection is lost.

    ``on_disconnect`` is called with the reason. The first connection must succeed, else :class:`LoomError` is raised.
    """
    last_id = ""
    delay = _MIN_DELAY
    connected = False
    while True:
        try:
            headers = {"Last-Event-ID": last_id} if last_id else {}
            async with client.open("/api/events", headers=headers) as response:
                async for event_id, event in events(response, FEED_EVENTS):
                    connected = True
                    last_id, delay = event_id or last_id, _MIN_DELAY
                    yield event
            reason = "the feed has ended"
        except LoomError as error:
            if not connected:
                raise
            reason = str(error)
        except (aiohttp.ClientError, TimeoutError) as error:
            reason = " ".join(str(error).split()) or f"nothing received for {_READ_TIMEOUT:g} s"
        on_disconnect(f"{reason}; trying again in {delay:g} s")
        await asyncio.sleep(delay)
        delay = min(delay * 2, _MAX_DELAY)


async def events(
    response: aiohttp.ClientResponse, kinds: Mapping[str, Any]
) -> AsyncIterator[tuple[str, Any]]:
    """Yield id and data of each event of one of ``kinds``, decoded as its type there.

    Source: https://html.spec.whatwg.org/multipage/server-sent-events.html
    """
    kind, event_id, data = "message", "", list[str]()
    buffer = b""
    async for chunk in response.content.iter_any():
        *lines, buffer = (buffer + chunk).split(b"\n")
        for raw in lines:
            line = raw.decode().removesuffix("\r")
            if not line:
                if data and kind in kinds:
                    yield event_id, _decode("\n".join(data), kinds[kind])
                kind, data = "message", []
                continue
            name, _, value = line.partition(":")
            value = value.removeprefix(" ")
            if name == "event":
                kind = value
            elif name == "id":
                event_id = value
            elif name == "data":
                data.append(value)


def _decode(data: str, kind: Any) -> Any:
    try:
        return msgspec.json.decode(data, type=kind)
    except msgspec.DecodeError as error:
        raise LoomError(
            f"an event of the feed does not fit this version of Loom ({error}); use the same version for both"
        ) from error
