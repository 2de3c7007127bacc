"""Waiting for what breakpoints hold."""

import asyncio
from collections.abc import Callable

from loom.interception.hold import Hold
from loom.interception.holds import Holds


async def wait_for_change(holds: Holds, is_reached: Callable[[], bool]) -> None:
    """Wait until something is so, which a change of what is held may bring about."""
    changed = asyncio.Event()
    loop = asyncio.get_running_loop()
    stop = holds.on_change(lambda: loop.call_soon_threadsafe(changed.set))
    try:
        async with asyncio.timeout(60):
            while not is_reached():
                changed.clear()
                await changed.wait()
    finally:
        stop()


async def wait_for_holds(holds: Holds, count: int = 1) -> list[Hold]:
    """The held items, once there are ``count``."""
    await wait_for_change(holds, lambda: len(list(holds)) >= count)
    return list(holds)
