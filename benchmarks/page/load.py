"""Traffic for the page: summaries at a given rate, while the history stays at its size."""

import asyncio
import time
from typing import Any

from tests.page.fake_feed import FakeFeed, summary

HELD = 100_000
TICK_S = 0.1

_METHODS = ("GetOrder", "ListOrders", "WatchOrders", "PutOrder", "Checkout")
_FAILED = {"code": 14, "name": "UNAVAILABLE", "message": "connection refused"}


def call(number: int, **changes: Any) -> dict[str, Any]:
    """Five methods, four kinds, one failure in twenty."""
    made = summary(
        number,
        method=f"/acme.shop.v1.Shop/{_METHODS[number % len(_METHODS)]}",
        kind=("unary", "unary", "server", "client", "bidi")[number % 5],
        messages=[1 + number % 3, number % 7],
        bytes=[number % 5000, number % 100_000],
    )
    if number % 20 == 0:
        made["status"] = _FAILED
    return made | changes


def fill(feed: FakeFeed) -> None:
    """Fill the history before the page is opened."""
    feed.calls = {number: call(number) for number in range(1, HELD + 1)}


async def run(feed: FakeFeed, per_second: int, seconds: float) -> int:
    """Publish each call twice, when it starts and when it ends; evict the oldest. Return the number of summaries.

    On the feed's own loop, which is not the measuring one's.
    """
    per_tick = int(per_second * TICK_S)
    began = time.monotonic()
    sent = 0
    live: list[dict[str, Any]] = []
    number = max(feed.calls)
    for tick in range(int(seconds / TICK_S)):
        ended = [one | {"version": 2} for one in live]
        fresh = [call(number + at) for at in range(1, per_tick - len(ended) + 1)]
        number += len(fresh)
        begun = [
            one | {"state": "live", "status": None, "duration_us": None, "ended_by": None} for one in fresh
        ]
        live = fresh
        feed.calls.update({one["id"]: one for one in (*ended, *begun)})
        feed.send("calls", [*ended, *begun])
        sent += len(ended) + len(begun)
        if tick % 10 == 9:
            _evict(feed)
            feed.send("stats", feed.numbers())
        await asyncio.sleep(max(0.0, began + (tick + 1) * TICK_S - time.monotonic()))
    last = [one | {"version": 2} for one in live]
    feed.calls.update({one["id"]: one for one in last})
    feed.send("calls", last)
    _evict(feed)
    feed.send("stats", feed.numbers())
    return sent + len(last)


def _evict(feed: FakeFeed) -> None:
    for number in list(feed.calls)[: max(0, len(feed.calls) - HELD)]:
        del feed.calls[number]
        feed.evicted += 1
