"""grpc-js, as client and as backend, directly and through each engine."""

import asyncio
from pathlib import Path

import pytest

from loom.model import Address
from tests.support import node
from tests.support.engines import ENGINES, running_engine
from tests.support.sinks import ListSink

from .foreign import comparable, foreign_backend, foreign_client

SOURCES = Path(__file__).with_name("node")


@pytest.fixture(scope="session")
def program() -> tuple[str, ...]:
    """The Node program with its dependencies, installed as the lock file says."""
    return (str(node.NODE), str(node.installed(SOURCES) / "main.js"))


@pytest.mark.parametrize("engine", ENGINES)
async def test_nobody_can_tell(engine: str, program: tuple[str, ...]) -> None:
    async with asyncio.timeout(100):
        async with foreign_backend(*program) as backend:
            client_directly = comparable(await foreign_client(backend.port, *program))
            backend_directly = comparable(await backend.reported(50))
        async with (
            foreign_backend(*program) as backend,
            running_engine(engine, Address("127.0.0.1", backend.port), ListSink()) as between,
        ):
            client_through = comparable(await foreign_client(between.port, *program))
            backend_through = comparable(await backend.reported(50))
    assert len(client_directly) > 45
    assert client_through == client_directly
    assert backend_through == backend_directly
