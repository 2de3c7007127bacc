import asyncio

import pytest

from loom.schema.single_flight import SingleFlightCache


class Fetching:
    """Counts fetches and lets the test say when each of them ends."""

    def __init__(self) -> None:
        self.count = 0
        self.gate = asyncio.Event()
        self.began = asyncio.Semaphore(0)
        self.error: Exception | None = None
        self.now = 0.0

    async def __call__(self, key: str) -> str:
        self.count += 1
        number = self.count
        self.began.release()
        await self.gate.wait()
        if self.error:
            raise self.error
        return f"{key}{number}"

    def flight(self) -> SingleFlightCache[str]:
        return SingleFlightCache(self, ttl=10, failure_ttl=2, clock=lambda: self.now)


async def test_concurrent_callers_share_one_fetch() -> None:
    fetching = Fetching()
    flight = fetching.flight()
    waiting = [asyncio.ensure_future(flight.get("k")) for _ in range(100)]
    await asyncio.sleep(0)
    fetching.gate.set()
    assert await asyncio.gather(*waiting) == ["k1"] * 100
    assert await flight.get("k") == "k1"
    assert fetching.count == 1


async def test_a_cancelled_caller_does_not_cancel_the_fetch() -> None:
    fetching = Fetching()
    flight = fetching.flight()
    leader = asyncio.ensure_future(flight.get("k"))
    await asyncio.sleep(0)
    follower = asyncio.ensure_future(flight.get("k"))
    await asyncio.sleep(0)
    leader.cancel()
    with pytest.raises(asyncio.CancelledError):
        await leader
    fetching.gate.set()
    assert await follower == "k1"
    assert fetching.count == 1


async def test_failures_are_cached_for_their_own_ttl() -> None:
    fetching = Fetching()
    fetching.gate.set()
    fetching.error = ValueError("down")
    flight = fetching.flight()
    for _ in range(3):
        with pytest.raises(ValueError, match="down"):
            await flight.get("k")
    assert fetching.count == 1
    fetching.now, fetching.error = 3.0, None
    assert await flight.get("k") == "k2"


async def test_a_stale_value_is_served_while_it_is_refreshed() -> None:
    fetching = Fetching()
    fetching.gate.set()
    flight = fetching.flight()
    assert await flight.get("k") == "k1"
    fetching.now = 11.0
    fetching.gate.clear()
    assert [await flight.get("k") for _ in range(5)] == ["k1"] * 5
    fetching.gate.set()
    assert await flight.refresh("k") == "k2"
    assert await flight.get("k") == "k2"
    assert fetching.count == 2


async def test_a_failed_refresh_keeps_the_stale_value() -> None:
    fetching = Fetching()
    fetching.gate.set()
    flight = fetching.flight()
    await flight.get("k")
    fetching.error = ValueError("down")
    with pytest.raises(ValueError, match="down"):
        await flight.refresh("k")
    assert await flight.get("k") == "k1"
    assert flight.peek("k") == "k1"


async def test_invalidate_makes_values_stale_and_drops_failures() -> None:
    fetching = Fetching()
    fetching.gate.set()
    flight = fetching.flight()
    await flight.get("k")
    fetching.error = ValueError("down")
    with pytest.raises(ValueError, match="down"):
        await flight.get("bad")
    fetching.error = None
    flight.invalidate()
    assert await flight.get("k") == "k1"
    assert await flight.refresh("k") == "k3"
    assert await flight.get("bad") == "bad4"


async def test_keys_do_not_wait_for_each_other() -> None:
    fetching = Fetching()
    flight = fetching.flight()
    both = [asyncio.ensure_future(flight.get(key)) for key in ("a", "b")]
    await fetching.began.acquire()
    await fetching.began.acquire()  # the second began while the first was under way
    fetching.gate.set()
    assert await asyncio.gather(*both) == ["a1", "b2"]


async def test_close_cancels_fetches_in_flight() -> None:
    fetching = Fetching()
    flight = fetching.flight()
    waiting = asyncio.ensure_future(flight.get("k"))
    await asyncio.sleep(0)
    await flight.close()
    with pytest.raises(asyncio.CancelledError):
        await waiting


async def test_expired_failures_are_evicted() -> None:
    fetching = Fetching()
    fetching.gate.set()
    fetching.error = ValueError("no")
    flight = fetching.flight()
    for number in range(3000):
        fetching.now = number * 0.01
        with pytest.raises(ValueError, match="no"):
            await flight.get(f"k{number}")
    assert len(flight._entries) <= 1001


async def test_failures_that_have_not_expired_are_bounded_too() -> None:
    fetching = Fetching()
    fetching.gate.set()
    flight = fetching.flight()
    assert await flight.get("value") == "value1"
    fetching.error = ValueError("no")
    for number in range(3000):
        with pytest.raises(ValueError, match="no"):
            await flight.get(f"k{number}")
        assert len(flight._entries) <= 1001
    assert flight.peek("value") == "value1"
    count = fetching.count
    with pytest.raises(ValueError, match="no"):
        await flight.get("k2999")
    assert fetching.count == count  # the newest failures are still cached
