"""The harbour's gRPC server: three services, reflection, health, and one service that nobody describes."""

from __future__ import annotations  # grpc's types are generic for type checkers only

import random
from typing import Any

import grpc
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from loom.errors import StartError
from loom.model import Address

from .cargo import Cargo
from .contract import PACKAGE, Contract
from .harbour import Harbour
from .radio import Radio
from .vessels import Vessels

BEACON = "harbour.internal.Beacon"
_SEED = 1842


class DemoBackend:
    """Listens on ``address`` (port 0: any free one), in cleartext."""

    def __init__(self, address: Address, contract: Contract | None = None) -> None:
        self.address = address
        self.contract = contract or Contract()
        self._server = grpc.aio.server(options=[("grpc.so_reuseport", 0)])

    async def start(self) -> None:
        """Raises :class:`StartError` if the address is taken."""
        harbour = Harbour(self.contract, random.Random(_SEED))  # noqa: S311 (cargo, not keys)
        for service in (Vessels(harbour), Cargo(harbour), Radio(harbour)):
            self._add(type(service).__name__, service)
        self._server.add_generic_rpc_handlers((_beacon(),))
        checks = health.aio.HealthServicer()
        health_pb2_grpc.add_HealthServicer_to_server(checks, self._server)
        for name in ("", *self.contract.services):
            await checks.set(name, health_pb2.HealthCheckResponse.SERVING)
        names = (*self.contract.services, health.SERVICE_NAME, reflection.SERVICE_NAME)
        reflection.enable_server_reflection(names, self._server, pool=self.contract.pool)
        try:
            port = self._server.add_insecure_port(str(self.address))
        except RuntimeError as error:
            raise StartError(f"the demo's backend cannot listen on {self.address}: {error}") from error
        self.address = Address(self.address.host, port)
        await self._server.start()

    async def stop(self) -> None:
        """End every call at once."""
        await self._server.stop(0)

    async def serve(self) -> None:
        """Wait until it is stopped."""
        await self._server.wait_for_termination()

    def _add(self, name: str, service: object) -> None:
        handlers = {
            method: rpc.handler(getattr(service, method)) for method, rpc in self.contract.rpcs(name).items()
        }
        self._server.add_generic_rpc_handlers(
            (grpc.method_handlers_generic_handler(f"{PACKAGE}.{name}", handlers),)
        )


def _beacon() -> grpc.GenericRpcHandler:
    """A service in no .proto file and no reflection answer: what Loom shows of it is schemaless."""

    async def flash(request: bytes, context: grpc.aio.ServicerContext[Any, Any]) -> bytes:  # noqa: ARG001
        # Field 1: the request, 2: a varint, 3: a double, as a protobuf message nobody described.
        return b"\x0a" + bytes([len(request)]) + request + b"\x10\x96\x01\x19\x1f\x85\xebQ\xb8\x1e\t@"

    return grpc.method_handlers_generic_handler(BEACON, {"Flash": grpc.unary_unary_rpc_method_handler(flash)})
