"""Loom in tests: put a proxy in front of a server, run the code under test, assert on the recorded calls.

    from loom.testing import LoomProxy

    def test_an_order_is_fetched_once():
        with LoomProxy("localhost:50051") as proxy:
            show_order(client(proxy.address), "o-17")
            call = proxy.wait_for_call("method:GetOrder")
            assert call.status == "OK"
            assert call.request.json == {"id": "o-17"}

``async with AsyncLoomProxy(…)`` is the same with coroutines. pytest has the fixtures ``loom_proxy`` and
``loom_proxy_factory`` without any import (docs/how-to/testing.md).

* :mod:`~loom.testing._proxy`: the proxy, synchronous and asynchronous.
* :mod:`~loom.testing._call_log`: the calls that one proxy recorded, and waiting for them.
* :mod:`~loom.testing._rules`: rules and faults that act for the length of a ``with``.
* :mod:`~loom.testing._holds`: breakpoints for the length of a ``with``, and what they hold.
* :mod:`~loom.testing._recorded_call`: a recorded call as plain values.
"""

from ._call_log import CallNotFound, UnexpectedCall
from ._holds import AsyncBreakpoint, AsyncHeldItem, Breakpoint, HeldItem, NothingHeld
from ._proxy import AsyncLoomProxy, LoomProxy, LoomProxyFactory, ProxyOptions
from ._recorded_call import RecordedCall, RecordedMessage
from ._rules import ActingRule, FaultOptions, RuleOptions

__all__ = [  # noqa: RUF022 (grouped by purpose)
    # proxies
    "LoomProxy",
    "AsyncLoomProxy",
    "LoomProxyFactory",
    "ProxyOptions",
    # what they record
    "RecordedCall",
    "RecordedMessage",
    # what acts on them
    "ActingRule",
    "FaultOptions",
    "RuleOptions",
    # what a test holds of them
    "Breakpoint",
    "HeldItem",
    "AsyncBreakpoint",
    "AsyncHeldItem",
    # failed assertions
    "CallNotFound",
    "UnexpectedCall",
    "NothingHeld",
]
