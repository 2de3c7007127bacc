"""The lag of the event loop's timers."""

import asyncio
import time

from loom.proxy.loop_lag import LoopLag


async def run_turn() -> None:
    await asyncio.sleep(0)


def test_the_highest_lag_counts_and_decays() -> None:
    lag = LoopLag()
    lag.add(0.2)
    lag.add(0.1)
    assert 0.1 < lag.seconds < 0.2
    for _ in range(100):
        lag.add(0)
    assert lag.seconds < 0.002


async def test_a_busy_loop_lags_until_it_is_idle() -> None:
    lag = LoopLag()
    lag.on_traffic()
    asyncio.get_running_loop().call_soon(time.sleep, 0.1)
    async with asyncio.timeout(30):
        while lag.seconds < 0.05:
            await run_turn()
        highest = lag.seconds
        while lag.seconds > 0.02:  # without further traffic
            await run_turn()
    assert highest >= 0.05
