"""grpcurl, directly and through each engine: reflection and health of the backend, and calls with metadata."""

import asyncio
import re
import shutil
import sysconfig
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import grpc.aio
import pytest
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from loom.model import Address, CallEnded
from tests.support.engines import ENGINES, running_engine
from tests.support.sinks import ListSink
from tests.support.zoo import UNLIMITED

GRPCURL = shutil.which("grpcurl", path=sysconfig.get_path("scripts")) or "grpcurl"
HEALTH = "grpc.health.v1.Health"

COMMANDS = (
    ("list",),
    ("list", HEALTH),
    ("describe", HEALTH),
    ("describe", ".grpc.health.v1.HealthCheckResponse"),
    ("-v", "-d", '{"service": "known"}', f"{HEALTH}/Check"),
    ("-v", "-d", '{"service": "unheard of"}', f"{HEALTH}/Check"),
    ("-v", "-H", "k: 1", "-H", "k: 2", "-H", "b-bin: AP8=", "-d", "{}", f"{HEALTH}/Check"),
    ("-v", "-d", "{}", f"{HEALTH}/NoSuchMethod"),
    ("-v", "-max-time", "0.5", "-d", '{"service": "known"}', f"{HEALTH}/Watch"),
)


@asynccontextmanager
async def healthy_backend() -> AsyncIterator[int]:
    """A backend with health and reflection; its port."""
    server = grpc.aio.server(options=UNLIMITED)
    servicer = health.aio.HealthServicer()
    health_pb2_grpc.add_HealthServicer_to_server(servicer, server)
    reflection.enable_server_reflection((HEALTH, reflection.SERVICE_NAME), server)
    await servicer.set("", health_pb2.HealthCheckResponse.SERVING)
    await servicer.set("known", health_pb2.HealthCheckResponse.NOT_SERVING)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    try:
        yield port
    finally:
        await server.stop(None)


async def grpcurl(port: int, *arguments: str) -> tuple[int | None, str, str]:
    """Run grpcurl against that port; its exit code and what it printed, without what differs by nature."""
    options = [argument for argument in arguments if argument not in {"list", "describe"}]
    verb = [argument for argument in arguments if argument in {"list", "describe"}]
    position = len(options) - 1 if not verb and options else 0
    address = f"127.0.0.1:{port}"
    ordered = [*options[:position], address, *options[position:]] if not verb else [address, *verb, *options]
    process = await asyncio.create_subprocess_exec(
        *(GRPCURL, "-plaintext", *ordered), stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    out, err = await process.communicate()
    # Its own timer and the backend's status race at a deadline: either may word it.
    worded = err.decode().replace("context deadline exceeded", "Deadline Exceeded")
    return process.returncode, re.sub(r"(?m)^date: .*\n", "", out.decode()), worded


@pytest.mark.parametrize("engine", ENGINES)
async def test_nobody_can_tell(engine: str) -> None:
    sink = ListSink()
    async with (
        asyncio.timeout(60),
        healthy_backend() as port,
        running_engine(engine, Address("127.0.0.1", port), sink) as between,
    ):
        for command in COMMANDS:
            directly = await grpcurl(port, *command)
            through = await grpcurl(between.port, *command)
            assert through == directly, command
            assert directly[1] or directly[0], command
    assert len(sink.of(CallEnded)) >= len(COMMANDS)
