"""Whose end a call is, for each way in which one can end, through both engines; backends of grpcio and of grpc-go."""

import asyncio
from contextlib import AbstractAsyncContextManager

import pytest

from loom.model import Address, CallEnded
from tests.differential.call_ends import (
    BACKEND_LOST,
    BACKEND_WAYS,
    CLIENT_WAYS,
    LOOM_ENDED,
    Backend,
    Recorded,
    end_by_refusal,
    end_each_way,
    end_each_way_of_a_bare_backend,
    go_backend,
    python_backend,
)
from tests.support.engines import ENGINES, running_engine
from tests.support.sinks import ListSink

pytestmark = [pytest.mark.xdist_group("go"), pytest.mark.timeout(600)]  # the first build takes a minute


def recorded(ends: dict[str, CallEnded]) -> dict[str, Recorded]:
    return {name: (end.status.code, end.ended_by) for name, end in ends.items()}  # type: ignore[misc]


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("library", ["grpcio", "grpc-go"])
async def test_the_first_end_on_the_wire_is_the_calls(engine: str, library: str, go_program: str) -> None:
    running: AbstractAsyncContextManager[Backend] = (
        python_backend() if library == "grpcio" else go_backend(go_program)
    )
    sink = ListSink()
    async with (
        asyncio.timeout(60),
        running as backend,
        running_engine(engine, Address("127.0.0.1", backend.port), sink) as between,
    ):
        ends = await end_each_way(between, sink, backend)
    expected = {name: result for name, (_, result) in CLIENT_WAYS.items()}
    assert recorded(ends) == {**expected, "the backend's kill -9": BACKEND_LOST}


@pytest.mark.parametrize("engine", ENGINES)
async def test_ends_that_only_a_bare_backend_makes(engine: str) -> None:
    async with asyncio.timeout(60):
        ends = await end_each_way_of_a_bare_backend(engine)
    expected = {name: result for name, (_, result) in BACKEND_WAYS.items()}
    assert recorded(ends) == {**expected, "Loom's stop": LOOM_ENDED}


@pytest.mark.parametrize("engine", ENGINES)
async def test_a_refusal_is_looms_end(engine: str) -> None:
    async with asyncio.timeout(60):
        end = await end_by_refusal(engine)
    assert (end.status.code, end.ended_by) == LOOM_ENDED
