import asyncio
import logging
from typing import Never

import pytest

from loom.runtime.tasks import Tasks


async def test_stop_cancels_tasks_and_waits_for_them() -> None:
    tasks, seen = Tasks(), []

    async def work() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            seen.append("cleaned")

    tasks.start(work(), "work")
    await asyncio.sleep(0)
    await tasks.stop()
    assert seen == ["cleaned"]


async def test_a_failure_is_never_silent(caplog: pytest.LogCaptureFixture) -> None:
    async def work() -> Never:
        raise RuntimeError("boom")

    tasks = Tasks()
    with caplog.at_level(logging.ERROR):
        task = tasks.start(work(), "fragile")
        await asyncio.wait([task])
        await asyncio.sleep(0)
    assert "background task fragile failed" in caplog.text


async def test_a_tick_outlives_its_own_failure(caplog: pytest.LogCaptureFixture) -> None:
    tasks, seen, twice = Tasks(), [], asyncio.Event()

    def tick() -> Never:
        seen.append(1)
        if len(seen) == 2:
            twice.set()
        raise RuntimeError("boom")

    tasks.every(0.001, tick, "tick")
    await asyncio.wait_for(twice.wait(), 10)
    await tasks.stop()
    assert "tick failed" in caplog.text
