"""Wait until traffic has come to rest. The only pause in the tests: nothing reports that flow control holds."""

import asyncio
from collections.abc import Callable

_QUIET_SECONDS = 0.3


async def final_value(value: Callable[[], int]) -> int:
    """A number that grows with the traffic, once it is positive and has stopped growing."""
    before = -1
    while before != (now := value()) or now == 0:
        before = now
        await asyncio.sleep(_QUIET_SECONDS)
    return now
