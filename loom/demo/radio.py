"""``harbour.v1.Radio``: ship to shore, both ways at once, for hours."""

from __future__ import annotations  # grpc's types are generic for type checkers only

import asyncio
import itertools
from collections.abc import AsyncIterator
from typing import Any

import grpc

from .harbour import Harbour

_SHORE = "Hamburg Port Control"
_HEARD = ("Pan-pan, pan-pan", "Radio check, over", "Permission to pass the lock?", "⛵ ahoy")


class Radio:
    """Methods by their names in the contract."""

    def __init__(self, harbour: Harbour) -> None:
        self._harbour = harbour
        self._make = harbour.contract.make

    async def Talk(
        self,
        requests: AsyncIterator[Any],
        context: grpc.aio.ServicerContext[Any, Any],
    ) -> AsyncIterator[Any]:
        async for heard in requests:
            answer = self._answer(heard)
            answer.sender = _SHORE
            answer.channel = heard.channel
            answer.sent_at.GetCurrentTime()
            yield answer
            if heard.WhichOneof("content") == "speech" and heard.speech.endswith("out"):
                return

    def _answer(self, heard: Any) -> Any:
        answer = self._make("Transmission")
        content = heard.WhichOneof("content")
        if content == "speech":
            answer.speech = f"{heard.sender}, {_SHORE}: understood, “{heard.speech}”"
        elif content == "bearing":
            answer.bearing.degrees = (heard.bearing.degrees + 180) % 360
            answer.bearing.nautical_miles = heard.bearing.nautical_miles
        elif content == "morse":
            answer.morse = bytes(reversed(heard.morse))
        else:
            notice = self._make("QuarantineNotice", reason="papers received, wait at anchor")
            notice.duration.FromSeconds(5400)
            answer.document.Pack(notice)
        return answer

    async def KeepWatch(
        self,
        request: Any,
        context: grpc.aio.ServicerContext[Any, Any],
    ) -> AsyncIterator[Any]:
        channels = itertools.cycle(request.channels or (16,))
        for number, heard in enumerate(itertools.cycle(_HEARD)):
            signal = self._make("Signal", channel=next(channels), strength=number % 4, heard=heard)
            signal.at.GetCurrentTime()
            yield signal
            await asyncio.sleep(2)
