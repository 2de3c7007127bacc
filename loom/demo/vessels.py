"""``harbour.v1.Vessels``: where ships are, and who gets which berth."""

from __future__ import annotations  # grpc's types are generic for type checkers only

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import grpc

from .harbour import Harbour
from .refusals import bad_fields, berth_taken, refuse, unknown_vessel

_DEFAULT_EVERY = 1.0
_LONGEST_STAY = 86_400 * 14


class Vessels:
    """Methods by their names in the contract."""

    def __init__(self, harbour: Harbour) -> None:
        self._harbour = harbour
        self._make = harbour.contract.make

    async def GetVessel(self, request: Any, context: grpc.aio.ServicerContext[Any, Any]) -> Any:
        await context.send_initial_metadata((("x-harbour", "HAM"), ("x-tide", "flood"), ("x-tide", "rising")))
        vessel = self._harbour.vessel(request.id)
        if vessel is None:
            message = f"no vessel {request.id!r} in this harbour"
            await refuse(context, grpc.StatusCode.NOT_FOUND, message, unknown_vessel(request.id))
        if request.fields.paths:
            chosen = self._make("Vessel")
            request.fields.MergeMessage(vessel, chosen)
            vessel = chosen
        context.set_trailing_metadata((("x-cache", "miss"), ("x-signature-bin", b"\x00\x01harbour\xff")))
        return vessel

    async def ListVessels(self, request: Any, context: grpc.aio.ServicerContext[Any, Any]) -> Any:
        vessels = [self._harbour.vessel(vessel_id) for vessel_id in self._harbour.vessel_ids]
        matching = [vessel for vessel in vessels if not request.kinds or vessel.kind in request.kinds]
        start = int(request.page_token or 0)
        size = request.page_size or len(matching)
        more = str(start + size) if start + size < len(matching) else ""
        return self._make("ListVesselsResponse", vessels=matching[start : start + size], next_page_token=more)

    async def AssignBerth(self, request: Any, context: grpc.aio.ServicerContext[Any, Any]) -> Any:
        wrong = {}
        if not request.vessel_id:
            wrong["vessel_id"] = "must name a vessel"
        if request.number < 1:
            wrong["number"] = "berths are counted from 1"
        if not 0 < request.stay.seconds <= _LONGEST_STAY:
            wrong["stay"] = "between a second and two weeks"
        if wrong:
            await refuse(
                context, grpc.StatusCode.INVALID_ARGUMENT, "the request is not complete", bad_fields(wrong)
            )
        if request.quay == "Burchardkai":
            message = f"berth {request.number} at {request.quay} is taken"
            await refuse(
                context, grpc.StatusCode.FAILED_PRECONDITION, message, berth_taken(request.quay, 1800)
            )
        response = self._make(
            "AssignBerthResponse", confirmation=f"{request.quay[:3].upper()}-{request.number:03d}"
        )
        response.berth.quay = request.quay
        response.berth.number = request.number
        response.berth.until.GetCurrentTime()
        response.berth.until.seconds += request.stay.seconds
        return response

    async def WatchPositions(
        self,
        request: Any,
        context: grpc.aio.ServicerContext[Any, Any],
    ) -> AsyncIterator[Any]:
        every = request.every.ToTimedelta().total_seconds() or _DEFAULT_EVERY
        ids = list(request.vessel_ids) or list(self._harbour.vessel_ids)
        while True:
            for vessel_id in ids:
                update = self._make("PositionUpdate", vessel_id=vessel_id)
                update.position.CopyFrom(self._harbour.position(vessel_id))
                if update.position.speed_knots > 15:  # noqa: PLR2004 (the harbour's speed limit)
                    update.warnings.append("faster than 15 knots in the fairway")
                yield update
            await asyncio.sleep(every)
