"""A relay between a client's channel and the zoo, all on one loop."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import grpc.aio
import pytest

from loom.model import Address, CallIds
from loom.proxy.relay import RelayEngine
from loom.proxy.target import Target
from tests.support.sinks import ListSink
from tests.support.zoo import SERVICE, UNLIMITED, Zoo, running_zoo

METADATA_LIMIT = 1 << 20


@dataclass
class Relay:
    """A relay with its client channel, backend and sink."""

    zoo: Zoo
    engine: RelayEngine
    target: Target
    sink: ListSink
    channel: grpc.aio.Channel

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.engine.port}"

    def call(self, method: str, **options: Any) -> Any:
        """A call to a method of the zoo through the relay, in bytes, as a bidirectional stream."""
        return self.channel.stream_stream(SERVICE + method)(**options)


@asynccontextmanager
async def running_relay(
    target_address: Address, sink: ListSink, **options: Any
) -> AsyncIterator[tuple[RelayEngine, Target]]:
    """A relay to ``target_address`` on a free port."""
    target = Target(
        target_address,
        options.pop("tls", None),
        options.pop("authority", None),
        METADATA_LIMIT,
        options.get("keepalive"),
    )
    listen = options.pop("listen", Address("127.0.0.1", 0))
    options.setdefault("server_tls", None)
    engine = RelayEngine(listen, target, sink, CallIds(), metadata_limit=METADATA_LIMIT, **options)
    try:
        await engine.start()
        yield engine, target
    finally:
        await engine.stop(0)
        await target.close()


@pytest.fixture
async def zoo() -> AsyncIterator[Zoo]:
    async with running_zoo() as running:
        yield running


@pytest.fixture
async def relay(zoo: Zoo) -> AsyncIterator[Relay]:
    sink = ListSink()
    async with running_relay(Address("127.0.0.1", zoo.port), sink) as (engine, target):
        address = f"127.0.0.1:{engine.port}"
        async with grpc.aio.insecure_channel(
            address, options=[*UNLIMITED, ("grpc.primary_user_agent", "zoo-client/1")]
        ) as channel:
            yield Relay(zoo, engine, target, sink, channel)
