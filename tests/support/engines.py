"""Either engine between a client and a backend, for running the same traffic through both."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from loom.model import Address, CallIds, Sink
from loom.proxy.engine import Engine
from loom.proxy.relay import RelayEngine
from loom.proxy.target import Target
from loom.proxy.wire import WireEngine

METADATA_LIMIT = 8 << 20

ENGINES = ("relay", "wire")
"""The engines that the differential tests run."""


@asynccontextmanager
async def running_engine(
    name: str, target: Address, sink: Sink, ids: CallIds | None = None
) -> AsyncIterator[Engine]:
    """The engine of that name on a free port of 127.0.0.1, without TLS on either side."""
    listen, ids = Address("127.0.0.1", 0), ids or CallIds()
    connections = Target(target, None, None, METADATA_LIMIT)
    factories: dict[str, Callable[[], Engine]] = {
        "relay": lambda: RelayEngine(
            listen, connections, sink, ids, server_tls=None, metadata_limit=METADATA_LIMIT
        ),
        "wire": lambda: WireEngine(listen, target, sink, ids, server_tls=None, target_tls=None),
    }
    engine = factories[name]()
    engine.flush()  # does nothing before the start
    await engine.start()
    try:
        yield engine
    finally:
        await engine.stop(0)
        await connections.close()
