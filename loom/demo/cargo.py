"""``harbour.v1.Cargo``: containers, their papers, and a chart that is rather large."""

from __future__ import annotations  # grpc's types are generic for type checkers only

import asyncio
import hashlib
from collections import Counter
from collections.abc import AsyncIterator
from typing import Any

import grpc

from .harbour import Harbour
from .refusals import quota_spent, refuse, token_wanted

_CHART_BYTES = 1_500_000
_HEAVIEST_KG = 30_480
_ABOARD = 40


class Cargo:
    """Methods by their names in the contract."""

    def __init__(self, harbour: Harbour) -> None:
        self._harbour = harbour
        self._make = harbour.contract.make
        self._chart = harbour.chart(_CHART_BYTES)
        self._receipts = 0

    async def LoadManifest(
        self, requests: AsyncIterator[Any], context: grpc.aio.ServicerContext[Any, Any]
    ) -> Any:
        weights: Counter[str] = Counter()
        count = 0
        async for container in requests:
            count += 1
            weights[container.destination] += container.weight_kg
            if container.weight_kg > _HEAVIEST_KG:
                # Early: the client may still be sending.
                message = f"container {container.number} is too heavy: {container.weight_kg:,} kg"
                await refuse(
                    context, grpc.StatusCode.RESOURCE_EXHAUSTED, message, quota_spent(container.destination)
                )
        self._receipts += 1
        receipt = self._make(
            "ManifestReceipt",
            receipt=f"R-{self._receipts:05d}",
            containers=count,
            weight_kg_by_destination=dict(weights),
        )
        receipt.received_at.GetCurrentTime()
        return receipt

    async def ListContainers(
        self,
        request: Any,
        context: grpc.aio.ServicerContext[Any, Any],
    ) -> AsyncIterator[Any]:
        context.set_compression(grpc.Compression.Gzip)
        for container in self._harbour.containers(_ABOARD):
            yield container
            await asyncio.sleep(0.01)

    async def InspectContainer(self, request: Any, context: grpc.aio.ServicerContext[Any, Any]) -> Any:
        await asyncio.sleep(request.thoroughness.ToTimedelta().total_seconds())
        report = self._make("InspectionReport", number=request.number, cleared=True)
        report.remarks.extend(["seal intact", 4, None, {"dog": "Rex", "barked": False}])
        return report

    async def GetChart(self, request: Any, context: grpc.aio.ServicerContext[Any, Any]) -> Any:
        digest = hashlib.sha256(self._chart).digest()
        return self._make(
            "Chart", area=request.area, media_type="image/x-raw", image=self._chart, sha256=digest
        )

    async def GetTariffs(self, request: Any, context: grpc.aio.ServicerContext[Any, Any]) -> Any:
        if not any(key == "authorization" for key, _ in context.invocation_metadata() or ()):
            message = "tariffs are for callers with a token of the harbour office"
            await refuse(context, grpc.StatusCode.UNAUTHENTICATED, message, token_wanted())
        tariffs = self._make_struct()
        tariffs.update(
            {
                "currency": "EUR",
                "per_tonne": {"container": 4.75, "tanker": 6.1, "sailing": 0},
                "discounts": [{"electric": 0.2}, {"resident": True}],
                "valid_until": None,
            }
        )
        return tariffs

    def _make_struct(self) -> Any:
        return self._harbour.contract.rpcs("Cargo")["GetTariffs"].response()
