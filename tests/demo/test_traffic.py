"""Traffic plays scenes on its own until it is stopped."""

import asyncio

import pytest

from loom.demo.backend import DemoBackend
from loom.demo.scenes import Client, Scene
from loom.demo.traffic import Traffic
from loom.model import Address


async def test_traffic_calls_until_it_is_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    backend = DemoBackend(Address("127.0.0.1", 0))
    await backend.start()
    traffic = Traffic(backend.address, backend.contract)
    before = asyncio.all_tasks()
    await traffic.start()
    called = asyncio.Event()
    original = traffic._play

    async def play(scene: Scene, client: Client) -> None:
        await original(scene, client)
        called.set()

    monkeypatch.setattr(traffic, "_play", play)
    await asyncio.wait_for(called.wait(), 20)
    await traffic.stop()
    assert not [task for task in asyncio.all_tasks() - before if task.get_name().startswith("demo-")]
    await backend.stop()
