"""Connections past the limit are refused; one that ends makes room."""

import asyncio
import resource
import sys

import pytest

from loom.proxy.connection_limit import connection_limit
from tests.proxy.wire.test_tunnel import close, connect, running_tunnel


def test_the_limit_leaves_descriptors_for_the_rest() -> None:
    limit = connection_limit(2)
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    assert limit >= 16
    assert 2 * limit < min(soft, 65_536)
    assert connection_limit(4) < limit


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such limit")
def test_a_low_soft_limit_is_raised() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    assert hard == resource.RLIM_INFINITY or hard > 1024
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (1024, hard))
        assert connection_limit(2) > 512
        assert resource.getrlimit(resource.RLIMIT_NOFILE)[0] > 1024
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


async def test_connections_past_the_limit_are_reset_and_others_go_on() -> None:
    async with running_tunnel(max_connections=2) as (backend, engine):
        reader, writer = await connect(engine.port)
        _, backend_writer = await backend.accept()
        _, second = await connect(engine.port)
        _, second_backend = await backend.accept()
        for _ in range(3):
            refused, refused_writer = await connect(engine.port)
            with pytest.raises(ConnectionError):
                await refused.readexactly(1)
            await close(refused_writer)
        backend_writer.write(b"still here")
        assert await reader.readexactly(10) == b"still here"
        await close(second, second_backend)
        while len(engine._tunnels) > 1:  # noqa: ASYNC110 (it ends with the connection, which no event reports)
            await asyncio.sleep(0)
        _, third = await connect(engine.port)
        _, third_backend = await backend.accept()
        await close(writer, backend_writer, third, third_backend)
