"""Loom in tests: put it before a server, run the code under test, assert on the calls that passed.

    from loom.testing import watch

    def test_an_order_is_looked_up_once():
        with watch("localhost:50051") as loom:
            show_order(client(loom.address), "o-17")
            call = loom.wait_for_call("method:GetOrder")
            assert call.status == "OK"
            assert call.request.json == {"id": "o-17"}

``async with watch(…)`` gives the same with coroutines. With pytest, the fixtures ``loom_proxy`` and ``loom_watch``
are there without any import (docs/testing.md).

* :mod:`~loom.testing._client`: a call that passed, as plain values.
* :mod:`~loom.testing._recorded`: the calls of one Loom, and waiting for them.
* :mod:`~loom.testing._proxy`: a Loom around a target, for ``with`` and for ``async with``.
"""

from ._client import WatchedCall, WatchedMessage
from ._proxy import AsyncWatchedLoom, LoomWatch, Watch, WatchedLoom, watch
from ._recorded import CallNotSeen, UnexpectedCall

__all__ = [
    "AsyncWatchedLoom",
    "CallNotSeen",
    "LoomWatch",
    "UnexpectedCall",
    "Watch",
    "WatchedCall",
    "WatchedLoom",
    "WatchedMessage",
    "watch",
]
